"""From pictures to a capture, step by step: pictures, cameras, scale; masks, landmarks and check follow."""

import bpy

from ..addon import jobs, view_landmarks
from ..addon.capture_checks import masks_of
from ..addon.capture_points import points_shown
from ..addon.capture_state import FIRST, SCALES, SECOND, state_of
from ..addon.captures import fitted_scale
from ..addon.job_drawing import draw_progress, draw_sentence
from ..backend.errors import MaquetteError
from ..operators.hair import capture_folder, without_capture


class CapturePanel:
    """What the Capture panel and its steps share."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Maquette"

    def columns(self) -> bpy.types.UILayout:
        self.layout.use_property_split = True
        self.layout.use_property_decorate = False
        return self.layout.column()

    def draw_running(self, *kinds: str) -> None:
        """The progress of the jobs of some kinds."""
        for record in jobs.all_jobs():
            if record.kind in kinds and record.state.active:
                draw_progress(self.layout.box(), record)


class CaptureStep(CapturePanel):
    """A step of the Capture panel; folded away while there is no capture."""

    bl_parent_id = "MAQUETTE_PT_capture"

    @classmethod
    def poll(cls, context):
        return not without_capture(context)


class MAQUETTE_PT_capture(CapturePanel, bpy.types.Panel):
    bl_label = "Capture"

    def draw(self, context):
        column = self.columns()
        row = column.row()
        row.scale_y = 1.4
        row.operator("maquette.import_photos", icon="IMAGE_DATA")
        opening = column.column(align=True)
        row = opening.row(align=True)
        row.operator("maquette.import_cameras", icon="IMPORT")
        row.operator("maquette.capture_scene_cameras", text="", icon="SCENE_DATA")
        opening.operator("maquette.open_capture", icon="FILE_FOLDER")
        opening.operator("maquette.sample_capture", icon="OUTLINER_OB_CAMERA")
        column.prop(context.scene.maquette, "capture")
        self.draw_running("import-photos", "import-cameras")
        if trouble := without_capture(context):
            draw_sentence(self.layout, context, f"{trouble}, or import photographs.", icon="INFO")


class MAQUETTE_PT_capture_cameras(CaptureStep, bpy.types.Panel):
    bl_label = "1. Cameras"
    bl_order = 1

    def draw(self, context):
        column, folder = self.columns(), capture_folder(context)
        row = column.row(align=True)
        row.operator("maquette.look_through", text="", icon="TRIA_LEFT").step = -1
        row.operator("maquette.look_through", icon="CAMERA_DATA")
        row.operator("maquette.look_through", text="", icon="TRIA_RIGHT").step = 1
        row.operator("maquette.leave_out", text="", icon="X")
        state = state_of(folder)
        if state is None:
            column.label(text="Its transforms.json cannot be read", icon="ERROR")
            return
        report = state.report
        if masks_of(folder)["person"] and state.scale != "rendered":
            column.operator("maquette.solve_again", icon="FILE_REFRESH")
        if not state.posed:
            text = f"{state.views} photographs; nobody knows where their cameras stood. Make masks of the person, then"
            draw_sentence(column, context, f"{text} Solve Again by the Person.", icon="INFO")
            return
        if not report:
            column.label(text=f"{state.views} cameras", icon="CHECKMARK")
            return
        missing = report.get("missing", [])
        text = f"{report['registered']} of {report['pictures']} pictures placed"
        column.label(text=text, icon="ERROR" if missing else "CHECKMARK")
        if missing:
            names = ", ".join(missing[:4]) + (", ..." if len(missing) > 4 else "")
            draw_sentence(column, context, f"Not placed: {names}")
        off = report.get("error_pixels", 0.0)
        icon = "CHECKMARK" if off < 1.0 else "INFO"
        column.label(text=f"{report.get('points', 0):,} points, {off:.2f} pixels off", icon=icon)
        column.operator(
            "maquette.show_capture_points", icon="POINTCLOUD_DATA", depress=points_shown(context.scene, folder)
        )


class MAQUETTE_PT_capture_scale(CaptureStep, bpy.types.Panel):
    bl_label = "3. Scale"
    bl_order = 3

    def draw(self, context):
        column, folder = self.columns(), capture_folder(context)
        state = state_of(folder)
        if state is None:
            return
        if fitted := fitted_scale(context.scene, folder):
            why = "assumed" if context.scene.maquette.scale_assumed else "by the head's size"
            draw_sentence(column, context, f"A unit is {fitted:.4g} m, {why}", icon="INFO")
        else:
            draw_sentence(column, context, SCALES[state.scale][0], icon=SCALES[state.scale][1])
        self.draw_running("place-capture")
        if state.scale == "rendered":
            return
        column = self.layout.column()
        column.operator("maquette.place_capture", text="By a Fitted Head", icon="USER").by = "head"
        box = column.box().column()
        row = box.row(align=True)
        counts = {name: _clicks(folder, name) for name in (FIRST, SECOND)}
        for name, text in ((FIRST, "First End"), (SECOND, "Second End")):
            count = counts[name]
            icon = "CHECKMARK" if count > 1 else "CURSOR"
            button = row.operator("maquette.click_landmarks", text=f"{text} ({count})", icon=icon)
            button.only = name
        if any(counts.values()) and min(counts.values()) < 2:
            draw_sentence(box, context, "Click each end in two photographs from different sides.", icon="INFO")
        box.prop(context.scene.maquette.photos, "distance")
        box.operator("maquette.place_capture", text="By This Distance", icon="DRIVER_DISTANCE").by = "distance"
        if state.scale == "unknown":
            column.operator("maquette.place_capture", text="Assume Metres", icon="QUESTION").by = "assumed"


def _clicks(folder, name: str) -> int:
    """In how many photographs an end is clicked."""
    try:
        return sum(name in seen for seen in view_landmarks.views_of(folder).values())
    except MaquetteError:
        return 0


classes = (MAQUETTE_PT_capture, MAQUETTE_PT_capture_cameras, MAQUETTE_PT_capture_scale)
