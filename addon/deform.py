"""Node groups that a groom and its guides carry: display percentage, deformation with the head, full density.

They are our own, built from the core nodes that are the same from Blender 4.2 to 5.2, because the bundled hair
assets move between versions and change their sockets.
"""

import bpy

from . import versions

GROOM_GROUP = "Maquette Groom"
GUIDES_GROUP = "Maquette Guides"
REVISION = 1
"""Written on each group, so that a file made with another revision keeps its own."""

LENGTH = "maquette_length"
"""Attribute of a strand grown between guides: its length as a share of its guides'."""


def groom_group() -> bpy.types.NodeTree:
    """Shows a share of the strands in the viewport, all of them in renders, and moves them with the surface."""
    return _existing(GROOM_GROUP) or _build(GROOM_GROUP, _groom)


def guides_group() -> bpy.types.NodeTree:
    """Grows strands between the guides in the density of the head's roots, and moves them with the surface."""
    return _existing(GUIDES_GROUP) or _build(GUIDES_GROUP, _guides)


def _existing(name: str) -> bpy.types.NodeTree | None:
    for group in bpy.data.node_groups:
        if group.get("maquette_group") == name and group.get("maquette_revision") == REVISION and not group.library:
            return group
    return None


def _build(name: str, fill) -> bpy.types.NodeTree:
    group = bpy.data.node_groups.new(name, "GeometryNodeTree")
    group["maquette_group"], group["maquette_revision"] = name, REVISION
    group.is_modifier = True
    group.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
    group.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    fill(_Wiring(group))
    return group


class _Wiring:
    """Nodes and links in few words."""

    def __init__(self, group: bpy.types.NodeTree):
        self.group = group
        self.columns = 0
        self.source = self.node("NodeGroupInput")
        self.sink = self.node("NodeGroupOutput")

    def node(self, kind: str, /, **settings) -> bpy.types.Node:
        """A node with its settings; inputs are wired by ``set``."""
        node = self.group.nodes.new(kind)
        node.location = (200 * (self.columns % 8), -260 * (self.columns // 8))
        self.columns += 1
        for name, value in settings.items():
            setattr(node, name, value)
        return node

    def link(self, source: bpy.types.NodeSocket, target: bpy.types.NodeSocket) -> None:
        self.group.links.new(source, target)

    def set(self, node: bpy.types.Node, **values) -> bpy.types.Node:
        """Give inputs, named with _ for a space, a value or another node's output."""
        for name, value in values.items():
            target = versions.socket(node.inputs, name.replace("_", " "))
            if isinstance(value, bpy.types.NodeSocket):
                self.group.links.new(value, target)
            else:
                target.default_value = value
        return node

    def input(self, name: str, kind: str, **settings) -> bpy.types.NodeSocket:
        """A new input of the group."""
        item = self.group.interface.new_socket(name, in_out="INPUT", socket_type=f"NodeSocket{kind}")
        for setting, value in settings.items():
            setattr(item, setting, value)
        return self.source.outputs[name]

    def math(self, operation: str, first, second) -> bpy.types.NodeSocket:
        node = self.node("ShaderNodeMath", operation=operation)
        for target, value in zip(node.inputs, (first, second), strict=False):
            if isinstance(value, bpy.types.NodeSocket):
                self.group.links.new(value, target)
            else:
                target.default_value = value
        return node.outputs[0]

    def attribute(self, name, data_type: str) -> bpy.types.NodeSocket:
        node = self.set(self.node("GeometryNodeInputNamedAttribute", data_type=data_type), Name=name)
        return versions.socket(node.outputs, "Attribute")

    def random(self, seed) -> bpy.types.NodeSocket:
        """Uniform in 0..1 for each element."""
        node = self.set(self.node("FunctionNodeRandomValue", data_type="FLOAT"), Seed=seed)
        return versions.socket(node.outputs, "Value", "VALUE")

    def switch(self, kind: str, condition, no, yes) -> bpy.types.NodeSocket:
        node = self.node("GeometryNodeSwitch", input_type=kind)
        self.set(node, Switch=condition)
        for name, value in (("False", no), ("True", yes)):
            target = versions.socket(node.inputs, name)
            if isinstance(value, bpy.types.NodeSocket):
                self.group.links.new(value, target)
            else:
                target.default_value = value
        return versions.socket(node.outputs, "Output")

    def display_input(self) -> bpy.types.NodeSocket:
        """Share of strands to show, 0..1: what the artist chose in the viewport, everything in renders."""
        percentage = self.input(
            "Viewport Display", "Float", subtype="PERCENTAGE", default_value=100.0, min_value=0.0, max_value=100.0,
            description="Share of the strands shown in the viewport; renders always have all of them",
        )  # fmt: skip
        viewport = self.node("GeometryNodeIsViewport").outputs[0]
        return self.switch("FLOAT", viewport, 1.0, self.math("DIVIDE", percentage, 100.0))

    def deform(self, curves: bpy.types.NodeSocket) -> None:
        """Close the group: the curves follow the surface named in their data, by their roots' UV."""
        deform = self.set(self.node("GeometryNodeDeformCurvesOnSurface"), Curves=curves)
        self.set(self.sink, Geometry=deform.outputs[0])


def _groom(wiring: _Wiring) -> None:
    share = wiring.display_input()
    # A random number in [0, 1) is never at or above a share of 1.
    hidden = wiring.math("GREATER_THAN", wiring.random(7), share)
    delete = wiring.node("GeometryNodeDeleteGeometry", domain="CURVE")
    wiring.set(delete, Geometry=wiring.source.outputs["Geometry"], Selection=hidden)
    wiring.deform(delete.outputs[0])


def _guides(wiring: _Wiring) -> None:
    share = wiring.display_input()
    strands = wiring.input("Strands", "Int", default_value=10_000, min_value=0, max_value=1_000_000)
    neighbours = wiring.input(
        "Guides per Strand", "Int", default_value=3, min_value=1, max_value=8,
        description="Nearest guides that a strand is mixed from; 1 keeps curls and partings crisp",
    )  # fmt: skip
    shown = wiring.input(
        "Show Strands", "Bool", default_value=True,
        description="Show the strands between the guides in the viewport; renders always have them",
    )  # fmt: skip
    variation = wiring.input(
        "Length Variation", "Float", subtype="FACTOR", default_value=0.05, min_value=0.0, max_value=1.0,
        description="How much shorter strands may be than their guides",
    )  # fmt: skip
    seed = wiring.input("Seed", "Int", default_value=0)
    surface = wiring.input("Surface", "Object", description="The head that the hair grows on")
    uv_map = wiring.input("UV Map", "String", description="The head's UV map that holds the roots")
    density_map = wiring.input(
        "Density", "String", description="Face attribute of the head: roots on a square unit of it"
    )
    total = wiring.input(
        "Density Total", "Int", default_value=1, min_value=1, max_value=10_000_000,
        description="Roots that the density stands for",
    )  # fmt: skip

    # The head at rest, so that roots stay where they are under shape keys and armatures.
    head = wiring.set(wiring.node("GeometryNodeObjectInfo", transform_space="RELATIVE"), Object=surface)
    rest = wiring.node("GeometryNodeSetPosition")
    wiring.set(
        rest,
        Geometry=versions.socket(head.outputs, "Geometry"),
        Position=wiring.attribute("rest_position", "FLOAT_VECTOR"),
    )
    density = wiring.math("MULTIPLY", wiring.attribute(density_map, "FLOAT"), wiring.math("DIVIDE", strands, total))
    scatter = wiring.node("GeometryNodeDistributePointsOnFaces", distribute_method="RANDOM")
    wiring.set(scatter, Mesh=rest.outputs[0], Density=density, Seed=seed)
    points = wiring.node("GeometryNodeDeleteGeometry", domain="POINT")
    wiring.set(
        points,
        Geometry=scatter.outputs["Points"],
        Selection=wiring.math("GREATER_THAN", wiring.random(7), share),
    )
    with_length = wiring.node("GeometryNodeStoreNamedAttribute", data_type="FLOAT", domain="POINT")
    wiring.set(
        with_length,
        Geometry=points.outputs[0],
        Name=LENGTH,
        Value=wiring.math("SUBTRACT", 1.0, wiring.math("MULTIPLY", variation, wiring.random(seed))),
    )

    guides = wiring.source.outputs["Geometry"]
    interpolate = wiring.set(
        wiring.node("GeometryNodeInterpolateCurves"),
        Guide_Curves=guides,
        Points=with_length.outputs[0],
        Max_Neighbors=neighbours,
    )
    # Strands got the mean of their guides' attributes and, under other names, what their point knew. Their place on the
    # head must be their own: a mean of places can lie beside the surface, and such a strand would not move.
    placed = wiring.node("GeometryNodeStoreNamedAttribute", data_type="FLOAT2", domain="CURVE")
    wiring.set(
        placed,
        Geometry=interpolate.outputs[0],
        Name="surface_uv_coordinate",
        Value=wiring.attribute(uv_map, "FLOAT_VECTOR"),
    )
    # Shorter strands are drawn towards their roots.
    shortened = wiring.node("ShaderNodeMix", data_type="VECTOR")
    wiring.link(wiring.attribute(LENGTH, "FLOAT"), versions.socket(shortened.inputs, "Factor", "VALUE"))
    wiring.link(wiring.attribute("rest_position", "FLOAT_VECTOR"), versions.socket(shortened.inputs, "A", "VECTOR"))
    wiring.link(wiring.node("GeometryNodeInputPosition").outputs[0], versions.socket(shortened.inputs, "B", "VECTOR"))
    grown = wiring.node("GeometryNodeSetPosition")
    wiring.set(grown, Geometry=placed.outputs[0], Position=versions.socket(shortened.outputs, "Result", "VECTOR"))

    viewport = wiring.node("GeometryNodeIsViewport").outputs[0]
    bare = wiring.node("FunctionNodeBooleanMath", operation="NIMPLY")
    wiring.link(viewport, bare.inputs[0])
    wiring.link(shown, bare.inputs[1])
    wiring.deform(wiring.switch("GEOMETRY", bare.outputs[0], grown.outputs[0], guides))
