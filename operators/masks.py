"""Make Masks, strokes, Find Landmarks and Check Capture."""

from pathlib import Path

import bpy

from ..addon import jobs, strokes, view_landmarks
from ..addon.capture_checks import MASKS, SHEET
from ..addon.captures import capture_cameras
from ..backend.contract import CheckCapture, FindLandmarks
from ..backend.errors import MaquetteError
from ..backend.formats.capture import has_poses, read_capture
from .hair import capture_folder, without_capture


class OfCapture:
    """Of operators that act on the scene's capture."""

    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        if trouble := without_capture(context):
            cls.poll_message_set(trouble)
        return not trouble

    def execute(self, context):
        try:
            return self.act(context, capture_folder(context)) or {"FINISHED"}
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}

    def act(self, context, folder: Path):
        raise NotImplementedError


def looked_at(context: bpy.types.Context, folder: Path) -> str:
    """The view of the capture's camera that is looked through, else its first one. Raises MaquetteError."""
    thing = context.scene.camera
    if view_landmarks.is_capture_camera(thing) and view_landmarks.folder_of(thing) == folder:
        return view_landmarks.view_of(thing)
    of_capture = [c for c in capture_cameras(context.scene) if view_landmarks.folder_of(c) == folder]
    if of_capture:
        return view_landmarks.view_of(of_capture[0])
    return read_capture(folder, poses=has_poses(folder)).views[0].name


def open_image(context: bpy.types.Context, image: bpy.types.Image, mode: str) -> None:
    """Show an image in the image editor that is open, else in a window of its own."""
    if bpy.app.background:
        return
    area = next((a for a in context.screen.areas if a.type == "IMAGE_EDITOR"), None)
    window = context.window
    if area is None:
        bpy.ops.wm.window_new()
        window = context.window_manager.windows[-1]
        area = window.screen.areas[0]
        area.type = "IMAGE_EDITOR"
    space = area.spaces.active
    space.image = image
    space.ui_mode = mode
    if mode == "PAINT":
        # An editor that was another one has its brush's radius, strength and colour folded away.
        space.show_region_toolbar = space.show_region_tool_header = True
    region = next(region for region in area.regions if region.type == "WINDOW")
    with context.temp_override(window=window, area=area, region=region):
        bpy.ops.image.view_all(fit_view=True)
    area.tag_redraw()


class MAQUETTE_OT_make_masks(OfCapture, bpy.types.Operator):
    """Make masks of hair, and of skin and shoulders, for all photographs. Masks that you painted are kept"""

    bl_idname = "maquette.make_masks"
    bl_label = "Make Masks"

    def act(self, context, folder):
        strokes.keep_strokes(folder)
        jobs.submit(context.scene.maquette.masks.request(folder), title=f"Masks of {folder.name}")


class MAQUETTE_OT_paint_strokes(OfCapture, bpy.types.Operator):
    """Paint over the photograph that is looked at, in the image editor: red on hair, green on skin and clothes, blue on
    the background. A few strokes where a mask is wrong are enough; then make the masks again"""

    bl_idname = "maquette.paint_strokes"
    bl_label = "Paint Strokes"

    view: bpy.props.StringProperty(
        name="Photograph", description="Its name; empty for the one that is looked at", options={"SKIP_SAVE"}
    )

    def act(self, context, folder):
        strokes.keep_strokes(folder)
        image = strokes.canvas_of(folder, self.view or looked_at(context, folder))
        open_image(context, image, "PAINT")
        strokes.set_brush(context, "hair")


class MAQUETTE_OT_stroke_colour(bpy.types.Operator):
    bl_idname = "maquette.stroke_colour"
    bl_label = "Stroke Colour"
    bl_options = {"INTERNAL"}

    kind: bpy.props.EnumProperty(
        name="Kind",
        items=[
            ("hair", "Hair", "Paint hair, in red"),
            ("bust", "Skin", "Paint skin and clothes, in green"),
            ("background", "Background", "Paint the background, in blue"),
        ],
    )

    @classmethod
    def description(cls, context, properties):
        return properties.bl_rna.properties["kind"].enum_items[properties.kind].description

    def execute(self, context):
        strokes.set_brush(context, self.kind)
        return {"FINISHED"}


class MAQUETTE_OT_remove_strokes(OfCapture, bpy.types.Operator):
    """Take away the strokes of the photograph that is looked at"""

    bl_idname = "maquette.remove_strokes"
    bl_label = "Remove Strokes"

    view: bpy.props.StringProperty(
        name="Photograph", description="Its name; empty for the one that is looked at", options={"SKIP_SAVE"}
    )

    def act(self, context, folder):
        strokes.remove_strokes(folder, self.view or looked_at(context, folder))


class MAQUETTE_OT_find_landmarks(OfCapture, bpy.types.Operator):
    """Carry the landmarks that were clicked in some photographs to all others; or, with a model of MediaPipe's, find
    them in all. Those that you clicked stay where they are"""

    bl_idname = "maquette.find_landmarks"
    bl_label = "Find Landmarks"

    def act(self, context, folder):
        task = context.scene.maquette.masks.task
        request = FindLandmarks(capture=folder, task=Path(bpy.path.abspath(task)) if task else None)
        jobs.submit(request, title=f"Landmarks of {folder.name}")


class MAQUETTE_OT_check_capture(OfCapture, bpy.types.Operator):
    """Look at the whole capture: coverage, sharpness, exposure, masks, cameras and scale, and say what to do better"""

    bl_idname = "maquette.check_capture"
    bl_label = "Check Capture"

    def act(self, context, folder):
        jobs.submit(CheckCapture(capture=folder), title=f"Check of {folder.name}")


class MAQUETTE_OT_show_sheet(OfCapture, bpy.types.Operator):
    bl_idname = "maquette.show_sheet"
    bl_label = "Show All Photographs"

    sheet: bpy.props.EnumProperty(
        name="Sheet",
        items=[
            ("masks", "Masks", "All photographs with their masks over them, in a window of its own"),
            ("check", "Check", "All photographs, each framed in its light, in a window of its own"),
        ],
        options={"SKIP_SAVE"},
    )

    @classmethod
    def description(cls, context, properties):
        return properties.bl_rna.properties["sheet"].enum_items[properties.sheet].description

    def act(self, context, folder):
        path = folder / {"masks": MASKS, "check": SHEET}[self.sheet]
        if not path.is_file():
            self.report({"ERROR"}, "There is no sheet yet; make the masks, or check the capture.")
            return {"CANCELLED"}
        image = bpy.data.images.load(str(path), check_existing=True)
        image.reload()
        open_image(context, image, "VIEW")
        return None


classes = (
    MAQUETTE_OT_make_masks,
    MAQUETTE_OT_paint_strokes,
    MAQUETTE_OT_stroke_colour,
    MAQUETTE_OT_remove_strokes,
    MAQUETTE_OT_find_landmarks,
    MAQUETTE_OT_check_capture,
    MAQUETTE_OT_show_sheet,
)
