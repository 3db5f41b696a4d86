"""What differs between Blender 4.2 and 5.2, one adapter for each difference.

Everything else in the add-on reads as if there were one Blender.
"""

import bpy


def use_nodes(material: bpy.types.Material | bpy.types.World) -> bpy.types.NodeTree:
    """The node tree of a material or world, emptied. From 5.0 on there always is one; ``use_nodes`` is deprecated."""
    if material.node_tree is None:
        material.use_nodes = True
    material.node_tree.nodes.clear()
    return material.node_tree


def socket(sockets, name: str, kind: str = ""):
    """The socket of a node that is in use, by its name (and its type, such as "VALUE", "VECTOR" or "GEOMETRY").

    Nodes with a data type keep one socket of each type up to 4.x, all under one name, and a single one from 5.x on;
    names stay, identifiers and places in the list do not.
    """
    named = [s for s in sockets if s.name == name]
    if kind:
        named = [s for s in named if s.type == kind] or named
    enabled = [s for s in named if s.enabled]
    if not named:
        raise KeyError(f"no socket named {name!r}; there are {sorted({s.name for s in sockets})}")
    return (enabled or named)[0]


def _modifier_input(modifier: bpy.types.NodesModifier, name: str) -> str:
    for item in modifier.node_group.interface.items_tree:
        if item.item_type == "SOCKET" and item.in_out == "INPUT" and item.name == name:
            return item.identifier
    raise KeyError(f"{modifier.node_group.name} has no input named {name!r}")


def modifier_property(modifier: bpy.types.NodesModifier, name: str) -> tuple[bpy.types.bpy_struct, str]:
    """Where an input of a geometry-nodes modifier lives, as ``layout.prop`` and ``keyframe_insert`` take it.

    A custom property of the modifier up to 5.1, a property of its own from 5.2 on.
    """
    identifier = _modifier_input(modifier, name)
    if hasattr(modifier, "properties"):
        return getattr(modifier.properties.inputs, identifier), "value"
    return modifier, f'["{identifier}"]'


def get_modifier_input(modifier: bpy.types.NodesModifier, name: str):
    """The value of a geometry-nodes modifier's input."""
    identifier = _modifier_input(modifier, name)
    if hasattr(modifier, "properties"):
        return getattr(modifier.properties.inputs, identifier).value
    return modifier[identifier]


def set_modifier_input(modifier: bpy.types.NodesModifier, name: str, value) -> None:
    """Set an input of a geometry-nodes modifier and have it evaluated again."""
    identifier = _modifier_input(modifier, name)
    if hasattr(modifier, "properties"):
        getattr(modifier.properties.inputs, identifier).value = value
    else:
        modifier[identifier] = value
    modifier.id_data.update_tag()


def animation_channels(name: str, owners: list[bpy.types.ID]) -> list:
    """New, empty animation for some data-blocks, which are set to use it.

    From 4.4 on it is one action with a slot for each; before, an action is for one kind of data-block, so there is one
    for each.

    Returns:
        For each owner what its ``fcurves`` and ``groups`` are made in.
    """
    channels = []
    layered = hasattr(bpy.types, "ActionSlot")
    action = strip = None
    for owner in owners:
        if action is None or not layered:
            action = bpy.data.actions.new(name)
        animation = owner.animation_data or owner.animation_data_create()
        if animation.action is not None:
            animation.action.use_fake_user = True  # what was there before stays in the file
        if not layered:
            action.id_root = owner.id_type
            animation.action = action
            channels.append(action)
            continue
        strip = strip or action.layers.new("Layer").strips.new(type="KEYFRAME")
        slot = action.slots.new(id_type=owner.id_type, name=owner.name)
        animation.action, animation.action_slot = action, slot
        channels.append(strip.channelbag(slot, ensure=True))
    return channels
