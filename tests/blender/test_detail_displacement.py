"""Maps are what Blender's own displacement takes: tangent space as its mesh tangents, object space as a Displace
modifier has it."""

import os
import subprocess
from pathlib import Path

import bpy
import numpy as np
import pytest

from backend.formats.displacement import RANGE

BACKEND = os.environ.get("MAQUETTE_BACKEND_PYTHON")
MAKE = """
import sys
from pathlib import Path

import numpy as np

from backend.detail.dense import dense_head
from backend.detail.given import bake_map
from backend.fit.model import model_to_fit
from backend.formats.displacement import write_displacement

folder, dense = Path(sys.argv[1]), dense_head(model_to_fit("built-in"))
rest = dense.rest()
hair = 1 / (1 + np.exp(-(rest[:, 2:] - 0.06) / 0.01))
moved = 0.002 * np.sin(40 * rest[:, [2, 0, 1]]) + 0.03 * hair * (rest - rest.mean(axis=0)) / 0.1
for name in ("eyes", "mouth_pocket", "left_ear", "right_ear"):
    moved[dense.regions[name]] = 0  # as a registration leaves them
np.savez(folder / "dense.npz", rest=rest, faces=dense.faces, uv=dense.uv, moved=moved)
write_displacement(folder / "object.png", bake_map(moved, dense, 512, frame="object"))
write_displacement(folder / "tangent.exr", bake_map(moved, dense, 512, frame="tangent", limit=np.inf))
"""


@pytest.fixture(scope="module")
def baked(tmp_path_factory):
    if not BACKEND:
        pytest.skip("MAQUETTE_BACKEND_PYTHON names no backend environment")
    folder = tmp_path_factory.mktemp("baked")
    subprocess.run([BACKEND, "-c", MAKE, str(folder)], check=True, cwd=Path(__file__).resolve().parents[2])
    return folder, np.load(folder / "dense.npz")


def mesh_of(dense):
    mesh = bpy.data.meshes.new("dense")
    mesh.from_pydata(dense["rest"].tolist(), [], dense["faces"].tolist())
    mesh.polygons.foreach_set("use_smooth", np.ones(len(mesh.polygons), bool))
    layer = mesh.uv_layers.new(name="UV")
    layer.data.foreach_set("uv", dense["uv"].astype(np.float32).ravel())
    return mesh


def pixels(path, size=512):
    """(N, N, 3) a picture's numbers, its first row at the top."""
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name = "Non-Color"
    values = np.empty(4 * size * size, np.float32)
    image.pixels.foreach_get(values)
    return values.reshape(size, size, 4)[::-1, :, :3].astype(np.float64)


def sampled(values, uv):
    """(N, 3) bilinear values at UVs (N, 2), as a texture node has them."""
    size = len(values)
    place = (np.stack([uv[:, 0] * size, (1 - uv[:, 1]) * size], axis=1) - 0.5).clip(0, size - 1.001)
    x, y = place.astype(int).T
    s, t = (place % 1).T[..., None]
    top = values[y, x] * (1 - s) + values[y, x + 1] * s
    return top * (1 - t) + (values[y + 1, x] * (1 - s) + values[y + 1, x + 1] * s) * t


def test_tangent_space_is_that_of_blenders_meshes(maquette, baked):
    folder, dense = baked
    mesh = mesh_of(dense)
    mesh.calc_tangents(uvmap="UV")
    parts = {name: np.empty(3 * len(mesh.loops), np.float32) for name in ("tangent", "normal")}
    for name, values in parts.items():
        mesh.loops.foreach_get(name, values)
    tangent, normal = (values.reshape(-1, 3).astype(np.float64) for values in parts.values())
    sign = np.empty(len(mesh.loops), np.float32)
    mesh.loops.foreach_get("bitangent_sign", sign)
    bitangent = sign[:, None] * np.cross(normal, tangent)
    # As Cycles displaces: red along the tangent, green along the normal, blue along the bitangent.
    red, green, blue = sampled(pixels(folder / "tangent.exr"), dense["uv"].reshape(-1, 2)).T[..., None]
    found = red * tangent + green * normal + blue * bitangent
    off = 1000 * np.linalg.norm(found - dense["moved"][dense["faces"].ravel()], axis=1)
    assert np.median(off) < 0.01 and off.mean() < 0.05, "millimetres"


def test_an_object_map_moves_a_mesh_by_the_displace_modifier(maquette, baked):
    folder, dense = baked
    thing = bpy.data.objects.new("dense", mesh_of(dense))
    bpy.context.collection.objects.link(thing)
    texture = bpy.data.textures.new("map", "IMAGE")
    texture.image = bpy.data.images.load(str(folder / "object.png"))
    texture.image.colorspace_settings.name = "Non-Color"
    texture.use_interpolation = True
    modifier = thing.modifiers.new("map", "DISPLACE")
    modifier.texture, modifier.texture_coords, modifier.uv_layer = texture, "UV", "UV"
    modifier.direction, modifier.space, modifier.mid_level, modifier.strength = "RGB_TO_XYZ", "LOCAL", 0.5, 2 * RANGE
    evaluated = thing.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    found = np.empty(3 * len(evaluated.vertices), np.float32)
    evaluated.vertices.foreach_get("co", found)
    off = 1000 * np.linalg.norm(found.reshape(-1, 3) - dense["rest"] - dense["moved"], axis=1)
    assert off.mean() < 0.1, "millimetres"
