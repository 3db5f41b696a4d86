"""Materials of the head: skin and eyes, from a picture where there is one."""

import bpy

from . import versions

SKIN = (0.56, 0.33, 0.24)
"""Linear Rec. 709 of skin without a picture."""


def skin_material(texture: str | None = None) -> bpy.types.Material:
    """Skin that scatters a little light below its surface; ``texture`` is a picture file in the head's UVs, or None."""
    material, surface = _principled("Skin", texture, SKIN)
    surface.inputs["Roughness"].default_value = 0.5
    surface.inputs["Specular IOR Level"].default_value = 0.35
    surface.inputs["Subsurface Weight"].default_value = 0.12
    surface.inputs["Subsurface Radius"].default_value = (1.0, 0.35, 0.2)
    surface.inputs["Subsurface Scale"].default_value = 0.004
    return material


def eye_material(texture: str | None = None) -> bpy.types.Material:
    """The eyeball, wet."""
    material, surface = _principled("Eyes", texture, (0.7, 0.68, 0.65))
    surface.inputs["Roughness"].default_value = 0.08
    return material


def photograph_material(name: str, image: bpy.types.Image, uv: str) -> bpy.types.Material:
    """A matte surface with a picture: photographs have their highlights in them already.

    Args:
        uv: name of the UV layer that the picture is for; "" for the active one.
    """
    material, surface = _principled(name, None, SKIN)
    surface.inputs["Roughness"].default_value = 0.8
    surface.inputs["Specular IOR Level"].default_value = 0.1
    nodes, links = material.node_tree.nodes, material.node_tree.links
    picture = nodes.new("ShaderNodeTexImage")
    picture.image, picture.location = image, (-350, 0)
    links.new(picture.outputs["Color"], surface.inputs["Base Color"])
    if uv:
        place = nodes.new("ShaderNodeUVMap")
        place.uv_map, place.location = uv, (-550, 0)
        links.new(place.outputs["UV"], picture.inputs["Vector"])
    return material


def _principled(name: str, texture: str | None, colour: tuple[float, float, float]):
    material = bpy.data.materials.new(name)
    tree = versions.use_nodes(material)
    material.diffuse_color = (*colour, 1.0)
    surface = tree.nodes.new("ShaderNodeBsdfPrincipled")
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    output.location = (300, 0)
    tree.links.new(surface.outputs[0], output.inputs["Surface"])
    surface.inputs["Base Color"].default_value = (*colour, 1.0)
    if texture:
        image = bpy.data.images.load(texture, check_existing=True)
        if image.packed_file is None:
            image.pack()  # the file lies in the extension's folder, which goes when the extension is removed
        picture = tree.nodes.new("ShaderNodeTexImage")
        picture.image, picture.location = image, (-350, 0)
        tree.links.new(picture.outputs["Color"], surface.inputs["Base Color"])
    return material, surface
