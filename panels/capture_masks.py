"""The later steps of the Capture panel: masks, landmarks, check."""

import bpy

from ..addon import strokes, view_landmarks
from ..addon.capture_checks import LIGHTS, MASKS, SHEET, check_of, masks_of
from ..addon.job_drawing import draw_sentence
from ..backend.errors import MaquetteError
from ..operators.hair import capture_folder
from .capture import CaptureStep

ICONS = {"green": "CHECKMARK", "yellow": "ERROR", "red": "CANCEL"}


class MAQUETTE_PT_capture_masks(CaptureStep, bpy.types.Panel):
    bl_label = "4. Masks"
    bl_order = 4

    def draw(self, context):
        column, folder, masks = self.columns(), capture_folder(context), context.scene.maquette.masks
        counts = masks_of(folder)
        there = max(counts.values())
        text = f"{counts['hair']} of hair, {max(counts['bust'], counts['person'])} of the person"
        column.label(text=text if there else "None yet", icon="CHECKMARK" if counts["hair"] else "INFO")
        column.prop(masks, "source")
        if masks.source == "files":
            column.prop(masks, "files")
        elif masks.source == "model":
            column.prop(masks, "model")
        if masks.source == "made":
            column.prop(masks, "side")
        else:
            column.prop(masks, "table")
            if masks.table == "file":
                column.prop(masks, "table_file")
        column.prop(masks, "replace")
        row = column.row(align=True)
        row.operator("maquette.make_masks", icon="MOD_MASK")
        if (folder / MASKS).is_file():
            row.operator("maquette.show_sheet", text="", icon="IMAGE_DATA").sheet = "masks"
        self.draw_running("make-masks")
        if masks.source != "made":
            return
        box = self.layout.box().column(align=True)
        row = box.row(align=True)
        row.operator("maquette.paint_strokes", icon="BRUSH_DATA")
        row.operator("maquette.remove_strokes", text="", icon="TRASH")
        row = box.row(align=True)
        for kind, text in (("hair", "Hair"), ("bust", "Skin"), ("background", "Background")):
            row.operator("maquette.stroke_colour", text=text).kind = kind
        if names := strokes.views_with_strokes(folder):
            draw_sentence(box, context, f"Strokes on {', '.join(names[:4])}{', ...' if len(names) > 4 else ''}")


class MAQUETTE_PT_capture_landmarks(CaptureStep, bpy.types.Panel):
    bl_label = "2. Landmarks"
    bl_order = 2

    def draw(self, context):
        column, folder = self.columns(), capture_folder(context)
        try:
            counts = [len(seen) for seen in view_landmarks.views_of(folder).values() if len(seen) > 3]
        except MaquetteError as error:
            draw_sentence(column, context, str(error), icon="ERROR")
            return
        if counts:
            column.label(text=f"In {len(counts)} photographs", icon="CHECKMARK")
        else:
            draw_sentence(column, context, "Click six or more in one to three photographs of the face", icon="INFO")
        column.operator("maquette.click_landmarks", icon="CURSOR")
        column.prop(context.scene.maquette.masks, "task")
        task = context.scene.maquette.masks.task
        column.operator("maquette.find_landmarks", text="Find in All" if task else "Carry to All", icon="TRACKER")
        self.draw_running("find-landmarks")


class MAQUETTE_PT_capture_check(CaptureStep, bpy.types.Panel):
    bl_label = "5. Check"
    bl_order = 5

    def draw(self, context):
        column, folder = self.columns(), capture_folder(context)
        row = column.row(align=True)
        row.operator("maquette.check_capture", icon="VIEWZOOM")
        if (folder / SHEET).is_file():
            row.operator("maquette.show_sheet", text="", icon="IMAGE_DATA").sheet = "check"
        self.draw_running("check-capture")
        report = check_of(folder)
        if not report:
            return
        text, icon = LIGHTS[report["light"]]
        column.label(text=f"{text} (before the last change)" if report["stale"] else text, icon=icon)
        for finding in report.get("findings", ()):
            draw_sentence(column, context, finding.get("sentence", ""), icon=ICONS.get(finding.get("light"), "INFO"))


classes = (MAQUETTE_PT_capture_landmarks, MAQUETTE_PT_capture_masks, MAQUETTE_PT_capture_check)
