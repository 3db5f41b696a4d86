"""Displacement maps as images of Blender's: 16 bits or more, never colour-managed, with what their JSON says."""

import json
import re
from pathlib import Path

import bpy
import numpy as np

from ..backend.errors import HeadError
from ..backend.formats.displacement import (
    FORMAT,
    FRAMES,
    RANGE,
    VERSION,
    DisplacementMap,
    said_by,
    write_displacement,
)

ROLE = "displacement"
FACTS = "maquette_displacement"
"""Custom property of the image: its JSON."""
SUFFIXES = (".png", ".exr")
OURS = "maquette-built-in"
"""How the names of the built-in head's versions begin."""


def is_map(image: bpy.types.Image | None) -> bool:
    """Whether an image is a displacement map."""
    return image is not None and bool(image.get(FACTS))


def facts_of(image: bpy.types.Image) -> dict:
    """What is known of a map, as ``write_displacement`` wrote it; {} for any other image."""
    try:
        facts = json.loads(image.get(FACTS, "{}"))
    except (ValueError, TypeError):
        return {}  # somebody else's property under our name
    known = isinstance(facts, dict) and facts.get("format") == FORMAT and facts.get("frame") in FRAMES
    return facts if known else {}


def whose(image: bpy.types.Image) -> str:
    """Whose map it is, in a word, for the names of what is made with it."""
    return re.sub(r"( Detail)? Map(\.\d+)?$", "", image.name) or image.name


def in_words(image: bpy.types.Image) -> list[str]:
    """What a panel says of a map."""
    facts = facts_of(image)
    if not facts:
        return []
    width, height = image.size
    reach = "" if facts.get("stored_range") is None else f", reaching {1000 * facts['range'][1]:.0f} mm"
    said = [f"{width} × {height} texels in {facts['frame']} space{reach}."]
    if model := str(facts.get("model", "")):
        said.append("Made for the built-in head." if model.startswith(OURS) else f"Made for {model}.")
    if clipped := facts.get("clipped_vertices"):
        said.append(f"{clipped:,} vertices lay beyond its reach and were cut; bake an OpenEXR to keep them.")
    return said


def load_map(path: Path, *, name: str | None = None, job_id: str = "") -> bpy.types.Image:
    """Load a map and keep it in the .blend. The caller pushes the undo step.

    Args:
        path: .png or .exr, with its JSON beside it.
        name: of the image; the file's without it.
        job_id: of the job that made it.

    Raises:
        HeadError: it, or its JSON, is missing or not a displacement map's.
    """
    beside = path.with_name(path.name + ".json")
    for file in (path, beside):
        if not file.is_file():
            raise HeadError(f"There is no {file.name}; a displacement map is a picture with its JSON beside it.")
    try:
        facts = json.loads(beside.read_text(encoding="utf-8"))
        fits = facts.get("format") == FORMAT and facts.get("frame") in FRAMES and int(facts["version"]) <= VERSION
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        fits = False
    if not fits:
        raise HeadError(f"{beside.name} is no description of a displacement map; bake the map again.")
    try:
        image = bpy.data.images.load(str(path))
    except RuntimeError as error:
        raise HeadError(f"{path.name} cannot be opened as a picture.") from error
    image.colorspace_settings.name = "Non-Color"
    image.alpha_mode = "NONE"
    if not image.size[0] or not image.is_float:
        bpy.data.images.remove(image)
        raise HeadError(f"{path.name} has no 16 bits a channel; a map is a 16-bit PNG or an EXR.")
    image.pack()  # the job's folder may go
    image.name = name or path.stem
    image.use_fake_user = True
    image[FACTS] = json.dumps(facts)
    image["maquette_role"], image["maquette_job"] = ROLE, job_id
    return image


def save_map(image: bpy.types.Image, path: Path) -> None:
    """Write a map, painted on or not, with its JSON beside it: .png, or .exr.

    Raises:
        HeadError: the image is no map, has lost its pixels, or is not square.
        OSError: the disk is full or read-only.
    """
    facts = facts_of(image)
    if not facts:
        raise HeadError(f"'{image.name}' is no displacement map; bake one, or open one that was.")
    width, height = image.size
    if width != height or not width:
        raise HeadError(f"'{image.name}' has no square of pixels; open the map again.")
    pixels = np.empty((height, width, image.channels), np.float32)
    image.pixels.foreach_get(pixels.ravel())
    values = pixels[::-1, :, :3]
    if not np.isfinite(values).all():
        raise HeadError(f"'{image.name}' has pixels that are no finite numbers; paint over them.")
    if facts.get("stored_range"):
        low, high = (float(value) for value in facts.get("range", (-RANGE, RANGE)))
        values = low + (high - low) * values
    clipped = int(facts.get("clipped_vertices", 0))
    write_displacement(path, DisplacementMap(np.ascontiguousarray(values), facts["frame"], clipped, **said_by(facts)))
