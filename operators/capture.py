"""Open Capture, and Sample Capture, which opens the one that comes with the extension."""

from pathlib import Path

import bpy

from ..addon import jobs
from ..addon.captures import (
    OpenedCapture,
    capture_cameras,
    in_the_way,
    look_through,
    open_capture,
    show_straightened,
)
from ..backend import contract
from ..backend.contract import UndistortPhotographs
from ..backend.errors import MaquetteError
from .head import InObjectMode

SAMPLE_CAPTURE = Path(__file__).resolve().parents[1] / "assets" / "sample_capture"


def open_and_report(operator: bpy.types.Operator, context: bpy.types.Context, folder: Path) -> set[str]:
    """Open a capture for an operator, and say what came of it.

    Photographs that have to be undistorted first come behind their cameras when a second Blender has done that.
    """
    windows = context.window_manager
    windows.progress_begin(0, 100)
    try:
        opened = _open(context, folder, lambda done, total: windows.progress_update(100 * done / total))
    except MaquetteError as error:
        operator.report({"ERROR"}, str(error))
        return {"CANCELLED"}
    finally:
        windows.progress_end()
    scale = {
        "unknown": "; its file does not say how large its unit is, which Fit Head finds out",
        "head fit": "; its size is assumed, from a head fitted to it",
        "assumed": "; its scale is assumed, so its metres may not be real",
    }.get(opened.scale_source, "")
    waiting = f"; {len(opened.pending)} photographs are being undistorted, see Jobs" if opened.pending else ""
    operator.report({"INFO"}, f"{len(opened.cameras)} views of {folder.name}{waiting}{scale}")
    # Last, because the status bar shows what was said last.
    if opened.pending:
        try:
            _undistort(Path(context.scene.maquette.capture))
        except MaquetteError as error:
            operator.report({"WARNING"}, f"The photographs are not shown, as they cannot be undistorted: {error}")
    if opened.warnings:
        more = f" ({len(opened.warnings)} such)" if len(opened.warnings) > 1 else ""
        operator.report({"WARNING"}, opened.warnings[0] + more)
    if name := in_the_way(context.scene, opened.cameras):
        operator.report({"WARNING"}, f"{name} hides photographs, as cameras stand inside it: hide or delete it")
    return {"FINISHED"}


def bring_in(context: bpy.types.Context, folder: Path) -> None:
    """Open a capture that a job has made, where there is no operator to say anything. Raises MaquetteError."""
    opened = _open(context, folder)
    if opened.pending:
        _undistort(Path(context.scene.maquette.capture))


def _open(context: bpy.types.Context, folder: Path, tick=lambda done, total: None) -> OpenedCapture:
    # Without a window there is nobody to keep waiting, and under bpy no program to start.
    return open_capture(context, folder, tick, later=not bpy.app.background)


def _undistort(folder: Path) -> None:
    """Begin the job, unless it is under way already. Raises MaquetteError."""
    request = UndistortPhotographs(capture=folder)
    asked = contract.encode(request)
    if not any(job.request == asked and job.state.active for job in jobs.all_jobs()):
        jobs.submit(request, title=f"Photographs of {folder.name}")


@jobs.on_result(UndistortPhotographs.kind)
def undistorted(job, result):
    """The photographs come behind their cameras, where the capture is still in the scene."""
    show_straightened(bpy.context.scene, Path(result["capture"]))


class OpensCapture(InObjectMode):
    """Of operators that end in a capture's cameras in the scene."""

    elsewhere = "Leave this mode first; captures are opened in Object Mode"


class MAQUETTE_OT_open_capture(OpensCapture, bpy.types.Operator):
    bl_idname = "maquette.open_capture"
    bl_label = "Open Capture"
    bl_description = "Bring a capture's cameras and photographs into the scene: a folder with transforms.json and masks"
    bl_options = {"REGISTER", "UNDO"}

    directory: bpy.props.StringProperty(name="Folder", subtype="DIR_PATH", options={"SKIP_SAVE"})
    filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN"})
    filter_glob: bpy.props.StringProperty(default="transforms.json", options={"HIDDEN"})

    def invoke(self, context, event):
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):
        if not self.directory:
            self.report({"ERROR"}, "Choose the folder of a capture.")
            return {"CANCELLED"}
        return open_and_report(self, context, Path(bpy.path.abspath(self.directory)))


class MAQUETTE_OT_sample_capture(bpy.types.Operator):
    bl_idname = "maquette.sample_capture"
    bl_label = "Sample Capture"
    bl_description = "Open the small rendered capture that comes with Maquette, to try everything at once"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        if not (SAMPLE_CAPTURE / "transforms.json").is_file():
            cls.poll_message_set("This build of Maquette comes without its sample capture")
            return False
        return MAQUETTE_OT_open_capture.poll.__func__(cls, context)

    def execute(self, context):
        return open_and_report(self, context, SAMPLE_CAPTURE)


class MAQUETTE_OT_look_through(bpy.types.Operator):
    bl_idname = "maquette.look_through"
    bl_label = "Look Through"
    bl_description = "Look through a camera of the capture, at the size of its photograph"
    bl_options = {"REGISTER", "UNDO"}

    step: bpy.props.IntProperty(
        name="Step",
        description="How many cameras on from the scene's; 0 takes the active object's camera",
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context):
        if not capture_cameras(context.scene):
            cls.poll_message_set("Open a capture first")
            return False
        return True

    def execute(self, context):
        scene, active = context.scene, context.active_object
        things = capture_cameras(scene)
        here = things.index(scene.camera) if scene.camera in things else -1
        if self.step == 0 and active in things:
            here = things.index(active)
        thing = things[(max(here, 0) if self.step == 0 else here + self.step) % len(things)]
        look_through(scene, thing)
        for area in context.screen.areas if context.screen else ():
            if area.type == "VIEW_3D":
                area.spaces.active.region_3d.view_perspective = "CAMERA"
        return {"FINISHED"}


classes = (MAQUETTE_OT_open_capture, MAQUETTE_OT_sample_capture, MAQUETTE_OT_look_through)
