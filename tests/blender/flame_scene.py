"""A FLAME head in the scene for tests: synthetic models, and what Blender makes of them."""

import bpy
import numpy as np

from backend.formats.flame_model import FlameModel, write_flame_model, z_up
from tests.unit.flame_example import example_model
from tests.unit.flame_reference import posed_head


def written(path, model: FlameModel, maquette_part):
    """The model as the extension reads it."""
    write_flame_model(path, model)
    return maquette_part("backend.formats.flame_files").read_flame_model(path)


def small_model(**settings) -> FlameModel:
    return example_model(**({"vertices": 60, "identity": 25, "expression": 12} | settings))


def with_synthetic_skin(data, expression=50, seed=3) -> FlameModel:
    """The real template and identity basis of FLAME 2023 Open, which come without a skin, with one made up here.

    Five joints in their anatomical places, smooth weights by height and depth, and smooth random expressions and
    correctives about as large as FLAME's.
    """
    from backend.formats.flame_model import JOINTS, Landmarks

    template, faces = data["v_template"].astype(np.float64), data["faces"]
    x, y, z = template.T
    balls = _eyeballs(len(template), faces, z)
    centre = template[balls[0]].mean(0) / 2 + template[balls[1]].mean(0) / 2
    ramp = lambda v, low, high: np.clip((v - low) / (high - low), 0, 1)  # noqa: E731
    neck = ramp(y, y.min() + 0.02, centre[1] - 0.09)
    jaw = neck * ramp(-(y + 0.5 * (centre[2] - z)), -(centre[1] - 0.055), -(centre[1] - 0.075))
    jaw *= ramp(z, centre[2] - 0.09, centre[2] - 0.05)
    weights = np.stack([1 - neck, neck - jaw, jaw, 0 * x, 0 * x], axis=1)
    for j, ball in enumerate(balls):
        weights[ball] = np.eye(5)[3 + j]
    places = [(0, y.min() + 0.01, centre[2] - 0.08), (0, centre[1] - 0.1, centre[2] - 0.09)]
    places += [(0, centre[1] - 0.025, centre[2] - 0.07)]
    regressor = np.zeros((5, len(template)))
    for j, place in enumerate(places):
        near = np.argsort(np.linalg.norm(template - place, axis=1))[:120]
        regressor[j, near] = 1 / 120
    for j, ball in enumerate(balls):
        regressor[3 + j, ball] = 1 / len(ball)
    rng = np.random.default_rng(seed)

    def waves(count, size):
        """Smooth displacements of the face."""
        made = np.zeros((len(template), 3, count))
        for k in range(count):
            along, phase = rng.normal(0, 40, 3), rng.uniform(0, 6)
            face = np.exp(-(((template - centre - (0, -0.04, 0.02)) / 0.05) ** 2).sum(1))
            made[:, :, k] = (np.cos(template @ along + phase) * face)[:, None] * rng.normal(0, size, 3)
        made[np.concatenate(balls)] = 0
        return made

    identity, modes = data["shapedirs"], waves(expression, 1e-3)
    return FlameModel(
        "FLAME 2023 Open with a synthetic skin", template, faces, identity, modes, waves(36, 2e-3), regressor, weights,
        np.array([-1, 0, 1, 1, 1]), JOINTS, tuple(f"identity {i + 1}" for i in range(identity.shape[2])),
        tuple(f"expression {i + 1}" for i in range(expression)),
        landmarks={"mediapipe": Landmarks(data["lmk_face_idx"], data["lmk_b_coords"])},
    )  # fmt: skip


def _eyeballs(count, faces, depth):
    """Left, right: the two components that are not the skin."""
    label = np.arange(count)
    while True:
        lowest = np.minimum.reduce([label[faces[:, k]] for k in range(3)])
        new = label.copy()
        for k in range(3):
            np.minimum.at(new, faces[:, k], lowest)
        new = new[new]
        if (new == label).all():
            break
        label = new
    parts, sizes = np.unique(label, return_counts=True)
    return [np.flatnonzero(label == p) for p in parts[np.argsort(-sizes)[1:3]]]


def evaluated(mesh: bpy.types.Object) -> np.ndarray:
    """(V, 3) as Blender shows the mesh now, in the world."""
    current = bpy.context.evaluated_depsgraph_get()
    thing = mesh.evaluated_get(current)
    shown = thing.to_mesh()
    points = np.empty((len(shown.vertices), 3), np.float32)
    shown.vertices.foreach_get("co", points.ravel())
    thing.to_mesh_clear()
    matrix = np.array(thing.matrix_world)
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def expected(model, identity, expression, pose, translation=(0, 0, 0), scale=1.0) -> np.ndarray:
    """(V, 3) what the written-out reference says, Z up."""
    return z_up(posed_head(model, identity, expression, pose, translation, scale)[0])
