"""One head in the scene judged by another: what was chosen, the table that came back, and errors as colours."""

import json
from pathlib import Path

import bpy
import numpy as np

from ..backend.contract import UNITS, EvaluateHead
from ..backend.errors import HeadError, MaquetteError
from ..backend.formats.landmarks import Landmarks3D, write_landmarks
from ..backend.formats.mesh_ply import write_ply
from . import jobs, residual
from .fitting import scan_mesh
from .heads import head_from_object, triangle_mesh
from .landmarks import positions_on
from .settings import property_of
from .visibility import evaluable, world_matrix

ERRORS = "head errors"
"""Value of ``maquette_role`` of a head coloured by its errors."""
COVERED = "maquette_covered"
"""Custom property of such a head, JSON: the objects that were hidden to show it."""
SIDES = ("prediction", "truth")
COLUMNS = ("mean", "median", "p95", "rms", "max")
FEWEST_LANDMARKS = 4


def _is_head(_group, thing: bpy.types.Object) -> bool:
    return thing.type == "MESH" and thing.get("maquette_role") != ERRORS


class MaquetteHeadScore(bpy.types.PropertyGroup):
    """One row of the table: millimetres, -1 where nothing counts."""

    direction: bpy.props.StringProperty()
    mean: bpy.props.FloatProperty()
    median: bpy.props.FloatProperty()
    p95: bpy.props.FloatProperty()
    rms: bpy.props.FloatProperty()
    max: bpy.props.FloatProperty()
    points: bpy.props.IntProperty()


class MaquetteHeadEvaluation(bpy.types.PropertyGroup):
    """Settings of Evaluate Head and its last result."""

    prediction: bpy.props.PointerProperty(
        name="Prediction", description="Head to judge", type=bpy.types.Object, poll=_is_head
    )
    truth: bpy.props.PointerProperty(
        name="Truth", description="Head that is true", type=bpy.types.Object, poll=_is_head
    )
    unit: bpy.props.EnumProperty(
        name="Unit",
        description="How large a unit of the scene is",
        items=[(unit, name, f"One unit is {UNITS[unit]:g} m") for unit, name in (
            ("m", "Metres"), ("cm", "Centimetres"), ("mm", "Millimetres"), ("inch", "Inches"))] + [
            ("OTHER", "Other", "Say how many metres a unit is")],
    )  # fmt: skip
    metres_per_unit: bpy.props.FloatProperty(
        name="Metres per Unit", description="Metres in one unit of the scene", default=1.0, min=1e-6, max=1e6,
        precision=5,
    )  # fmt: skip
    align: property_of(
        EvaluateHead, "align",
        items=[
            ("similarity", "With Scale", "Find the place, the turn and the size before measuring"),
            ("rigid", "Without Scale", "Find the place and the turn; the size is judged too"),
            ("none", "As They Lie", "Measure them where they are"),
        ],
    )  # fmt: skip
    start: property_of(
        EvaluateHead, "start",
        items=[
            ("auto", "Automatic", "Landmarks where both heads have them, else their middles and sizes"),
            ("landmarks", "Landmarks", "Lay landmarks that both heads have on each other first"),
            ("centroids", "Middles", "Lay their middles on each other first, at the same size"),
            ("as they lie", "As They Lie", "They nearly lie on each other: begin there"),
        ],
    )  # fmt: skip
    region: bpy.props.StringProperty(
        name="Region", description="Vertex group of the truth that counts; without one, all of it"
    )
    plane: bpy.props.PointerProperty(
        name="Above",
        description="An object, such as an empty, below which nothing counts: down is against its Z axis",
        type=bpy.types.Object,
    )
    within: property_of(EvaluateHead, "within", name="Around the Nose", subtype="DISTANCE", unit="LENGTH")
    outside: property_of(EvaluateHead, "outside", name="Outside Only")
    points: property_of(EvaluateHead, "points", soft_max=500_000)
    seed: property_of(EvaluateHead, "seed")
    title: bpy.props.StringProperty(description="What the table compares")
    said: bpy.props.StringProperty(description="How they were laid on each other, and what counted")
    job: bpy.props.StringProperty(description="The job that made the table")
    scores: bpy.props.CollectionProperty(type=MaquetteHeadScore)

    def metres(self) -> float:
        """In one unit of the scene."""
        return UNITS.get(self.unit, self.metres_per_unit)


def write_inputs(context: bpy.types.Context, folder: Path) -> EvaluateHead:
    """The request, with both heads as they are shown, their landmarks and the crop written into a job's folder.

    Raises:
        HeadError: what was chosen is gone, has no faces, or no such region.
    """
    settings = context.scene.maquette.head_evaluation
    metres, values = settings.metres(), {}
    for side in SIDES:
        thing = getattr(settings, side)
        if thing is None or thing.name not in context.scene.objects:
            raise HeadError(f"Choose the head that is the {side}.")
        vertices, faces = scan_mesh(thing)
        if not len(faces):
            raise HeadError(f"'{thing.name}' has no faces as it is shown; look at its modifiers.")
        values[side] = folder / f"{side}.ply"
        write_ply(values[side], vertices, faces)
        marks = _landmarks(thing)
        if marks is not None:
            name = "landmarks" if side == "prediction" else "truth_landmarks"
            values[name] = folder / f"{name}.json"
            write_landmarks(values[name], marks)
    if settings.prediction == settings.truth:
        raise HeadError("The prediction and the truth are the same object; choose two.")
    if settings.region:
        values["region"] = str(folder / "region.npy")
        np.save(values["region"], _members(settings.truth, settings.region))
    if settings.plane is not None:
        matrix = np.array(world_matrix(settings.plane), np.float64)
        point, normal = metres * matrix[:3, 3], matrix[:3, 2]
        values["plane"] = " ".join(f"{number:.9g}" for number in (*point, *normal))
    return EvaluateHead(
        **values, unit=repr(metres), truth_unit=repr(metres), align=settings.align, start=settings.start,
        within=settings.within, outside=settings.outside, points=settings.points, seed=settings.seed,
    )  # fmt: skip


def _landmarks(thing: bpy.types.Object) -> Landmarks3D | None:
    """Landmarks placed on a mesh, or those of a head of ours, in the scene's coordinates."""
    there = positions_on(thing)
    if len(there) >= FEWEST_LANDMARKS:
        return Landmarks3D(tuple(there), np.array([tuple(position) for position in there.values()]))
    try:
        head = head_from_object(thing)
    except HeadError:
        return None
    return Landmarks3D(tuple(head.landmarks), head.landmark_points()) if head.landmarks else None


def _members(thing: bpy.types.Object, name: str) -> np.ndarray:
    """(K,) vertices of a mesh, as it is shown, that a vertex group holds by more than a half. Raises HeadError."""
    group = thing.vertex_groups.get(name)
    if group is None:
        raise HeadError(f"'{thing.name}' has no vertex group '{name}'; choose another region.")
    with evaluable(thing) as depsgraph:
        evaluated = thing.evaluated_get(depsgraph)
        mesh = evaluated.to_mesh()
        try:
            found = [
                vertex.index
                for vertex in mesh.vertices
                if any(part.group == group.index and part.weight > 0.5 for part in vertex.groups)
            ]
        finally:
            evaluated.to_mesh_clear()
    if not found:
        raise HeadError(f"The vertex group '{name}' of '{thing.name}' is empty; choose another region.")
    return np.array(found, np.int64)


@jobs.on_result("evaluate-head")
def show_scores(job, result: dict) -> None:
    """The table into the scene that asked, and the prediction, laid on the truth, coloured by its errors."""
    scene = bpy.data.scenes.get(job.context.get("scene", "")) or bpy.context.scene
    settings = scene.maquette.head_evaluation
    settings.scores.clear()
    for row in result["rows"]:
        score = settings.scores.add()
        score.direction, score.points = row["direction"], row["points"]
        for column in COLUMNS:
            setattr(score, column, -1.0 if row[column] is None else row[column])
    settings.title, settings.job = job.title, job.id
    laid = result["alignment"]
    how = {
        "similarity": f"scaled by {laid['scale']:.4g}, turned and moved",
        "rigid": "turned and moved",
        "none": "as they lie",
    }
    said = f"{how.get(laid['kind'], laid['kind'])}; {result['crop']}"
    settings.said = said[:1].upper() + said[1:] + (", seen from outside" if result.get("outside_only") else "")
    colour_errors(scene, job, "prediction")


def colour_errors(scene: bpy.types.Scene, job, side: str) -> bpy.types.Object:
    """One head of an evaluation as an object of its own, where it was measured, coloured by its errors; the heads that
    it lies on are hidden. Raises HeadError."""
    clear_errors(scene)
    try:
        with np.load(job.folder / "errors.npz", allow_pickle=False) as file:
            errors, vertices, faces = file[side], file[f"{side}_vertices"], file[f"{side}_faces"]
    except (OSError, KeyError, ValueError):
        raise HeadError("The errors of this evaluation are gone; evaluate again to colour the head.") from None
    name = f"Errors of {job.context.get(side) or side.title()}"
    mesh = triangle_mesh(name, vertices / float(job.context.get("metres", 1.0)), faces)
    mesh.update()
    mesh.shade_smooth()
    mesh.materials.append(None)
    thing = bpy.data.objects.new(name, mesh)
    thing["maquette_job"], thing["maquette_role"] = job.id, ERRORS
    scene.collection.objects.link(thing)
    limit = residual.set_residual(thing, errors, np.arange(len(errors)))
    residual.set_report(thing, {"limit": limit})
    covered = []
    for other in (scene.objects.get(str(job.context.get(each, ""))) for each in SIDES):
        if other is not None and not other.hide_viewport:
            other.hide_viewport = True
            covered.append(other.name)
    thing[COVERED] = json.dumps(covered)
    residual.show_layer(bpy.context, thing, "residual")
    return thing


def clear_errors(scene: bpy.types.Scene) -> int:
    """Remove the coloured heads and show again what they covered; returns how many there were."""
    found = [thing for thing in scene.objects if thing.get("maquette_role") == ERRORS]
    for thing in found:
        residual.show_layer(bpy.context, thing, "")
        for name in _covered(thing):
            other = scene.objects.get(name)
            if other is not None:
                other.hide_viewport = False
        data = thing.data
        bpy.data.objects.remove(thing)
        if not data.users:
            bpy.data.meshes.remove(data)
    return len(found)


def shown_errors(scene: bpy.types.Scene) -> bpy.types.Object | None:
    """The head that is coloured by its errors, if one is."""
    return next((thing for thing in scene.objects if thing.get("maquette_role") == ERRORS), None)


def _covered(thing: bpy.types.Object) -> list[str]:
    try:
        return [str(name) for name in json.loads(thing.get(COVERED, "[]"))]
    except (ValueError, TypeError):
        return []


def chosen_names(settings: MaquetteHeadEvaluation) -> dict[str, str]:
    """Side → the name of what was chosen for it; "" if nothing was."""
    chosen = {side: getattr(settings, side) for side in SIDES}
    return {side: "" if thing is None else thing.name for side, thing in chosen.items()}


def csv_of(settings: MaquetteHeadEvaluation) -> str:
    """The table as comma-separated values. Raises MaquetteError where there is none."""
    if not len(settings.scores):
        raise MaquetteError("There is no table yet; evaluate first.")
    lines = ["direction," + ",".join(f"{column}_mm" for column in COLUMNS) + ",points"]
    for score in settings.scores:
        cells = ["" if score.points == 0 else f"{getattr(score, column):.5f}" for column in COLUMNS]
        lines.append(",".join([score.direction, *cells, str(score.points)]))
    return "\n".join([*lines, ""])


classes = (MaquetteHeadScore, MaquetteHeadEvaluation)
