"""Import Cameras: what another program solved, with its pictures, as a capture in the scene."""

from pathlib import Path

import bpy
from bpy_extras.io_utils import ImportHelper

from ..addon import jobs
from ..addon.settings import property_of
from ..backend.contract import UNITS, ImportCameras
from ..backend.errors import MaquetteError
from ..backend.formats.camera_places import new_capture_of
from .capture import bring_in

FILES = "*.json;*.xml;*.csv;*.sfm;*.npz;cameras.bin;cameras.txt;images.bin;images.txt"


class MAQUETTE_OT_import_cameras(bpy.types.Operator, ImportHelper):
    bl_idname = "maquette.import_cameras"
    bl_label = "Import Cameras"
    bl_description = (
        "Bring in cameras that another program solved, and their pictures: COLMAP (the model's folder, or a file in "
        "it), nerfstudio, instant-ngp, Metashape XML, RealityCapture CSV, Meshroom, or cameras.npz"
    )
    bl_options = {"REGISTER"}

    filter_glob: bpy.props.StringProperty(default=FILES, options={"HIDDEN"})
    images: bpy.props.StringProperty(
        name="Pictures",
        description="Folder of the pictures; empty where the file names them, or they lie beside it",
        subtype="DIR_PATH",
        options={"SKIP_SAVE"},
    )
    capture: bpy.props.StringProperty(
        name="Capture",
        description="Folder for the capture; empty for a new one beside the file",
        subtype="DIR_PATH",
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

    @classmethod
    def poll(cls, context):
        if context.mode != "OBJECT":
            cls.poll_message_set("Leave this mode first; captures are opened in Object Mode")
            return False
        return True

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


@jobs.on_result(ImportCameras.kind)
def imported(job, result: dict) -> None:
    """The cameras come into the scene as by Open Capture."""
    bring_in(bpy.context, Path(result["capture"]))


classes = (MAQUETTE_OT_import_cameras,)
