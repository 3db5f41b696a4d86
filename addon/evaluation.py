"""Scores of strands in the scene: what was chosen, the table that came back, and strands coloured by their errors."""

from pathlib import Path

import bpy
import numpy as np

from ..backend.contract import EvaluateStrands
from ..backend.errors import StrandFileError
from ..backend.formats.strand_cleaning import usable
from ..backend.formats.strand_files import read_strands
from ..backend.formats.strands import Strands, write_npz
from . import groom, jobs, versions
from .settings import property_of
from .strands_scene import curves_from_strands, strands_from_object

ERRORS = "errors"
"""Value of ``maquette_role`` of strands coloured by their errors."""

ERROR_ATTRIBUTE = "maquette_error"

LEVELS = (
    ("within 2 mm and 20°", (0.05, 0.55, 0.15)),
    ("within 3 mm and 30°", (0.75, 0.7, 0.05)),
    ("within 4 mm and 40°", (0.9, 0.3, 0.02)),
    ("farther off", (0.75, 0.02, 0.03)),
)
"""What each error level means, and its linear colour."""

SIDES = ("prediction", "truth")


def _is_curves(_group, thing: bpy.types.Object) -> bool:
    return thing.type == "CURVES" and thing.get("maquette_role") != ERRORS


def _source(name: str):
    return bpy.props.EnumProperty(
        name=name,
        description="Where these strands come from",
        items=[
            ("OBJECT", "Object", "Hair curves of this scene"),
            ("FILE", "File", "A file of strands, in metres, Z up"),
        ],
    )


def _object(name: str, description: str):
    return bpy.props.PointerProperty(name=name, description=description, type=bpy.types.Object, poll=_is_curves)


def _file(name: str, description: str):
    return bpy.props.StringProperty(name=name, description=description, subtype="FILE_PATH")


class MaquetteScore(bpy.types.PropertyGroup):
    """One row of the table; precision, recall and F-score in percent."""

    sign: bpy.props.StringProperty()
    millimetres: bpy.props.FloatProperty()
    degrees: bpy.props.FloatProperty()
    precision: bpy.props.FloatProperty()
    recall: bpy.props.FloatProperty()
    f_score: bpy.props.FloatProperty()


class MaquetteEvaluation(bpy.types.PropertyGroup):
    """Settings of Evaluate Strands and its last result."""

    prediction_source: _source("Prediction")
    prediction: _object("Prediction", "Hair curves to judge")
    prediction_file: _file("Prediction", "File of strands to judge")
    truth_source: _source("Truth")
    truth: _object("Truth", "Hair curves that are true")
    truth_file: _file("Truth", "File of strands that are true")
    points: property_of(EvaluateStrands, "points", name="Points per Strand")
    seed: property_of(EvaluateStrands, "seed", max=2**31 - 1)
    title: bpy.props.StringProperty(description="What the table compares")
    sampling: bpy.props.StringProperty(description="How the strands were sampled for it")
    job: bpy.props.StringProperty(description="The job that made the table")
    scores: bpy.props.CollectionProperty(type=MaquetteScore)


def chosen_names(evaluation: MaquetteEvaluation) -> dict[str, str]:
    """Side → what was chosen for it, for people; "" if nothing was."""
    names = {}
    for side in SIDES:
        thing = getattr(evaluation, side)
        names[side] = "" if thing is None else thing.name
        if getattr(evaluation, f"{side}_source") == "FILE":
            names[side] = Path(getattr(evaluation, f"{side}_file")).name
    return names


def csv_of(evaluation: MaquetteEvaluation) -> str:
    """The table as comma-separated values."""
    figures = ("precision", "recall", "f_score")
    lines = [",".join(("sign", "millimetres", "degrees", *figures))]
    for score in evaluation.scores:
        values = [score.sign, f"{score.millimetres:g}", f"{score.degrees:g}"]
        lines.append(",".join(values + [f"{getattr(score, figure):.4f}" for figure in figures]))
    return "\n".join([*lines, ""])


def strands_file(context: bpy.types.Context, side: str, folder: Path) -> Path:
    """The file that holds what was chosen for a side: the artist's own, or one written into the job's folder from the
    evaluated curves. Raises StrandFileError."""
    evaluation = context.scene.maquette.evaluation
    if getattr(evaluation, f"{side}_source") == "FILE":
        return Path(bpy.path.abspath(getattr(evaluation, f"{side}_file")))
    thing = getattr(evaluation, side)
    if thing is None or thing.name not in context.scene.objects:
        raise StrandFileError(f"Choose the hair curves that are the {side}.")
    strands = evaluated_strands(context, [thing])
    path = folder / f"{side}.npz"
    write_npz(path, strands)
    return path


def evaluated_strands(context: bpy.types.Context, things: list[bpy.types.Object], *, modifiers: bool = True) -> Strands:
    """All strands of Curves objects in world metres, at full density. Raises StrandFileError if there is none."""
    with groom.full_density(*things):
        context.view_layer.update()
        depsgraph = context.evaluated_depsgraph_get()
        parts = [strands_from_object(thing, depsgraph, evaluated=modifiers) for thing in things]
    points = np.concatenate([part.points for part in parts])
    counts = np.concatenate([part.counts for part in parts])
    kept, _ = usable(points, counts)
    if not kept.any():
        names = " and ".join(thing.name for thing in things[:3])
        raise StrandFileError(f"{names} {'has' if len(things) == 1 else 'have'} no strands.")
    return Strands(points, counts).subset(kept)


@jobs.on_result("evaluate-strands")
def show_scores(job, result: dict) -> None:
    """The table into the scene that asked, and the prediction coloured by its errors."""
    scene = bpy.data.scenes.get(job.context.get("scene", "")) or bpy.context.scene
    evaluation = scene.maquette.evaluation
    evaluation.scores.clear()
    for row in result["rows"]:
        score = evaluation.scores.add()
        for key, value in row.items():
            setattr(score, key, value)
    sampling = result["sampling"]
    evaluation.title, evaluation.job = job.title, job.id
    evaluation.sampling = (
        f"{sampling['prediction_strands']:,} and {sampling['truth_strands']:,} strands of "
        f"{sampling['points_per_strand']} points, seed {sampling['seed']}"
    )
    colour_errors(scene, job, "prediction")


def colour_errors(scene: bpy.types.Scene, job, side: str) -> bpy.types.Object:
    """Strands of one side of an evaluation as an object of their own, coloured by error; what they lie on is hidden.

    Red on the prediction is hair that is wrong, red on the truth is hair that is missing. Raises StrandFileError.
    """
    clear_errors(scene)
    try:
        with np.load(job.folder / "errors.npz", allow_pickle=False) as file:
            asked, levels = file[f"{side}_strands"], file[f"{side}_levels"]
    except (OSError, KeyError, ValueError):
        raise StrandFileError("The errors of this evaluation are gone; evaluate again to colour the strands.") from None
    strands = read_strands(job.request[side])
    if len(asked) and asked.max() >= len(strands):
        raise StrandFileError(f"{Path(job.request[side]).name} has changed; evaluate again to colour the strands.")
    segments = levels.shape[1]
    coloured = Strands.from_array(strands.subset(asked).resampled(segments + 1))
    name = f"Errors of {job.context.get(side) or side.title()}"
    data = curves_from_strands(coloured, name)
    groom.set_radius(data, coloured.counts, 1.5 * groom.strand_radius(len(coloured)))
    of_points = np.concatenate([levels, levels[:, -1:]], axis=1).ravel()  # the tip begins no segment
    colours = np.array([(*colour, 1.0) for _, colour in LEVELS], np.float32)[of_points]
    data.attributes.new(ERROR_ATTRIBUTE, "FLOAT_COLOR", "POINT").data.foreach_set("color", colours.ravel())
    data.materials.append(_error_material())
    thing = bpy.data.objects.new(name, data)
    thing["maquette_job"], thing["maquette_role"] = job.id, ERRORS
    scene.collection.objects.link(thing)
    covered = scene.objects.get(job.context.get(side, ""))
    if covered is not None and not covered.hide_viewport:
        covered.hide_viewport = True
        thing["maquette_covers"] = covered.name
    return thing


def clear_errors(scene: bpy.types.Scene) -> int:
    """Remove the coloured strands and show again what they covered; returns how many there were."""
    found = [thing for thing in scene.objects if thing.get("maquette_role") == ERRORS]
    for thing in found:
        covered = scene.objects.get(thing.get("maquette_covers", ""))
        if covered is not None:
            covered.hide_viewport = False
        data = thing.data
        bpy.data.objects.remove(thing)
        if not data.users:
            bpy.data.hair_curves.remove(data)
    return len(found)


def _error_material() -> bpy.types.Material:
    """Colours as they are, in every light and renderer."""
    for material in bpy.data.materials:
        if material.get("maquette_role") == ERRORS and not material.library:
            return material
    material = bpy.data.materials.new("Strand Errors")
    material["maquette_role"] = ERRORS
    tree = versions.use_nodes(material)
    attribute, emission, output = (
        tree.nodes.new(f"ShaderNode{kind}") for kind in ("Attribute", "Emission", "OutputMaterial")
    )
    attribute.attribute_name = ERROR_ATTRIBUTE
    attribute.location, emission.location = (-400, 0), (-200, 0)
    tree.links.new(attribute.outputs["Color"], emission.inputs["Color"])
    tree.links.new(emission.outputs["Emission"], output.inputs["Surface"])
    return material


classes = (MaquetteScore, MaquetteEvaluation)
