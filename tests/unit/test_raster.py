"""The z-buffer, held to PyTorch3D's recorded results and to a closed form."""

from pathlib import Path

import numpy as np
import pytest

from backend.geometry.raster import rasterise

RECORD = Path(__file__).resolve().parents[3] / "shared" / "reference" / "pytorch3d_reference.npz"


@pytest.mark.skipif(not RECORD.is_file(), reason="PyTorch3D's recorded results are not beside the checkout")
def test_the_first_surface_is_pytorch3ds():
    record = np.load(RECORD)
    vertices, faces = record["raster_verts_ndc"], record["mesh_faces"]
    theirs, distance = record["raster_pix_to_face"].squeeze(), record["raster_dists_squared"].squeeze()
    height, width = theirs.shape[:2]
    # Their axes point left and up, and the shorter side spans [-1, 1].
    shorter = min(height, width)
    pixels = np.stack([width - vertices[:, 0] * shorter, height - vertices[:, 1] * shorter], axis=1) / 2
    ours = rasterise(pixels, vertices[:, 2], faces, (width, height), perspective=False)

    hit = (theirs >= 0) & (distance < 0)  # below 0: the pixel's centre lies inside the triangle
    first = hit.argmax(axis=-1)[..., None]
    expected = np.where(hit.any(axis=-1), np.take_along_axis(theirs, first, axis=-1)[..., 0], -1)
    # Where a centre lies on an edge to their precision, either side is right.
    clear = ~(np.abs(distance) < 1e-8).any(axis=-1)
    assert clear.mean() > 0.98 and (ours.face[clear] == expected[clear]).all()
    both = clear & ours.covered
    depth = np.take_along_axis(record["raster_zbuf"].squeeze(), first, axis=-1)[..., 0]
    weights = np.take_along_axis(record["raster_bary"].squeeze(), first[..., None], axis=-2)[..., 0, :]
    assert both.sum() > 200
    np.testing.assert_allclose(ours.depth[both], depth[both], atol=1e-4)
    np.testing.assert_allclose(ours.weights[both], weights[both], atol=1e-3)


def test_depth_and_weights_are_those_in_space():
    # A plane that leans away from the camera, behind it a corner of another triangle that must not be seen.
    corners = np.array([[-1.0, -1, 2], [1, -1, 2], [-1, 1, 6], [1, 1, 6], [-3, 0, 9], [3, 0, 9], [0, 3, 9]])
    faces = np.array([[0, 1, 2], [1, 3, 2], [4, 5, 6]])
    pixels = corners[:, :2] / corners[:, 2:] * 40 + 32
    seen = rasterise(pixels, corners[:, 2], faces, (64, 64))
    y, x = np.nonzero(np.isin(seen.face, (0, 1)))
    assert len(y) > 300
    # On the plane z = 4 + 2 y, so along the ray y = v z, z = 4 / (1 - 2 v).
    ray = np.stack([(x + 0.5 - 32) / 40, (y + 0.5 - 32) / 40], axis=1)
    np.testing.assert_allclose(seen.depth[y, x], 4 / (1 - 2 * ray[:, 1]), rtol=1e-9)
    there = seen.blend(corners, faces)[y, x]
    np.testing.assert_allclose(there[:, :2] / there[:, 2:], ray, atol=1e-9)
    hidden = np.array([[0.0, 0.0, 4.0], [0.0, 0.0, 9.0], [5.0, 0.0, 4.0]])
    seen_points = seen.seen(hidden[:, :2] / hidden[:, 2:] * 40 + 32, hidden[:, 2], 0.01)
    assert seen_points.tolist() == [True, False, False]


def test_neighbours_leave_no_pixel_between_them():
    random = np.random.default_rng(3)
    grid = np.stack(np.meshgrid(np.arange(9.0), np.arange(9.0)), axis=-1) * 8
    grid[1:-1, 1:-1] += random.uniform(-2.5, 2.5, (7, 7, 2))
    index = np.arange(81).reshape(9, 9)
    a, b, c, d = index[:-1, :-1].ravel(), index[:-1, 1:].ravel(), index[1:, :-1].ravel(), index[1:, 1:].ravel()
    faces = np.concatenate([np.stack([a, b, c], axis=1), np.stack([b, d, c], axis=1)])
    seen = rasterise(grid.reshape(-1, 2), np.ones(81), faces, (64, 64))
    assert seen.covered.all() and len(np.unique(seen.face)) == len(faces)
