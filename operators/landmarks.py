"""Landmarks on a scan: placed by clicks, from and to files, taken away."""

from pathlib import Path

import bpy
from bpy_extras.io_utils import ExportHelper, ImportHelper
from bpy_extras.view3d_utils import location_3d_to_region_2d, region_2d_to_origin_3d, region_2d_to_vector_3d

from ..addon import landmarks
from ..addon.landmark_guide import label
from ..backend.errors import LandmarkError, MaquetteError
from ..backend.formats.landmarks import SUFFIXES
from .head import InObjectMode
from .landmark_asking import AsksForLandmarks


class NeedsScan(InObjectMode):
    """Of operators that act on the scan of the panel."""

    @classmethod
    def poll(cls, context):
        if not super().poll(context):
            return False
        if landmarks.scan_of(context) is None:
            cls.poll_message_set("Import a scan, then choose it here or select it")
            return False
        return True


class NeedsLandmarks(NeedsScan):
    """Of operators on the landmarks that it has."""

    @classmethod
    def poll(cls, context):
        if not super().poll(context):
            return False
        if not landmarks.landmarks_on(landmarks.scan_of(context)):
            cls.poll_message_set("The scan has no landmarks yet")
            return False
        return True


class MAQUETTE_OT_place_landmarks(NeedsScan, AsksForLandmarks, bpy.types.Operator):
    bl_idname = "maquette.place_landmarks"
    bl_label = "Place Landmarks"
    bl_description = "Click one landmark of the face after another on the scan, as they are asked for"
    bl_options = {"REGISTER"}

    only: bpy.props.StringProperty(
        name="Only", description="The one landmark to place; empty for all that are missing", options={"SKIP_SAVE"}
    )

    @classmethod
    def description(cls, context, properties):
        return f"Click where this is: {label(properties.only)}" if properties.only else cls.bl_description

    @classmethod
    def poll(cls, context):
        if not super().poll(context):
            return False
        scan = landmarks.scan_of(context)
        if not len(scan.data.polygons):
            cls.poll_message_set("The scan has points but no faces to click on; load its landmarks from a file")
            return False
        if not scan.visible_get():
            cls.poll_message_set("The scan is hidden; show it first")
            return False
        return True

    def invoke(self, context, event):
        self.scan = landmarks.scan_of(context).name
        context.scene.maquette.fit.scan = landmarks.scan_of(context)
        return self.begin(context)

    def _scan(self) -> bpy.types.Object:
        scan = bpy.context.scene.objects.get(self.scan)
        if scan is None or scan.type != "MESH":
            raise LandmarkError(f"The scan '{self.scan}' is no longer there.")
        return scan

    def there(self, context):
        return landmarks.places_on(self._scan())

    def places(self, context, region, view):
        seen = {}
        for name, position in landmarks.positions_on(self._scan()).items():
            place = location_3d_to_region_2d(region, view, position)
            if place is not None:
                seen[name] = place
        return seen

    def spot(self, context, under):
        _, region, view, place = under
        origin, direction = (f(region, view, place) for f in (region_2d_to_origin_3d, region_2d_to_vector_3d))
        return landmarks.point_on_scan(self._scan(), origin, direction)

    def put(self, context, name, spot):
        if spot is None:
            landmarks.remove_landmark(self._scan(), name)
        else:
            landmarks.place_landmark(self._scan(), name, spot)

    def settled(self, context, name):
        # A step for each, so that Ctrl+Z takes them back one by one afterwards too.
        bpy.ops.ed.undo_push(message=f"Landmark: {label(name)}")


class MAQUETTE_OT_load_landmarks(NeedsScan, bpy.types.Operator, ImportHelper):
    """Put the landmarks of a file on the scan: a list of points (.npy, .json), or MeshLab's picked points (.pp)"""

    bl_idname = "maquette.load_landmarks"
    bl_label = "Load Landmarks"
    bl_options = {"REGISTER", "UNDO"}

    filter_glob: bpy.props.StringProperty(default=";".join(f"*{s}" for s in SUFFIXES), options={"HIDDEN"})

    def execute(self, context):
        scan = landmarks.scan_of(context)
        try:
            count, way = landmarks.load_landmarks(scan, Path(bpy.path.abspath(self.filepath)))
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        context.scene.maquette.fit.scan = scan
        self.report({"INFO"}, f"{count} landmarks, in {way}.")
        return {"FINISHED"}


class MAQUETTE_OT_save_landmarks(NeedsLandmarks, bpy.types.Operator, ExportHelper):
    """Write the scan's landmarks by name, in the scan's own coordinates"""

    bl_idname = "maquette.save_landmarks"
    bl_label = "Save Landmarks"
    bl_options = {"REGISTER"}

    filename_ext = ".json"
    filter_glob: bpy.props.StringProperty(default="*.json", options={"HIDDEN"})

    def execute(self, context):
        path = Path(bpy.path.abspath(self.filepath)).with_suffix(".json")
        try:
            count = landmarks.save_landmarks(landmarks.scan_of(context), path)
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        except OSError as error:
            self.report({"ERROR"}, f"{path} cannot be written: {error.strerror or error}.")
            return {"CANCELLED"}
        self.report({"INFO"}, f"Saved {count} landmarks as {path.name}.")
        return {"FINISHED"}


class MAQUETTE_OT_remove_landmarks(NeedsLandmarks, bpy.types.Operator):
    bl_idname = "maquette.remove_landmarks"
    bl_label = "Remove Landmarks"
    bl_options = {"REGISTER", "UNDO"}

    only: bpy.props.StringProperty(
        name="Only", description="The one landmark to remove; empty for all", options={"SKIP_SAVE"}
    )

    @classmethod
    def description(cls, context, properties):
        return f"Remove {label(properties.only)}" if properties.only else "Remove every landmark from the scan"

    def execute(self, context):
        scan = landmarks.scan_of(context)
        for name in [self.only] if self.only else list(landmarks.landmarks_on(scan)):
            landmarks.remove_landmark(scan, name)
        return {"FINISHED"}


classes = (
    MAQUETTE_OT_place_landmarks,
    MAQUETTE_OT_load_landmarks,
    MAQUETTE_OT_save_landmarks,
    MAQUETTE_OT_remove_landmarks,
)
