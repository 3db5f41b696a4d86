"""An animatable head fitted to a scan or to photographs, step by step."""

import bpy
import bpy.utils.previews
import numpy as np

from ..addon import jobs, residual, view_landmarks
from ..addon.captures import capture_cameras
from ..addon.fitting import KINDS
from ..addon.flame_rig import current_rig
from ..addon.job_drawing import draw_progress, draw_sentence
from ..addon.landmark_guide import ENOUGH, FIRST, NEEDED, ORDER, label
from ..addon.landmarks import guessed_unit, landmarks_on, scan_of
from ..backend.errors import MaquetteError
from ..operators.hair import without_capture

MOST_ROWS = 16
SWATCHES = 9
_icons: bpy.utils.previews.ImagePreviewCollection | None = None


class _FitPanel:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Maquette"

    def columns(self) -> bpy.types.UILayout:
        self.layout.use_property_split = True
        self.layout.use_property_decorate = False
        return self.layout.column()


class MAQUETTE_PT_fit(_FitPanel, bpy.types.Panel):
    bl_label = "Fit Head"

    def draw(self, context):
        fit, column = context.scene.maquette.fit, self.columns()
        column.row().prop(fit, "model", expand=True)
        if fit.model == "FILE":
            column.prop(fit, "model_file")
        for record in jobs.all_jobs():
            if record.kind in KINDS and record.state.active:
                draw_progress(self.layout.box(), record)


class MAQUETTE_PT_fit_scan(_FitPanel, bpy.types.Panel):
    bl_label = "To a Scan"
    bl_parent_id = "MAQUETTE_PT_fit"

    def draw(self, context):
        column = self.columns()
        draw_scan(column, context)
        row = column.row()
        row.scale_y = 1.4
        row.operator("maquette.fit_head_to_scan", icon="PLAY")


class MAQUETTE_PT_fit_landmarks(_FitPanel, bpy.types.Panel):
    bl_label = "Each Landmark"
    bl_parent_id = "MAQUETTE_PT_fit_scan"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context):
        return scan_of(context) is not None

    def draw(self, context):
        there = landmarks_on(scan_of(context))
        _list_landmarks(self.layout, there, "maquette.place_landmarks", "maquette.remove_landmarks")


class MAQUETTE_PT_fit_photos(_FitPanel, bpy.types.Panel):
    bl_label = "To Photographs"
    bl_parent_id = "MAQUETTE_PT_fit"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        fit, column = context.scene.maquette.fit, self.columns()
        row = column.row(align=True)
        row.operator("maquette.look_through", text="", icon="TRIA_LEFT").step = -1
        row.operator("maquette.click_landmarks", icon="CURSOR")
        row.operator("maquette.remove_view_landmarks", text="", icon="TRASH")
        row.operator("maquette.look_through", text="", icon="TRIA_RIGHT").step = 1
        if trouble := without_capture(context):
            column.label(text=trouble, icon="INFO")
        else:
            self._draw_counts(context, column)
        column.row().prop(fit, "cameras", expand=True)
        row = column.row()
        row.scale_y = 1.4
        row.operator("maquette.fit_head_to_photos", icon="PLAY")

    def _draw_counts(self, context, column):
        cameras = [thing for thing in capture_cameras(context.scene) if view_landmarks.is_capture_camera(thing)]
        if not cameras:
            return
        try:
            counts = {thing: len(view_landmarks.seen_in(thing)) for thing in cameras}
        except MaquetteError as error:
            column.label(text=str(error), icon="ERROR")
            return
        here = context.scene.camera
        if here in counts:
            column.label(text=f"{view_landmarks.view_of(here)}: {counts[here]} landmarks")
        enough = sum(count >= view_landmarks.FEWEST_IN_VIEW for count in counts.values())
        column.label(text=f"{enough} of {len(cameras)} photographs have enough", icon="CHECKMARK" if enough else "INFO")


class MAQUETTE_PT_fit_more(_FitPanel, bpy.types.Panel):
    bl_label = "More"
    bl_parent_id = "MAQUETTE_PT_fit"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        column = self.columns()
        for name in ("expression", "identity", "views", "seed", "device"):
            column.prop(context.scene.maquette.fit, name)


class MAQUETTE_PT_fit_result(_FitPanel, bpy.types.Panel):
    bl_label = "How Well It Fits"
    bl_parent_id = "MAQUETTE_PT_fit"

    @classmethod
    def poll(cls, context):
        rig = current_rig(context)
        return rig is not None and residual.report_of(rig.mesh) is not None

    def draw(self, context):
        mesh, layout = current_rig(context).mesh, self.layout
        report = residual.report_of(mesh)
        layout.label(text=mesh.name, icon="USER")
        shown, layers = residual.shown_layer(mesh), residual.layers_of(mesh)
        if "residual" in layers:
            button = layout.operator(
                "maquette.show_fit", text="Show Residual", icon="COLOR", depress=shown == "residual"
            )
            button.layer = "residual"
            draw_legend(layout, float(report.get("limit", 1.0)))
        if "albedo" in layers:
            button = layout.operator("maquette.show_fit", text="Show Skin", icon="COLOR", depress=shown == "albedo")
            button.layer = "albedo"
        if "overlay" in report:
            layout.operator("maquette.show_fit_overlay", icon="IMAGE_DATA")
        draw_table(layout, report)
        metres = report.get("metres_per_unit")
        if isinstance(metres, (int, float)) and report.get("scan"):
            unit = f"1 {report['unit']}" if report.get("unit") else f"{metres:.4g} m"
            draw_sentence(layout, context, f"A unit of the scan is {unit}, {report.get('unit_source', 'as told')}.")


def draw_scan(column, context) -> None:
    """Which scan, its landmarks, and its unit."""
    fit = context.scene.maquette.fit
    column.prop(fit, "scan")
    scan = scan_of(context)
    if scan is not None and scan != fit.scan:
        column.label(text=f"{scan.name}, which is selected", icon="OBJECT_DATA")
    row = column.row(align=True)
    row.operator("maquette.place_landmarks", icon="CURSOR")
    row.operator("maquette.load_landmarks", text="", icon="FILE_FOLDER")
    row.operator("maquette.save_landmarks", text="", icon="EXPORT")
    row.operator("maquette.remove_landmarks", text="", icon="TRASH")
    there = landmarks_on(scan) if scan is not None else {}
    text, icon = how_many(len(there), sum(name in there for name in FIRST[:ENOUGH]))
    column.label(text=text, icon=icon)
    column.prop(fit, "unit")
    if fit.unit == "OTHER":
        column.prop(fit, "metres_per_unit")
    elif fit.unit == "AUTO" and scan is not None and (guess := guessed_unit(scan)):
        metres, name = guess
        column.label(text=f"A unit of the scan is 1 {name}" if name else f"A unit of the scan is {metres:.4g} m")


def how_many(count: int, good: int) -> tuple[str, str]:
    """What to say of a number of landmarks, some of them among the first that are asked for, and with which icon."""
    if count < NEEDED:
        return f"{count} placed, {NEEDED - count} more needed", "INFO"
    if good < ENOUGH:
        return f"{count} placed, {ENOUGH - good} more make it sure", "CHECKMARK"
    return f"{count} placed", "CHECKMARK"


def _list_landmarks(layout, there, place: str, remove: str) -> None:
    column = layout.column(align=True)
    for name in (*ORDER, *sorted(there.keys() - set(ORDER))):
        row = column.row(align=True)
        row.operator(
            place, text=label(name), icon="CHECKMARK" if name in there else "DOT", emboss=name not in there
        ).only = name
        if name in there:
            row.operator(remove, text="", icon="X", emboss=False).only = name


def draw_legend(layout, limit: float, below: str = "scan inside", above: str = "scan outside") -> None:
    """The colours of a residual, the millimetres at which they end, and what either end means."""
    column = layout.column(align=True)
    row = column.row(align=True)
    row.alignment = "CENTER"
    for k in range(SWATCHES):
        row.label(text="", icon_value=_swatch(k))
    _thirds(column, f"-{limit:g} mm", "0", f"+{limit:g} mm")
    _thirds(column, below, "", above, active=False)


def _thirds(layout, left: str, middle: str, right: str, active: bool = True) -> None:
    row = layout.row()
    row.active = active
    split = row.split(factor=1 / 3)
    split.label(text=left)
    for text, alignment in ((middle, "CENTER"), (right, "RIGHT")):
        part = split.row()
        part.alignment = alignment
        part.label(text=text)


def draw_table(layout, report: dict) -> None:
    """The numbers of a report that ``residual.set_report`` kept."""
    rows = report.get("rows")
    if not rows:
        return
    layout.label(text=report.get("title", ""))
    box = layout.box().column(align=True)
    _row(box, "", *report.get("columns", ()), active=False)
    for name, values in list(rows.items())[:MOST_ROWS]:
        cells = [f"{value:.2f}" if isinstance(value, (int, float)) else "" for value in values]
        _row(box, name, *cells)


def _row(layout, first: str, *cells: str, active: bool = True) -> None:
    row = layout.row()
    row.active = active
    split = row.split(factor=0.4)
    split.label(text=first)
    cells_row = split.row()
    for cell in cells:
        part = cells_row.row()
        part.alignment = "RIGHT"
        part.label(text=cell)


def _swatch(k: int) -> int:
    """The icon of one of the legend's colours."""
    name = str(k)
    if name not in _icons:
        icon = _icons.new(name)
        icon.icon_size = (16, 16)
        pixels = np.ones((16 * 16, 4), np.float32)
        pixels[:, :3] = residual.colour_of(np.array([2 * k / (SWATCHES - 1) - 1]))
        icon.icon_pixels_float.foreach_set(pixels.ravel())
    return _icons[name].icon_id


classes = (
    MAQUETTE_PT_fit,
    MAQUETTE_PT_fit_scan,
    MAQUETTE_PT_fit_landmarks,
    MAQUETTE_PT_fit_photos,
    MAQUETTE_PT_fit_result,
    MAQUETTE_PT_fit_more,
)


def register():
    global _icons
    _icons = bpy.utils.previews.new()


def unregister():
    global _icons
    bpy.utils.previews.remove(_icons)
    _icons = None
