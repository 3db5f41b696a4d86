"""What the scene remembers of the Detail panel: ``scene.maquette.detail``."""

import bpy

from ..backend.contract import REGISTRATION_PRESETS, BakeDetail, RegisterScan
from .detail_maps import is_map
from .detail_meshes import is_detail
from .flame_rig import rig_of
from .settings import property_of

PRESETS = {
    "draft": "A first look, in half the time",
    "standard": "The full result, in about a minute",
    "paper": "The published optimisation, which takes longer and comes no closer",
}


def _may_be_detail(_group, thing: bpy.types.Object) -> bool:
    return is_detail(thing)


def _may_be_head(_group, thing: bpy.types.Object) -> bool:
    return thing.type == "MESH" and rig_of(thing) is not None and not is_detail(thing)


def _may_be_map(_group, image: bpy.types.Image) -> bool:
    return is_map(image)


def _map_property(name: str, description: str):
    return bpy.props.PointerProperty(name=name, description=description, type=bpy.types.Image, poll=_may_be_map)


class MaquetteDetail(bpy.types.PropertyGroup):
    """Settings of Register Scan, Bake, Apply, Transfer and Animate Detail."""

    preset: property_of(
        RegisterScan, "preset", items=[(name, name.capitalize(), PRESETS[name]) for name in REGISTRATION_PRESETS]
    )
    partial: property_of(RegisterScan, "partial", name="Part of a Head")
    smooth: property_of(RegisterScan, "smooth", name="Smooth Plain Head")
    mesh: bpy.props.PointerProperty(
        name="Detail",
        description="Registered or sculpted head that the map is baked from",
        type=bpy.types.Object,
        poll=_may_be_detail,
    )
    size: bpy.props.EnumProperty(
        name="Size",
        description="Texels along a side of the map",
        items=[(str(size), f"{size} × {size}", "") for size in (256, 512, 1024, 2048)],
        default="1024",
    )
    frame: property_of(
        BakeDetail, "frame",
        items=[
            ("object", "Object", "Offsets along the axes of the head at rest"),
            ("tangent", "Tangent", "Offsets along the surface's own tangent, bitangent and normal, as renderers like"),
        ],
    )  # fmt: skip
    format: property_of(
        BakeDetail, "format",
        items=[
            ("png", "PNG", "16 bits a channel; reaches 166 mm either way"),
            ("exr", "OpenEXR", "Metres as they are, for renderers"),
        ],
    )  # fmt: skip
    layout: bpy.props.EnumProperty(
        name="Layout",
        description="UV layout that the map is in",
        items=[
            ("custom", "Hair and Face", "Scalp on the left, face on the right, the seam around the face"),
            ("standard", "The Model's", "The UVs that the model's file has, for other programs"),
            ("marked", "My Seam", "The layout by the seam that was marked on the head"),
        ],
    )
    head: bpy.props.PointerProperty(
        name="Head",
        description="FLAME head that the map is put on; without one, the selected",
        type=bpy.types.Object,
        poll=_may_be_head,
    )
    map: _map_property("Map", "Displacement map that is put on the head")
    hair_map: _map_property("Hair Of", "Displacement map that the hair is taken from")
    face_map: _map_property("Face Of", "Displacement map that the rest is taken from")
    way: bpy.props.EnumProperty(
        name="Way",
        description="How the detailed head moves",
        items=[
            ("live", "Live", "Sliders, bones and keyframes move it at once, a hair's breadth off the exact offsets"),
            ("exact", "Exact", "Every frame of the scene is computed and played from a file"),
        ],
    )


classes = (MaquetteDetail,)
