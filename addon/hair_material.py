"""A hair material: Principled Hair for Cycles, a Principled surface for EEVEE, one colour for both."""

import bpy

from . import versions

COLOUR_ATTRIBUTE = "maquette_colour"
"""Colour attribute of the strands (one a curve), linear Rec. 709."""

BROWN = (0.085, 0.045, 0.022)
"""Linear Rec. 709, where no photograph says another."""


def hair_material(name: str, colour: tuple[float, float, float], *, from_strands: bool) -> bpy.types.Material:
    """Make a material.

    Args:
        name: its name in Blender.
        colour: (3,) linear Rec. 709; the mean of the hair.
        from_strands: the strands carry a colour each (``COLOUR_ATTRIBUTE``), so "Colour of Strands" begins at 1.
    """
    material = bpy.data.materials.new(name)
    tree = versions.use_nodes(material)
    # The colour of the Solid view.
    material.diffuse_color = (*(min(1.0, c) for c in colour), 1.0)
    material.roughness = 0.5

    def node(kind: str, x: int, y: int, **settings) -> bpy.types.Node:
        made = tree.nodes.new(kind)
        made.location = (x, y)
        for setting, value in settings.items():
            setattr(made, setting, value)
        return made

    link = tree.links.new
    mean = node("ShaderNodeRGB", -1100, 200, name="Hair Colour", label="Hair Colour")
    mean.outputs[0].default_value = (*colour, 1.0)
    strand = node("ShaderNodeAttribute", -1100, 0, attribute_type="GEOMETRY", attribute_name=COLOUR_ATTRIBUTE)
    mix = node("ShaderNodeMix", -900, 100, data_type="RGBA", name="Colour of Strands", label="Colour of Strands")
    versions.socket(mix.inputs, "Factor", "VALUE").default_value = 1.0 if from_strands else 0.0
    link(mean.outputs[0], versions.socket(mix.inputs, "A", "RGBA"))
    link(strand.outputs["Color"], versions.socket(mix.inputs, "B", "RGBA"))

    # Roots lie deeper and are younger than tips: darker at the root, a little lighter at the tip; and no two strands
    # are quite alike.
    info = node("ShaderNodeHairInfo", -1100, -250)
    along = node("ShaderNodeMapRange", -900, -200, interpolation_type="SMOOTHSTEP")
    for socket, value in (("From Min", 0.0), ("From Max", 1.0), ("To Min", 0.8), ("To Max", 1.15)):
        versions.socket(along.inputs, socket, "VALUE").default_value = value
    link(info.outputs["Intercept"], versions.socket(along.inputs, "Value", "VALUE"))
    between = node("ShaderNodeMapRange", -900, -450)
    for socket, value in (("From Min", 0.0), ("From Max", 1.0), ("To Min", 0.85), ("To Max", 1.15)):
        versions.socket(between.inputs, socket, "VALUE").default_value = value
    link(info.outputs["Random"], versions.socket(between.inputs, "Value", "VALUE"))
    brightness = node("ShaderNodeMath", -700, -250, operation="MULTIPLY")
    link(versions.socket(along.outputs, "Result", "VALUE"), brightness.inputs[0])
    link(versions.socket(between.outputs, "Result", "VALUE"), brightness.inputs[1])
    varied = node("ShaderNodeHueSaturation", -500, 0)
    link(versions.socket(mix.outputs, "Result", "RGBA"), varied.inputs["Color"])
    link(brightness.outputs[0], varied.inputs["Value"])

    hair = node("ShaderNodeBsdfHairPrincipled", -250, 200, parametrization="COLOR")
    link(varied.outputs[0], hair.inputs["Color"])
    for socket, value in (("Roughness", 0.3), ("Radial Roughness", 0.4), ("Coat", 0.0), ("Random Roughness", 0.1)):
        hair.inputs[socket].default_value = value
    cycles = node("ShaderNodeOutputMaterial", 50, 200, target="CYCLES", name="Cycles")
    link(hair.outputs[0], cycles.inputs["Surface"])

    surface = node("ShaderNodeBsdfPrincipled", -250, -200)
    link(varied.outputs[0], surface.inputs["Base Color"])
    surface.inputs["Roughness"].default_value = 0.45
    surface.inputs["Specular IOR Level"].default_value = 0.35
    eevee = node("ShaderNodeOutputMaterial", 50, -200, target="EEVEE", name="EEVEE")
    link(surface.outputs[0], eevee.inputs["Surface"])
    return material


def hair_colour_sockets(material: bpy.types.Material):
    """The two sockets an artist turns, for a panel: the hair's own colour, and how much the strands' colours count.

    None for a node that the artist has removed.
    """
    nodes = material.node_tree.nodes if material and material.node_tree else {}
    mean, mix = nodes.get("Hair Colour"), nodes.get("Colour of Strands")
    return (mean.outputs[0] if mean else None, versions.socket(mix.inputs, "Factor", "VALUE") if mix else None)
