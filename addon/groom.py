"""A groom in the scene: all strands on their head, and light guides that an artist can comb.

Two objects of one origin. The groom holds every strand; the guides hold some hundred and grow the same density
between them. Which of the two is seen and rendered is the artist's choice (``show``).
"""

import contextlib
import re
import secrets
from dataclasses import dataclass

import bpy
import numpy as np

from ..backend.formats.strands import Strands
from . import attachment, deform, guides, versions
from .hair_material import BROWN, COLOUR_ATTRIBUTE, hair_material
from .strands_scene import curves_from_strands
from .visibility import evaluable, world_matrix

GROOM, GUIDES, PREVIEW = "groom", "guides", "preview"
"""Values of the property ``maquette_role``."""

FULL_HEAD = 100_000
"""Strands of a full head of hair, and what fewer strands stand for."""

HAIR_RADIUS = 0.00004
"""Metres; a scalp hair is 60 to 100 micrometres thick."""

THICKEST = 0.0002
"""Metres; beyond it strands read as wire."""

ROOT_DENSITY = "maquette_root_density"
"""Name of the head's attribute that the guides grow by; further grooms of one head have numbers behind it."""

VIEWPORT_STRANDS = 20_000
"""Strands that a viewport shows at first."""


@dataclass(frozen=True)
class Groom:
    """The two objects of a groom; guides are None where they were not asked for."""

    hair: bpy.types.Object
    guides: bpy.types.Object | None
    guide_error: float
    """Median distance, in metres, of a strand grown from the guides to the strand it stands for."""


def add_groom(
    context: bpy.types.Context,
    strands: Strands,
    head: bpy.types.Object,
    *,
    job_id: str = "",
    name: str = "Hair",
    colour: np.ndarray | None = None,
    guide_count: int | None = None,
    seed: int = 0,
) -> Groom:
    """Put strands on a head as a groom and its guides. The caller pushes the one undo step.

    Args:
        strands: world metres, root first, on the head as it is posed now.
        head: the mesh that the roots are on.
        job_id: the job that made them, kept on both objects.
        name: of the groom; the guides get " Guides" behind it.
        colour: (N, 3) linear Rec. 709 of each strand, or (3,) of all, from the photographs; brown without it.
        guide_count: guides to choose; None chooses by the number of strands, 0 makes none.
        seed: of the choice of guides.

    Raises HeadError where the head cannot carry hair, ValueError without strands.
    """
    if not len(strands):
        raise ValueError("a groom needs at least one strand")
    context.view_layer.update()
    to_head = np.array(world_matrix(head).inverted(), np.float64)
    unit = float(abs(np.linalg.det(to_head[:3, :3])) ** (1 / 3))
    points = strands.points @ to_head[:3, :3].T.astype(np.float32)
    points += to_head[:3, 3].astype(np.float32)
    seen = Strands(points, strands.counts)
    attached = attachment.attach(context, head, seen.roots)
    rest = Strands(attached.to_rest(seen.points, seen.counts), seen.counts)

    colour = _colour(colour, len(strands))
    mean = tuple(map(float, colour.mean(0))) if colour is not None else BROWN
    material = hair_material(name, mean, from_strands=colour is not None and len(colour) > 1)
    collection = hair_collection(context)
    token = secrets.token_hex(8)

    def add(made: Strands, which: np.ndarray | slice, label: str, role: str) -> bpy.types.Object:
        data = curves_from_strands(made, label)
        set_radius(data, made.counts, strand_radius(len(strands)) * unit)
        if colour is not None and len(colour) > 1:
            data.attributes.new(COLOUR_ATTRIBUTE, "FLOAT_COLOR", "CURVE").data.foreach_set(
                "color", np.pad(colour[which], ((0, 0), (0, 1)), constant_values=1.0).ravel()
            )
        data.materials.append(material)
        made_object = bpy.data.objects.new(label, data)
        collection.objects.link(made_object)
        attachment.bind(made_object, head, attached.uv_map, attached.uv[which])
        made_object["maquette_job"], made_object["maquette_role"] = job_id, role
        made_object["maquette_groom"] = token
        return made_object

    hair = add(rest, slice(None), name, GROOM)
    modifier = hair.modifiers.new("Groom", "NODES")
    modifier.node_group = deform.groom_group()
    display = float(np.clip(np.ceil(100.0 * VIEWPORT_STRANDS / len(strands)), 1, 100))
    versions.set_modifier_input(modifier, "Viewport Display", display)

    count = default_guide_count(len(strands)) if guide_count is None else min(guide_count, len(strands))
    if not count:
        return Groom(hair, None, 0.0)
    chosen = guides.choose_guides(rest, count, seed)
    few = rest.subset(chosen)
    few = Strands.from_array(few.resampled(guides.points_needed(few, 1 / unit)))
    neighbours, error = guides.best_neighbours(rest, few, seed=seed)
    light = add(few, chosen, f"{name} Guides", GUIDES)
    drop_unused_densities(head)
    density = attachment.write_root_density(head, attached, rest.roots, ROOT_DENSITY)
    modifier = light.modifiers.new("Guides", "NODES")
    modifier.node_group = deform.guides_group()
    for socket, value in {
        "Viewport Display": display,
        "Strands": len(strands),
        "Guides per Strand": neighbours,
        "Length Variation": 0.05,
        "Seed": seed,
        "Surface": head,
        "UV Map": attached.uv_map,
        "Density": density,
        "Density Total": len(strands),
    }.items():
        versions.set_modifier_input(modifier, socket, value)
    show([hair], [light], GROOM)
    return Groom(hair, light, error / unit)


def drop_unused_densities(head: bpy.types.Object) -> None:
    """Remove the densities of grooms that are gone from a head's mesh."""
    used = set()
    for thing in bpy.data.objects:
        modifier = groom_modifier(thing) if thing.type == "CURVES" and thing.get("maquette_role") == GUIDES else None
        if modifier is not None:
            with contextlib.suppress(KeyError):  # another group that the artist put in its place
                used.add(versions.get_modifier_input(modifier, "Density"))
    attributes = head.data.attributes
    for name in [a.name for a in attributes if re.fullmatch(rf"{ROOT_DENSITY}(\.\d+)?", a.name)]:
        if name not in used:
            attributes.remove(attributes[name])


def default_guide_count(strands: int) -> int:
    """Some hundreds to two thousand, growing with the square root of the strands."""
    return int(np.clip(6 * np.sqrt(strands), min(strands, 300), 2000))


def strand_radius(strands: int) -> float:
    """Root radius in metres: fewer strands are thicker, so that they cover what a full head of hair covers."""
    return min(HAIR_RADIUS * float(np.sqrt(max(1.0, FULL_HEAD / max(strands, 1)))), THICKEST)


def set_radius(data: bpy.types.Curves, counts: np.ndarray, root: float) -> None:
    """Full radius to half the strand, then down to a fifth of it at the tip, in the object's unit."""
    lengths, kind = np.unique(counts, return_inverse=True)
    profiles = []
    for length in lengths:
        along = np.linspace(0.0, 1.0, length)
        profiles.append((root * (1.0 - 0.8 * np.clip(2.0 * along - 1.0, 0.0, 1.0) ** 1.5)).astype(np.float32))
    radius = np.tile(profiles[0], len(counts)) if len(lengths) == 1 else np.concatenate([profiles[k] for k in kind])
    attribute = data.attributes.get("radius") or data.attributes.new("radius", "FLOAT", "POINT")
    attribute.data.foreach_set("value", radius)


def hair_collection(context: bpy.types.Context) -> bpy.types.Collection:
    """The scene's collection of grooms, made when there is none."""
    for collection in context.scene.collection.children_recursive:
        if collection.get("maquette_role") == "hair" and not collection.library:
            return collection
    collection = bpy.data.collections.new("Hair")
    collection["maquette_role"] = "hair"
    context.scene.collection.children.link(collection)
    return collection


def companions(context: bpy.types.Context, hair: bpy.types.Object) -> tuple[list, list]:
    """The grooms and the guides in the scene that belong together with a groom or guides, that one among them."""
    token = hair.get("maquette_groom")
    kin = [o for o in context.scene.objects if o.type == "CURVES" and o.get("maquette_groom") == token and token]
    return [o for o in kin if o.get("maquette_role") == GROOM], [o for o in kin if o.get("maquette_role") == GUIDES]


def current(context: bpy.types.Context) -> bpy.types.Object | None:
    """The groom or guides that a panel is about: the active one, else that on the active head, else the newest."""
    ours = [o for o in context.scene.objects if o.type == "CURVES" and o.get("maquette_role") in (GROOM, GUIDES)]
    active = context.active_object
    if active in ours or not ours:
        return active if active in ours else None
    on_active = [o for o in ours if active is not None and o.parent == active]
    return max(on_active or ours, key=lambda o: (o.get("maquette_job", ""), o.get("maquette_role") == GROOM))


def show(hairs: list[bpy.types.Object], lights: list[bpy.types.Object], which: str) -> None:
    """Show and render either the grooms or the guides with what grows between them."""
    for objects, role in ((hairs, GROOM), (lights, GUIDES)):
        for hair in objects:
            hair.hide_viewport = hair.hide_render = role != which


def groom_modifier(hair: bpy.types.Object) -> bpy.types.NodesModifier | None:
    """The modifier of ours that a groom or guides carry, whatever the artist has named it."""
    for modifier in hair.modifiers:
        if modifier.type == "NODES" and modifier.node_group and modifier.node_group.get("maquette_group"):
            return modifier
    return None


@contextlib.contextmanager
def full_density(*hairs: bpy.types.Object):
    """Evaluate all strands while this lasts, whatever share the viewport shows, and of hidden ones too."""
    shares = {}
    for hair in hairs:
        modifier = groom_modifier(hair)
        if modifier:
            share = versions.get_modifier_input(modifier, "Viewport Display")
            shares[hair.name, modifier.name] = share, modifier.show_viewport
            versions.set_modifier_input(modifier, "Viewport Display", 100.0)
            modifier.show_viewport = True
    try:
        with evaluable(*hairs):
            yield
    finally:
        for (hair, name), (share, shown) in shares.items():
            modifier = bpy.data.objects[hair].modifiers[name]
            versions.set_modifier_input(modifier, "Viewport Display", share)
            modifier.show_viewport = shown


def _colour(colour, strands: int) -> np.ndarray | None:
    if colour is None:
        return None
    colour = np.asarray(colour, np.float32).reshape(-1, 3)
    if len(colour) not in (1, strands):
        raise ValueError(f"{len(colour)} colours for {strands} strands")
    return np.clip(np.nan_to_num(colour), 0.0, None)
