"""Import Cameras: what another program solved, with its pictures, as a capture in the scene."""

from pathlib import Path

import bpy
from bpy_extras.io_utils import ImportHelper

from ..addon import jobs
from ..addon.settings import property_of
from ..backend.contract import ImportCameras
from ..backend.errors import MaquetteError
from .capture import bring_in

NEW_CAPTURE = "maquette_capture"
"""Folder for the capture, where the artist names none: beside the file of cameras."""
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
    unit: property_of(
        ImportCameras,
        "unit",
        description="Unit of the file's positions: m, cm, mm, inch, or metres in one unit; empty for what the file "
        "says, and else unknown until a head is fitted",
    )
    up: property_of(ImportCameras, "up")
    pictures: property_of(ImportCameras, "pictures", name="Files")

    @classmethod
    def poll(cls, context):
        if context.mode != "OBJECT":
            cls.poll_message_set("Leave this mode first; captures are opened in Object Mode")
            return False
        return True

    def draw(self, context):
        self.layout.use_property_split = True
        self.layout.use_property_decorate = False
        for name in ("images", "up", "unit", "pictures", "capture"):
            self.layout.prop(self, name)

    def execute(self, context):
        if not self.filepath:
            self.report({"ERROR"}, "Choose a file of cameras, or the folder of a COLMAP model.")
            return {"CANCELLED"}
        file = Path(bpy.path.abspath(self.filepath))
        capture = Path(bpy.path.abspath(self.capture)) if self.capture else new_capture_of(file)
        request = ImportCameras(
            file=file,
            images=Path(bpy.path.abspath(self.images)) if self.images else None,
            unit=self.unit,
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


def new_capture_of(file: Path) -> Path:
    """Where the capture of a file of cameras goes: beside it, or beside the folders that COLMAP keeps its models in."""
    place = file if file.is_dir() else file.parent
    while place.name.isdigit() or place.name in ("sparse", "dense", "colmap"):
        place = place.parent
    return place / NEW_CAPTURE


@jobs.on_result(ImportCameras.kind)
def imported(job, result: dict) -> None:
    """The cameras come into the scene as by Open Capture."""
    bring_in(bpy.context, Path(result["capture"]))


classes = (MAQUETTE_OT_import_cameras,)
