"""One view through Cycles: the picture, and depth and coverage of every object from the same samples."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np

from ...backend.contract import RenderGroundTruth
from ...backend.errors import CaptureError
from ...backend.formats.exr import Part, read_exr

BOUNCES = 1
"""Of light beyond the first hit. Each more costs as much again, brown hair swallows it, and its noise hides strands."""

_CLAMP = 1.5
"""Brightness that a path of more than one bounce may bring; sparks from inside the hair would be taken for strands."""

NOTHING = 1e9
"""Cycles gives this depth, in metres, or more, where a ray meets nothing."""


def configure(scene: bpy.types.Scene, settings: RenderGroundTruth, warn: Callable[[str], None]) -> None:
    """Set Cycles up: fast, without tricks that change what hair looks like.

    Args:
        warn: takes a sentence about what this Blender cannot do.
    """
    render, cycles, layer = scene.render, scene.cycles, scene.view_layers[0]
    render.engine = "CYCLES"
    render.film_transparent = False
    render.use_persistent_data = True  # the hair's tree of bounds is built once for all views
    render.use_motion_blur = False
    render.use_compositing = render.use_sequencer = False
    render.dither_intensity = 0.0
    cycles.samples = settings.samples
    cycles.seed = settings.seed
    cycles.use_adaptive_sampling = True
    cycles.adaptive_threshold = 0.05
    cycles.adaptive_min_samples = min(settings.samples, 16)
    cycles.use_denoising = settings.denoise and _denoises(cycles, warn)
    cycles.max_bounces = BOUNCES
    cycles.diffuse_bounces = cycles.glossy_bounces = cycles.transmission_bounces = BOUNCES
    cycles.sample_clamp_indirect = _CLAMP
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.film_exposure = 1.0
    scene.cycles_curves.shape = "RIBBONS"
    scene.cycles_curves.subdivisions = 1
    layer.use_pass_z = True
    layer.use_pass_cryptomatte_object = True
    layer.pass_cryptomatte_depth = 4


def _denoises(cycles: bpy.types.PropertyGroup, warn: Callable[[str], None]) -> bool:
    try:
        cycles.denoiser = "OPENIMAGEDENOISE"
    except TypeError:  # some distributions build Blender without it
        warn("This Blender has no OpenImageDenoise, so the pictures keep their noise; take more samples.")
        return False
    cycles.denoising_input_passes = "RGB_ALBEDO_NORMAL"
    cycles.denoising_prefilter = "ACCURATE"
    return True


def render_view(scene: bpy.types.Scene, image: Path, scratch: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Render the scene's camera to a PNG, and return what else the samples say.

    Args:
        image: PNG to write.
        scratch: EXR to write and remove again.

    Returns:
        Depth (H, W) float32 in metres along the optical axis, 0 where there is nothing, and the share of each pixel
        covered, (H, W) float32 from 0 to 1, by object name.
    """
    bpy.ops.render.render(scene=scene.name)
    result = bpy.data.images["Render Result"]
    output = scene.render.image_settings
    _set_format(output, "PNG")
    output.color_mode, output.color_depth, output.compression = "RGB", "8", 50
    result.save_render(str(image), scene=scene)
    _set_format(output, "OPEN_EXR_MULTILAYER")
    output.color_depth, output.exr_codec = "32", "NONE"
    result.save_render(str(scratch), scene=scene)
    try:
        parts = read_exr(scratch)
    except (OSError, ValueError) as error:
        raise CaptureError(f"The render could not be kept in {scratch.parent}; is the disk full? ({error})") from error
    finally:
        scratch.unlink(missing_ok=True)
    channels = {name.split(".", 1)[-1]: values for part in parts for name, values in part.channels.items()}
    depth = channels["Depth.Z"]
    return np.where(depth < NOTHING, depth, 0).astype(np.float32), _coverage(parts, channels)


def _set_format(output: bpy.types.ImageFormatSettings, name: str) -> None:
    # From 5.0 on, a kind of medium is chosen before the format.
    if hasattr(output, "media_type"):
        output.media_type = "MULTI_LAYER_IMAGE" if "MULTILAYER" in name else "IMAGE"
    output.file_format = name


def _coverage(parts: list[Part], channels: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Cryptomatte: pairs of (id, share) channels, the id being a hash of the object's name seen as a float.

    Friedman and Jones, "Fully automatic ID mattes with support for motion blur and transparency" (SIGGRAPH 2015), and
    the Cryptomatte specification 1.2.0.
    """
    hashes = {}
    for part in parts:
        for key, value in part.attributes.items():
            if key.startswith("cryptomatte/") and key.endswith("/manifest"):
                hashes |= json.loads(value.rstrip(b"\0"))
    pairs = []
    for name in sorted(n for n in channels if n.lower().startswith("cryptoobject") and n[-2:].lower() in (".r", ".b")):
        share = name[:-1] + {"r": "g", "b": "a", "R": "G", "B": "A"}[name[-1]]
        pairs.append((channels[name], channels[share]))
    coverage = {}
    for name, code in hashes.items():
        (identity,) = struct.unpack("<f", struct.pack("<I", int(code, 16)))
        total = sum(np.where(ids == np.float32(identity), shares, 0) for ids, shares in pairs)
        coverage[name] = np.clip(total, 0, 1).astype(np.float32)
    return coverage
