"""What a scene remembers of an artist's choices: ``scene.maquette``."""

import bpy

from ..backend.contract import MakeHairstyle, ReconstructHair
from .capture_checks import MaquetteMasks
from .capture_state import MaquettePhotos
from .detail_properties import MaquetteDetail
from .evaluation import MaquetteEvaluation
from .fit_properties import MaquetteFit
from .flame_properties import MaquetteFlame
from .ground_truth_properties import MaquetteGroundTruth
from .head_evaluation import MaquetteHeadEvaluation
from .head_results import MaquetteHeadSurface
from .sdf_baking import MaquetteSdf
from .settings import property_of


def _is_mesh(_group, thing: bpy.types.Object) -> bool:
    return thing.type == "MESH"


class MaquetteHair(bpy.types.PropertyGroup):
    """Settings of Reconstruct Hair and Add Hairstyle."""

    preset: property_of(
        ReconstructHair, "preset",
        items=[
            ("draft", "Draft", "A first look, in about a minute on two CPU cores"),
            ("standard", "Standard", "The full result, in some minutes on a laptop without a GPU"),
        ],
    )  # fmt: skip
    strands: property_of(ReconstructHair, "strands")
    points: property_of(ReconstructHair, "points", name="Points per Strand")
    views: property_of(ReconstructHair, "views")
    device: property_of(ReconstructHair, "device")
    seed: property_of(ReconstructHair, "seed")
    detached: bpy.props.BoolProperty(
        name="Go On When Blender Closes",
        description="The next Blender picks the job up again",
        default=False,
    )
    style: property_of(MakeHairstyle, "style")


class MaquetteScene(bpy.types.PropertyGroup):
    """Everything of ours that a scene keeps."""

    capture: bpy.props.StringProperty(
        name="Capture",
        description="Folder with transforms.json, photographs and masks",
        subtype="DIR_PATH",
    )
    scaled_capture: bpy.props.StringProperty(
        name="Scaled Capture",
        description="Folder of the capture that a head gave its scale",
        subtype="DIR_PATH",
    )
    metres_per_unit: bpy.props.FloatProperty(
        name="Metres per Unit",
        description="Metres in one unit of that capture; 0 before a head was fitted",
        min=0.0,
    )
    scale_assumed: bpy.props.BoolProperty(
        name="Assumed",
        description="Those metres come of no fitted head: a head was taken to be as deep as most are",
    )
    head: bpy.props.PointerProperty(
        name="Head",
        description="Mesh that the hair grows on; without one the built-in head is fitted to the capture",
        type=bpy.types.Object,
        poll=_is_mesh,
    )
    scalp: bpy.props.StringProperty(
        name="Scalp",
        description="Vertex group in which hair grows; without one, hair grows where the hair of the pictures touches "
        "the head",
        default="scalp",
    )
    photos: bpy.props.PointerProperty(type=MaquettePhotos)
    masks: bpy.props.PointerProperty(type=MaquetteMasks)
    hair: bpy.props.PointerProperty(type=MaquetteHair)
    ground_truth: bpy.props.PointerProperty(type=MaquetteGroundTruth)
    evaluation: bpy.props.PointerProperty(type=MaquetteEvaluation)
    sdf: bpy.props.PointerProperty(type=MaquetteSdf)
    head_surface: bpy.props.PointerProperty(type=MaquetteHeadSurface)
    head_evaluation: bpy.props.PointerProperty(type=MaquetteHeadEvaluation)
    fit: bpy.props.PointerProperty(type=MaquetteFit)
    detail: bpy.props.PointerProperty(type=MaquetteDetail)
    flame: bpy.props.PointerProperty(type=MaquetteFlame)


classes = (MaquetteHair, MaquetteScene)


def register():
    bpy.types.Scene.maquette = bpy.props.PointerProperty(type=MaquetteScene)


def unregister():
    del bpy.types.Scene.maquette
