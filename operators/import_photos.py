"""Import Photographs: pictures or a video as a capture in the scene; and the capture's metres."""

from pathlib import Path

import bpy
from bpy_extras.io_utils import ImportHelper

from ..addon import jobs
from ..addon.capture_checks import masks_of
from ..addon.capture_points import hide_points, points_shown, show_points
from ..addon.capture_state import FIRST, SECOND, state_of
from ..addon.heads import add_head
from ..addon.settings import property_of
from ..backend.contract import ImportPhotos, PlaceCapture
from ..backend.errors import MaquetteError
from ..backend.formats.capture import leave_out
from ..backend.formats.head import read_head
from .capture import MAQUETTE_OT_open_capture, bring_in
from .hair import capture_folder, scene_head, without_capture
from .masks import OfCapture, looked_at

PICTURES = ("jpg", "jpeg", "png", "tif", "tiff", "webp", "bmp", "heic", "heif")
VIDEOS = ("mp4", "mov", "m4v", "avi", "mkv", "webm", "mts", "m2ts", "3gp", "mpg", "mpeg")


def new_capture_beside(source: Path) -> Path:
    """A folder for a capture of some pictures that is not there yet."""
    name = source.stem if source.is_file() else source.name
    folder = source.parent / f"{name} capture"
    number = 2
    while folder.exists():
        folder = source.parent / f"{name} capture {number}"
        number += 1
    return folder


class MAQUETTE_OT_import_photos(bpy.types.Operator, ImportHelper):
    bl_idname = "maquette.import_photos"
    bl_label = "Import Photographs"
    bl_description = (
        "Make a capture of pictures or a video from all around a person who keeps still: where the cameras stood is "
        "found from the pictures themselves. Choose a video, or any picture of a folder"
    )
    bl_options = {"REGISTER"}

    filter_glob: bpy.props.StringProperty(
        default=";".join(f"*.{e};*.{e.upper()}" for e in PICTURES + VIDEOS), options={"HIDDEN"}
    )
    side: property_of(ImportPhotos, "side", name="Longer Side", subtype="PIXEL")
    frames: property_of(ImportPhotos, "frames", name="Frames of a Video")
    lenses: property_of(
        ImportPhotos, "lenses",
        items=[
            ("kinds", "By Kind", "Pictures of one size, camera and focal length share a lens"),
            ("one", "One", "All pictures of one size share a lens: nobody zoomed"),
            ("each", "Each Its Own", "Every picture has a lens of its own: pictures of many cameras"),
        ],
    )  # fmt: skip
    focal: property_of(ImportPhotos, "focal", name="Focal Length")
    solve_side: property_of(ImportPhotos, "solve_side", name="Solve at", subtype="PIXEL")
    cameras: property_of(
        ImportPhotos, "cameras",
        items=[
            ("solve", "Solve", "Find where the cameras stood"),
            ("none", "Not Yet", "Make masks of a person who turned first; Solve Again by the Person then finds them"),
        ],
    )  # fmt: skip
    # Without a folder's button, which can do nothing inside a file browser.
    masks: bpy.props.StringProperty(
        name="Masks",
        description="Folder of masks of the person, pasted, where the person turned or the background moved",
        options={"SKIP_SAVE"},
    )
    capture: bpy.props.StringProperty(
        name="Capture",
        description="Folder for the capture, pasted; empty for a new one beside the pictures",
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context):
        return MAQUETTE_OT_open_capture.poll.__func__(cls, context)

    def draw(self, context):
        self.layout.use_property_split = True
        self.layout.use_property_decorate = False
        for name in ("side", "frames", "cameras", "lenses", "focal", "masks", "solve_side", "capture"):
            self.layout.prop(self, name)

    def execute(self, context):
        if not self.filepath:
            self.report({"ERROR"}, "Choose a video, or a picture of the folder that is to be imported.")
            return {"CANCELLED"}
        source = Path(bpy.path.abspath(self.filepath))
        if source.suffix.lower().lstrip(".") not in VIDEOS and not source.is_dir():
            source = source.parent
        request = ImportPhotos(
            pictures=source,
            side=self.side,
            solve_side=self.solve_side,
            frames=self.frames,
            lenses=self.lenses,
            focal=self.focal,
            cameras=self.cameras,
            masks=Path(bpy.path.abspath(self.masks)) if self.masks else None,
            capture=Path(bpy.path.abspath(self.capture)) if self.capture else new_capture_beside(source),
        )
        try:
            jobs.submit(request, title=f"Photographs of {source.stem}")
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class MAQUETTE_OT_solve_again(OfCapture, bpy.types.Operator):
    """Find the cameras anew from the capture's photographs, by what its masks of the person show only: for a person who
    turned before a still camera, or a background that moved. A new capture comes of it"""

    bl_idname = "maquette.solve_again"
    bl_label = "Solve Again by the Person"

    @classmethod
    def poll(cls, context):
        if not super().poll(context):
            return False
        if not masks_of(capture_folder(context))["person"]:
            cls.poll_message_set("This capture has no masks of the person; make them first")
            return False
        return True

    def act(self, context, folder):
        request = ImportPhotos(
            pictures=folder / "images", side=0, lenses="one", masks=folder / "masks" / "person",
            capture=new_capture_beside(folder),
        )  # fmt: skip
        jobs.submit(request, title=f"Cameras of {folder.name}")


class MAQUETTE_OT_leave_out(OfCapture, bpy.types.Operator):
    """Leave the photograph that is looked at out of the capture: its camera is removed, its picture and masks stay as
    files. Import the photographs again to have it back"""

    bl_idname = "maquette.leave_out"
    bl_label = "Leave Out Photograph"

    view: bpy.props.StringProperty(
        name="Photograph", description="Its name; empty for the one that is looked at", options={"SKIP_SAVE"}
    )

    def invoke(self, context, event):
        return context.window_manager.invoke_confirm(self, event)

    def act(self, context, folder):
        name = self.view or looked_at(context, folder)
        leave_out(folder, name)
        bring_in(context, folder)
        self.report({"INFO"}, f"{name} is left out.")


class MAQUETTE_OT_place_capture(OfCapture, bpy.types.Operator):
    bl_idname = "maquette.place_capture"
    bl_label = "Set Scale"
    bl_description = "Bring the capture to metres"

    by: property_of(
        PlaceCapture, "by",
        items=[
            ("head", "By a Head", "Fit a head to the landmarks: it sets the capture upright and gives it metres"),
            ("distance", "By a Distance", "Two points are clicked in photographs, and their distance is known"),
            ("assumed", "Assume", "Take the capture's unit for a metre: shapes are right, sizes may not be"),
        ],
    )  # fmt: skip

    @classmethod
    def description(cls, context, properties):
        return {
            "head": "Fit a head to the landmarks: it sets the capture upright, facing the front, and gives it metres",
            "distance": "Scale the capture so that the two clicked points are as far apart as is said here",
            "assumed": "Take the capture's unit for a metre: shapes are right, but lengths may be off, by a tenth "
            "where the pictures showed a face when they were imported, by a third where not",
        }[properties.by]

    @classmethod
    def poll(cls, context):
        if not super().poll(context):
            return False
        state = state_of(capture_folder(context))
        if state is not None and state.scale == "rendered":
            cls.poll_message_set("This capture was rendered, so its metres are true already")
            return False
        return True

    def act(self, context, folder):
        ours = context.scene.maquette
        request = PlaceCapture(
            capture=folder, by=self.by, model=ours.fit.model_name() if self.by == "head" else "built-in",
            first=FIRST, second=SECOND, metres=ours.photos.distance,
        )  # fmt: skip
        jobs.submit(request, title=f"Scale of {folder.name}")


class MAQUETTE_OT_show_capture_points(bpy.types.Operator):
    """Show or hide the points that were found in the photographs together with the cameras"""

    bl_idname = "maquette.show_capture_points"
    bl_label = "Capture Points"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        trouble = without_capture(context)
        if not trouble and not (capture_folder(context) / "sparse.npz").is_file():
            trouble = "This capture has no points; Import Photographs finds them"
        if trouble:
            cls.poll_message_set(trouble)
        return not trouble

    def execute(self, context):
        folder = capture_folder(context)
        try:
            if points_shown(context.scene, folder):
                hide_points(context.scene, folder)
            elif show_points(context.scene, folder) is None:
                self.report({"ERROR"}, "Open the capture first; its points stand among its cameras.")
                return {"CANCELLED"}
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


@jobs.on_result(ImportPhotos.kind)
def imported(job, result: dict) -> None:
    """The cameras come into the scene as by Open Capture, with the points that were found."""
    folder = Path(result["capture"])
    bring_in(bpy.context, folder)
    show_points(bpy.context.scene, folder)


@jobs.on_result(PlaceCapture.kind)
def placed(job, result: dict) -> None:
    """The cameras come again, where they stand now, with the head that placed them where none is chosen; what a head
    said of the capture's unit before means nothing."""
    folder, ours = Path(result["capture"]), bpy.context.scene.maquette
    if ours.scaled_capture and Path(ours.scaled_capture) == folder:
        ours.scaled_capture, ours.metres_per_unit = "", 0.0
    shown = points_shown(bpy.context.scene, folder)
    bring_in(bpy.context, folder)
    if shown:
        show_points(bpy.context.scene, folder)
    if "head" in result and scene_head(bpy.context) is None:
        ours.head = add_head(bpy.context, read_head(job.folder / result["head"]), name="Head", job_id=job.id)


classes = (
    MAQUETTE_OT_import_photos,
    MAQUETTE_OT_solve_again,
    MAQUETTE_OT_leave_out,
    MAQUETTE_OT_place_capture,
    MAQUETTE_OT_show_capture_points,
)
