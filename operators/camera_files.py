"""Import Cameras: what another program solved, with its pictures, as a capture in the scene; and a capture of the
cameras that stand there already."""

from pathlib import Path

import bpy
from bpy_extras.io_utils import ImportHelper

from ..addon import jobs
from ..addon.scene_cameras import cameras_with_pictures, capture_scene
from ..addon.settings import property_of
from ..backend.contract import UNITS, ImportCameras
from ..backend.errors import MaquetteError
from ..backend.formats.camera_places import new_capture_of
from .capture import OpensCapture, bring_in, open_and_report

FILES = "*.json;*.xml;*.csv;*.sfm;*.npz;cameras.bin;cameras.txt;images.bin;images.txt"


class MAQUETTE_OT_import_cameras(OpensCapture, bpy.types.Operator, ImportHelper):
    bl_idname = "maquette.import_cameras"
    bl_label = "Import Cameras"
    bl_description = (
        "Bring in cameras that another program solved, and their pictures: COLMAP (the model's folder, or a file in "
        "it), nerfstudio, instant-ngp, Metashape XML, RealityCapture CSV, Meshroom, or cameras.npz"
    )
    bl_options = {"REGISTER"}

    filter_glob: bpy.props.StringProperty(default=FILES, options={"HIDDEN"})
    # Without a folder's button, which can do nothing inside a file browser.
    images: bpy.props.StringProperty(
        name="Pictures",
        description="Folder of the pictures, pasted; empty where the file names them, or they lie in its project",
        options={"SKIP_SAVE"},
    )
    capture: bpy.props.StringProperty(
        name="Capture",
        description="Folder for the capture, pasted; empty for a new one beside the file",
        options={"SKIP_SAVE"},
    )
    unit: bpy.props.EnumProperty(
        name="Unit",
        description="How large a unit of the file's positions is",
        items=[
            ("FILE", "As the File Says", "What most do not: it is then unknown until a head is fitted"),
            *((unit, unit, f"A unit is {metres:g} m") for unit, metres in UNITS.items()),
            ("OTHER", "Other", "A unit of any size"),
        ],
    )
    metres_per_unit: bpy.props.FloatProperty(
        name="Metres", description="Metres in one unit of the file", default=1.0, min=1e-6, precision=4
    )
    up: property_of(
        ImportCameras,
        "up",
        items=[
            ("file", "As in the File", "Its Z is taken for up"),
            ("cameras", "As Cameras Were Held", "Turn everything so that the pictures' tops point up, along Z"),
        ],
    )
    pictures: property_of(
        ImportCameras,
        "pictures",
        name="Bring Them",
        items=[
            ("copy", "As Copies", "Each picture is copied into the capture"),
            ("link", "As Links", "The same files, under a second name where the disk can, take no more room"),
        ],
    )

    def draw(self, context):
        self.layout.use_property_split = True
        self.layout.use_property_decorate = False
        for name in ("images", "pictures", "up", "unit"):
            self.layout.prop(self, name)
        if self.unit == "OTHER":
            self.layout.prop(self, "metres_per_unit")
        self.layout.prop(self, "capture")

    def execute(self, context):
        if not self.filepath:
            self.report({"ERROR"}, "Choose a file of cameras, or the folder of a COLMAP model.")
            return {"CANCELLED"}
        file = Path(bpy.path.abspath(self.filepath))
        capture = Path(bpy.path.abspath(self.capture)) if self.capture else new_capture_of(file)
        request = ImportCameras(
            file=file,
            images=Path(bpy.path.abspath(self.images)) if self.images else None,
            unit={"FILE": "", "OTHER": f"{self.metres_per_unit:.9g}"}.get(self.unit, self.unit),
            up=self.up,
            pictures=self.pictures,
            capture=capture,
        )
        try:
            jobs.submit(request, title=f"Cameras of {capture.parent.name}")
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class MAQUETTE_OT_capture_scene_cameras(bpy.types.Operator):
    bl_idname = "maquette.capture_scene_cameras"
    bl_label = "Capture from Scene's Cameras"
    bl_description = (
        "Make a capture of the cameras that stand in the scene already, each with the background image behind it. "
        "Choose a folder for it"
    )
    bl_options = {"REGISTER", "UNDO"}

    directory: bpy.props.StringProperty(name="Folder", subtype="DIR_PATH", options={"SKIP_SAVE"})
    filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN"})

    @classmethod
    def poll(cls, context):
        if not MAQUETTE_OT_import_cameras.poll.__func__(cls, context):
            return False
        if not cameras_with_pictures(context.scene):
            cls.poll_message_set("No camera of the scene has a background image")
            return False
        return True

    def invoke(self, context, event):
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):
        if not self.directory:
            self.report({"ERROR"}, "Choose a folder for the capture.")
            return {"CANCELLED"}
        folder, windows = Path(bpy.path.abspath(self.directory)), context.window_manager
        windows.progress_begin(0, 100)
        try:
            left_out = capture_scene(context, folder, lambda done, total: windows.progress_update(100 * done / total))
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        finally:
            windows.progress_end()
        done = open_and_report(self, context, folder)
        if left_out:
            more = f" ({len(left_out)} such)" if len(left_out) > 1 else ""
            self.report({"WARNING"}, left_out[0] + more)
        return done


@jobs.on_result(ImportCameras.kind)
def imported(job, result: dict) -> None:
    """The cameras come into the scene as by Open Capture."""
    bring_in(bpy.context, Path(result["capture"]))


classes = (MAQUETTE_OT_import_cameras, MAQUETTE_OT_capture_scene_cameras)
