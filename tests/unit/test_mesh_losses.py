"""The losses of meshes and point sets, held to PyTorch3D's recorded results and to closed forms."""

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from scipy.spatial import cKDTree

from backend.geometry import mesh_losses
from backend.geometry.mesh_losses import (
    chamfer_distance,
    edge_differences,
    mesh_edge_loss,
    mesh_laplacian_smoothing,
    mesh_normal_consistency,
    nearest_neighbours,
    point_mesh_face_distance,
    uniform_laplacian,
    unique_edges,
)

RECORD = Path(__file__).resolve().parents[3] / "shared" / "reference" / "pytorch3d_reference.npz"


@pytest.fixture(scope="module")
def record():
    if not RECORD.is_file():
        pytest.skip("PyTorch3D's recorded results are not beside the checkout")
    return {key: torch.from_numpy(value) for key, value in np.load(RECORD).items()}


@pytest.fixture(scope="module")
def tetrahedron():
    vertices = torch.tensor([[0.0, 0, 0], [3, 0, 0], [0, 4, 0], [0, 0, 12]], dtype=torch.float64)
    return vertices, torch.tensor([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])


def same(ours, theirs, tolerance=1e-5):
    np.testing.assert_allclose(ours.detach().numpy(), theirs.numpy(), rtol=tolerance, atol=1e-7)


def test_nearest_neighbours_are_pytorch3ds(record):
    p, q = record["points_p"], record["points_q"]
    index = nearest_neighbours(p, q, 3)
    assert torch.equal(index, record["knn3_idx"])
    same(((p[:, None] - q[index]) ** 2).sum(dim=2), record["knn3_dists_squared"])
    # What stands in for the k-d tree on a card gives the same.
    assert torch.equal(mesh_losses._on_card(p, q, 3, 2), index)


def test_chamfer_is_pytorch3ds(record):
    p, q = record["points_p"].clone().requires_grad_(), record["points_q"]
    loss = chamfer_distance(p, q, record["normals_p"], record["normals_q"])
    same(loss.distance, record["chamfer_mean_squared"])
    same(loss.normals, record["chamfer_normals"])
    loss.distance.backward()
    same(p.grad, record["chamfer_grad_p"])
    one_way = chamfer_distance(p, q, single_directional=True, tree=cKDTree(q.numpy()))
    assert one_way.normals is None
    same(one_way.distance, record["chamfer_single_directional"])
    same(chamfer_distance(p, q, norm=1).distance, record["chamfer_l1"])


def test_losses_of_a_mesh_are_pytorch3ds(record):
    faces = record["mesh_faces"]
    losses = {
        "edge": lambda v: mesh_edge_loss(v, edge_differences(faces, len(v))),
        "laplacian_uniform": lambda v: mesh_laplacian_smoothing(v, faces),
        "laplacian_cot": lambda v: mesh_laplacian_smoothing(v, faces, "cot"),
        "normal_consistency": lambda v: mesh_normal_consistency(v, faces),
    }
    for name, loss in losses.items():
        vertices = record["mesh_verts"].clone().requires_grad_()
        value = loss(vertices)
        same(value, record[name])
        if f"{name}_grad" in record:
            value.backward()
            np.testing.assert_allclose(vertices.grad.numpy(), record[f"{name}_grad"].numpy(), rtol=1e-4, atol=2e-7)
    points = record["points_p"]
    same(point_mesh_face_distance(points, record["mesh_verts"], faces), record["point_mesh_face"])


def test_losses_of_a_tetrahedron_are_those_of_a_pencil(tetrahedron):
    vertices, faces = tetrahedron
    edges = unique_edges(faces)
    assert edges.tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    squares = np.array([9, 16, 144, 25, 153, 160.0])
    assert mesh_edge_loss(vertices, edges).item() == pytest.approx(squares.mean())
    assert mesh_edge_loss(vertices, edges, 2.0).item() == pytest.approx(((np.sqrt(squares) - 2) ** 2).mean())
    # Each vertex has all the others as neighbours, so its Laplacian is 4/3 of its way to the mean of all.
    to_mean = np.linalg.norm(vertices.numpy() - vertices.numpy().mean(axis=0), axis=1).mean()
    assert mesh_laplacian_smoothing(vertices, faces).item() == pytest.approx(4 / 3 * to_mean)
    given = uniform_laplacian(faces, 4, torch.float64)
    assert mesh_laplacian_smoothing(vertices, faces, laplacian=given).item() == pytest.approx(4 / 3 * to_mean)
    # Three right angles between the walls; the slope meets each at the angle of their normals.
    slope = np.array([1 / 3, 1 / 4, 1 / 12]) / np.linalg.norm([1 / 3, 1 / 4, 1 / 12])
    expected = (3 * 1 + (1 + slope).sum()) / 6
    assert mesh_normal_consistency(vertices, faces).item() == pytest.approx(expected)
    turned = faces.clone()
    turned[1] = turned[1].flip(0)
    assert mesh_normal_consistency(vertices, turned).item() == pytest.approx(expected)


def test_a_plane_has_no_laplacian_and_no_folds_and_a_lone_vertex_counts_as_still():
    x, y = np.meshgrid(np.arange(4.0), np.arange(4.0))
    index = np.arange(16).reshape(4, 4)
    a, b, c, d = index[:-1, :-1].ravel(), index[:-1, 1:].ravel(), index[1:, :-1].ravel(), index[1:, 1:].ravel()
    faces = torch.from_numpy(np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)]))
    plane = torch.from_numpy(np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], axis=1)).float()
    assert mesh_normal_consistency(plane, faces).item() == pytest.approx(0, abs=1e-6)
    laplacian = uniform_laplacian(faces, 17)
    moved = laplacian(torch.cat([plane, torch.full((1, 3), 5.0)]))
    assert moved[[5, 6, 9, 10]].abs().max() < 1e-6 and moved[16].abs().max() == 0
    still = torch.zeros(16, 3, requires_grad=True)
    (mesh_laplacian_smoothing(still, faces) + mesh_edge_loss(still, unique_edges(faces))).backward()
    assert torch.isfinite(still.grad).all()


def test_gradients_are_those_of_differences(tetrahedron):
    vertices, faces = tetrahedron
    points = torch.tensor([[1.0, 1, -1], [0.2, 1.5, 3], [5, 5, 5]], dtype=torch.float64)

    def total(v):
        loss = mesh_edge_loss(v, unique_edges(faces)) + mesh_laplacian_smoothing(v, faces)
        loss = loss + mesh_normal_consistency(v, faces) + chamfer_distance(v, points).distance
        return loss + point_mesh_face_distance(points, v, faces)

    assert torch.autograd.gradcheck(total, vertices.clone().requires_grad_(), eps=1e-6, atol=1e-5)


def test_pairs_too_far_apart_or_turned_away_are_left_out():
    p = torch.tensor([[0.0, 0, 0], [10, 0, 0], [20, 0, 0]], requires_grad=True)
    q = torch.tensor([[0.5, 0, 0], [12, 0, 0], [20, 0, 1.5]])
    near = chamfer_distance(p, q, prune_distance=1.0)
    assert near.distance.item() == pytest.approx(2 * 0.25)
    near.distance.backward()
    assert p.grad[1:].abs().max() == 0 and p.grad[0, 0].item() == pytest.approx(-2.0)
    up, side = torch.tensor([[0.0, 0, 1]]), torch.tensor([[1.0, 0, 0]])
    normals = torch.cat([up, up, side]), torch.cat([up, -up, up])
    agreeing = chamfer_distance(p, q, *normals, prune_normals=0.5)
    assert agreeing.distance.item() == pytest.approx(2 * (0.25 + 4) / 2)
    assert chamfer_distance(p, q + 100, prune_distance=1.0).distance.item() == 0


def test_distance_from_a_plate_and_to_it():
    plate = torch.tensor([[0.0, 0, 0], [4, 0, 0], [0, 4, 0]], dtype=torch.float64)
    faces = torch.tensor([[0, 1, 2]])
    points = torch.tensor([[1.0, 1, 2], [-3, 0, 0]], dtype=torch.float64)
    assert point_mesh_face_distance(points, plate, faces).item() == pytest.approx((4 + 9) / 2 + 4)
    # Of triangles below the area only the edges count.
    assert point_mesh_face_distance(points, plate, faces, 100).item() == pytest.approx((5 + 9) / 2 + 5)


def test_the_nearest_of_triangles_of_all_sizes_is_found():
    random = np.random.default_rng(5)
    sizes = 10 ** random.uniform(-3, 0, (400, 1, 1))
    corners = random.uniform(-1, 1, (400, 1, 3)) + sizes * random.normal(size=(400, 3, 3))
    points = random.uniform(-1, 1, (300, 3))
    rows, columns = (part.ravel() for part in np.indices((300, 400)))
    weights = mesh_losses.nearest_on_triangles(points[rows], corners[columns])
    away = ((points[rows] - np.einsum("nk,nkc->nc", weights, corners[columns])) ** 2).sum(axis=1).reshape(300, 400)
    vertices, faces = torch.from_numpy(corners.reshape(-1, 3)), torch.arange(1200).reshape(400, 3)
    found = point_mesh_face_distance(torch.from_numpy(points), vertices, faces, 0.0)
    assert found.item() == pytest.approx(away.min(axis=1).mean() + away.min(axis=0).mean())


def test_losses_are_those_of_the_pytorch3d_that_is_here():
    theirs = pytest.importorskip("pytorch3d.loss")
    structures = pytest.importorskip("pytorch3d.structures")
    sphere = trimesh.creation.icosphere(subdivisions=2)
    random = torch.Generator().manual_seed(7)
    vertices = torch.from_numpy(sphere.vertices).float()
    vertices = vertices + 0.03 * torch.randn(vertices.shape, generator=random)
    faces, points = torch.from_numpy(sphere.faces).long(), torch.randn((500, 3), generator=random)
    mesh, cloud = structures.Meshes([vertices], [faces]), structures.Pointclouds([points])
    same(mesh_edge_loss(vertices, unique_edges(faces), 0.1), theirs.mesh_edge_loss(mesh, 0.1))
    for method in ("uniform", "cot"):
        same(mesh_laplacian_smoothing(vertices, faces, method), theirs.mesh_laplacian_smoothing(mesh, method))
    same(mesh_normal_consistency(vertices, faces), theirs.mesh_normal_consistency(mesh))
    same(chamfer_distance(vertices, points).distance, theirs.chamfer_distance(vertices[None], points[None])[0])
    same(point_mesh_face_distance(points, vertices, faces), theirs.point_mesh_face_distance(mesh, cloud))
