"""What a scene remembers of how its ground truth is rendered: ``scene.maquette.ground_truth``."""

import bpy

from ..backend.contract import RenderGroundTruth
from .settings import property_of


def _is_curves(_group, thing: bpy.types.Object) -> bool:
    return thing.type == "CURVES"


def _is_mesh(_group, thing: bpy.types.Object) -> bool:
    return thing.type == "MESH"


class MaquetteGroundTruth(bpy.types.PropertyGroup):
    """Settings of Render Ground Truth."""

    out: bpy.props.StringProperty(
        name="Folder",
        description="Folder of the capture; an earlier render in it is replaced",
        subtype="DIR_PATH",
        default="//capture",
    )
    hair: bpy.props.PointerProperty(
        name="Hair", description="Hair curves to render; empty for none", type=bpy.types.Object, poll=_is_curves
    )
    head: bpy.props.PointerProperty(
        name="Head", description="Head mesh to render; empty for none", type=bpy.types.Object, poll=_is_mesh
    )
    cameras: property_of(RenderGroundTruth, "cameras")
    views: property_of(RenderGroundTruth, "views", soft_max=100)
    size: property_of(RenderGroundTruth, "size", soft_max=2048)
    samples: property_of(RenderGroundTruth, "samples", soft_max=512)
    seed: property_of(RenderGroundTruth, "seed")
    lighting: property_of(RenderGroundTruth, "lighting")
    denoise: property_of(RenderGroundTruth, "denoise")
    surface: property_of(RenderGroundTruth, "surface", name="Outer Surface")


classes = (MaquetteGroundTruth,)
