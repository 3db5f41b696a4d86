"""Render Ground Truth: pictures of hair and a head of which everything is known."""

import json
import shutil
from pathlib import Path

import bpy

from ..addon import blender_job, job_places, jobs
from ..backend.contract import RenderGroundTruth, check
from ..backend.errors import MaquetteError, RequestError
from ..backend.protocol import Reporter

_SETTINGS = ("cameras", "views", "size", "samples", "seed", "lighting", "denoise", "surface")


class MAQUETTE_OT_render_ground_truth(bpy.types.Operator):
    bl_idname = "maquette.render_ground_truth"
    bl_label = "Render Ground Truth"
    bl_description = (
        "Render hair, a head, or both from many cameras, with masks, depth, labels and the true strands beside the"
        " pictures. Blender stays usable meanwhile: a second one renders a copy of this file"
    )

    @classmethod
    def poll(cls, context):
        ours = context.scene.maquette.ground_truth
        if ours.hair is None and ours.head is None:
            cls.poll_message_set("Choose the hair, the head, or both")
            return False
        return True

    def execute(self, context):
        try:
            request = _request(context.scene)
            # Without a window there is nobody to keep waiting, and under bpy no program to start.
            if bpy.app.background:
                self._render_here(request)
            else:
                _submit(request)
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}

    def _render_here(self, request: RenderGroundTruth) -> None:
        def tell(_kind, **data):
            if sentence := data.get("text"):
                self.report({"WARNING"}, sentence)

        result = blender_job.serve(request, Reporter(request.out, tell))
        bpy.context.scene.maquette.capture = result["capture"]
        self.report({"INFO"}, f"{result['views']} views are in {result['capture']}.")


def _request(scene: bpy.types.Scene) -> RenderGroundTruth:
    ours = scene.maquette.ground_truth
    if ours.out.startswith("//") and not bpy.data.is_saved:
        raise RequestError("Choose a folder for the capture, or save the file first.")
    values = {name: getattr(ours, name) for name in _SETTINGS}
    values |= {
        "out": Path(bpy.path.abspath(ours.out)),
        "hair": json.dumps([ours.hair.name] if ours.hair else []),
        "head": ours.head.name if ours.head else "",
    }
    return check(RenderGroundTruth, values)


def _submit(request: RenderGroundTruth) -> None:
    job_id, folder = jobs.prepare(request.kind)
    try:
        _save_copy(folder / job_places.SCENE_FILE)
        jobs.submit(request, title=f"Ground truth in {request.out.name}", job_id=job_id)
    except MaquetteError:
        if job_id not in jobs.queue().records:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _save_copy(path: Path) -> None:
    """The open file as a copy for another Blender. Raises RequestError."""
    try:
        bpy.ops.wm.save_as_mainfile(filepath=str(path), copy=True, check_existing=False, relative_remap=True)
    except RuntimeError as error:
        why = str(error).strip().removeprefix("Error: ").rstrip(".")
        raise RequestError(
            f"A copy of this file for the render cannot be saved in {path.parent} ({why}); make room there, or choose"
            " another job folder in the preferences."
        ) from None


@jobs.on_result(RenderGroundTruth.kind)
def rendered(job, result):
    """The capture becomes the scene's, ready to be opened and reconstructed."""
    bpy.context.scene.maquette.capture = result["capture"]
    (job.folder / job_places.SCENE_FILE).unlink(missing_ok=True)


classes = (MAQUETTE_OT_render_ground_truth,)
