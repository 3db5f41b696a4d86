"""The torch layer against FLAME written out in NumPy, its gradients, its landmarks."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.errors import HeadError
from backend.flame.layer import FlameLayer, contour_row
from backend.flame.rotation import axis_angle_to_matrix
from backend.formats.flame_files import read_flame_model
from backend.formats.flame_model import z_up
from tests.unit import flame_reference
from tests.unit.flame_example import example_model, random_parameters

METRE = 1e-6


def tensors(parameters, dtype=torch.float64):
    return {name: torch.tensor(value, dtype=dtype) for name, value in parameters.items()}


def heads(model, parameters):
    count = max(len(v) for v in parameters.values())
    rows = [{name: v[i % len(v)] for name, v in parameters.items()} for i in range(count)]
    parts = zip(*(flame_reference.posed_head(model, **row) for row in rows))
    return [np.stack(part) for part in parts]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_vertices_and_joints_are_the_written_out_models(dtype, count):
    model = example_model()
    parameters = random_parameters(model, count)
    vertices, joints, rotations = heads(model, parameters)
    posed = FlameLayer(model, up="Y", dtype=dtype)(**tensors(parameters, dtype))
    assert posed.vertices.dtype == dtype
    assert np.abs(posed.vertices.numpy() - vertices).max() < METRE
    assert np.abs(posed.joints.numpy() - joints).max() < METRE
    assert np.abs(posed.rotations.numpy() - rotations).max() < 1e-6
    turned = FlameLayer(model, dtype=dtype)(**tensors(parameters, dtype))
    assert np.abs(turned.vertices.numpy() - z_up(vertices)).max() < METRE
    assert np.abs(turned.joints.numpy() - z_up(joints)).max() < METRE


def test_every_part_alone_is_the_written_out_models():
    model = example_model()
    whole = random_parameters(model, 3)
    nothing = {"identity": np.zeros((1, 0)), "expression": np.zeros((1, 0)), "pose": np.zeros((1, 5, 3))}
    layer = FlameLayer(model, up="Y", dtype=torch.float64)
    for name, value in whole.items():
        vertices, joints, _ = heads(model, nothing | {name: value})
        posed = layer(**{name: torch.tensor(value)})
        assert posed.vertices.shape == vertices.shape
        assert np.abs(posed.vertices.numpy() - vertices).max() < 1e-12
        assert np.abs(posed.joints.numpy() - joints).max() < 1e-12


@pytest.mark.parametrize("shared", ["identity", "expression", "pose", "identity expression", "expression pose"])
def test_a_row_that_serves_for_all_is_the_same_as_copies_of_it(shared):
    model = example_model()
    parameters = tensors(random_parameters(model, 4))
    for name in shared.split():
        parameters[name] = parameters[name][:1]
    copies = {name: value.expand(4, *value.shape[1:]) for name, value in parameters.items()}
    layer = FlameLayer(model, dtype=torch.float64)
    for one, other in zip(layer(**parameters), layer(**copies)):
        assert one.expand_as(other).shape == other.shape
        assert (one - other).abs().max() < 1e-13


def test_fewer_coefficients_than_modes_leave_the_rest_at_zero():
    model = example_model()
    parameters = tensors(random_parameters(model, 3))
    cut = parameters | {"identity": parameters["identity"][:, :20], "expression": parameters["expression"][:, :7]}
    padded = {name: value.clone() for name, value in parameters.items()}
    padded["identity"][:, 20:] = 0
    padded["expression"][:, 7:] = 0
    layer = FlameLayer(model, dtype=torch.float64)
    assert (layer(**cut).vertices - layer(**padded).vertices).abs().max() < 1e-13


def test_gradients_are_those_of_finite_differences():
    model = example_model(vertices=5, identity=2, expression=2)
    layer = FlameLayer(model, dtype=torch.float64)
    parameters = [v.requires_grad_() for v in tensors(random_parameters(model, 2)).values()]
    assert torch.autograd.gradcheck(lambda *p: layer(*p)[:2], parameters, fast_mode=True)
    rest = [p[:1].detach().clone().requires_grad_() for p in parameters]
    with torch.no_grad():
        rest[2].zero_()
    assert torch.autograd.gradcheck(lambda *p: layer(*p)[:2], rest)


def test_gradients_are_those_of_the_written_out_model():
    model = example_model(vertices=12, identity=6, expression=4)
    parameters = random_parameters(model, 1)
    layer = FlameLayer(model, up="Y", dtype=torch.float32)
    given = {name: v.requires_grad_() for name, v in tensors(parameters, torch.float32).items()}
    into = np.random.default_rng(3).normal(size=(1, 12, 3))
    (layer(**given).vertices * torch.tensor(into)).sum().backward()
    for name, value in parameters.items():
        found, step = given[name].grad.numpy().reshape(-1), 1e-5
        for i in range(value.size):
            difference = 0.0
            for sign in (1, -1):
                moved = {k: v.copy() for k, v in parameters.items()}
                moved[name].reshape(-1)[i] += sign * step
                difference += sign * (heads(model, moved)[0] * into).sum() / (2 * step)
            assert found[i] == pytest.approx(difference, abs=2e-5, rel=2e-5), (name, i)


def test_rotations_are_smooth_through_zero():
    vectors = torch.cat([
        torch.zeros(1, 3), torch.randn(6, 3), 1e-9 * torch.randn(2, 3), 0.1 * torch.eye(3) * (1 - 1e-7),
        0.1 * torch.eye(3) * (1 + 1e-7), torch.tensor([[torch.pi, 0, 0]]),
    ]).double()  # fmt: skip
    matrices = axis_angle_to_matrix(vectors)
    expected = np.stack([flame_reference.rotation(v) for v in vectors.numpy()])
    assert np.abs(matrices.numpy() - expected).max() < 1e-14
    assert torch.autograd.gradcheck(axis_angle_to_matrix, vectors.requires_grad_(), fast_mode=True)
    small = vectors[:2].detach().requires_grad_()
    assert torch.autograd.gradgradcheck(axis_angle_to_matrix, small, fast_mode=True)
    single = torch.zeros(1, 3, requires_grad=True)
    axis_angle_to_matrix(single)[0, 2, 1].backward()
    assert single.grad.tolist() == [[1.0, 0.0, 0.0]]


def test_landmarks_lie_on_their_triangles():
    model = example_model()
    parameters = random_parameters(model, 3)
    layer = FlameLayer(model, up="Y", dtype=torch.float64)
    posed = layer(**tensors(parameters))
    vertices = heads(model, parameters)[0]
    for scheme, points in model.landmarks.items():
        expected = [flame_reference.landmarks(model, v, points.faces, points.weights) for v in vertices]
        assert np.abs(layer.landmarks(posed, scheme).numpy() - expected).max() < 1e-7
    with pytest.raises(HeadError, match="no static landmarks"):
        FlameLayer(replace(model, landmarks={})).landmarks(posed, "static")


@pytest.mark.parametrize("up", ["Y", "Z"])
def test_the_contour_follows_the_yaw_of_the_head(up):
    model = example_model()
    yaws = np.radians([0, 0.4, 10.2, -10.2, -38.8, 39.3, -39.3, -60, 60, 120, -120])
    pose = np.zeros((len(yaws), 5, 3))
    pose[:, 0, 1], pose[:, 1, 1] = 0.7 * yaws, 0.3 * yaws
    pose[:, 2, 0] = 0.2  # the jaw is no part of it
    layer = FlameLayer(model, up=up, dtype=torch.float64)
    posed = layer(pose=torch.tensor(pose))
    points, rows = layer.landmarks(posed, "dynamic").numpy(), []
    for i in range(len(yaws)):
        vertices, _, rotations = flame_reference.posed_head(model, [], [], pose[i])
        rows.append(flame_reference.contour_row(rotations[1]))
        contour = flame_reference.landmarks(
            model, vertices, model.contour.faces[rows[-1]], model.contour.weights[rows[-1]]
        )
        static = model.landmarks["static"]
        expected = np.concatenate([contour, flame_reference.landmarks(model, vertices, static.faces, static.weights)])
        assert np.abs(points[i] - (expected if up == "Y" else z_up(expected))).max() < 1e-7
    assert rows == [0, 0, 49, 10, 39, 78, 39, 39, 78, 78, 39]
    assert contour_row(layer.seen_rotation(posed)).tolist() == rows


def test_the_contour_is_the_one_that_the_camera_sees():
    """A camera that goes round the head sees the same contour as one in front of a head turned the other way."""
    model = example_model()
    layer = FlameLayer(model, dtype=torch.float64)
    yaw = np.radians(25)
    # OpenGL's camera axes as rows, in the world: in front (-Y) looking along +Y, then moved towards the head's left.
    right, back = np.array([np.cos(yaw), np.sin(yaw), 0]), np.array([np.sin(yaw), -np.cos(yaw), 0])
    camera = torch.tensor(np.stack([right, [0, 0, 1], back]))
    seen = layer.seen_rotation(layer(), camera)
    turned = torch.zeros(1, 5, 3, dtype=torch.float64)
    turned[0, 0, 1] = -yaw
    assert (seen - layer.seen_rotation(layer(pose=turned))).abs().max() < 1e-12
    assert contour_row(seen).tolist() == [25]
    # Several heads before one camera, and one head before several.
    heads = layer(identity=torch.randn(3, 5, dtype=torch.float64))
    assert heads.rotations.shape == (3, 5, 3, 3)
    together = layer.landmarks(heads, "dynamic", camera)
    one = layer(identity=torch.zeros(1, 0, dtype=torch.float64))
    around = layer.landmarks(one, "dynamic", torch.stack([camera, layer.turn.T]))
    assert together.shape == (3, 68, 3) and around.shape == (2, 68, 3)
    for i in range(3):
        alone = type(heads)(*(part[i : i + 1] for part in heads))
        assert torch.equal(layer.landmarks(alone, "dynamic", camera)[0], together[i])
    assert torch.equal(layer.landmarks(one, "dynamic")[0], around[1])


def test_parameters_of_another_shape_are_refused_in_a_sentence():
    layer = FlameLayer(example_model(identity=5, expression=2))
    with pytest.raises(HeadError, match="has 5 identity modes"):
        layer(identity=torch.zeros(1, 6))
    with pytest.raises(HeadError, match=r"5 joints.*\(2, 4, 3\)"):
        layer(pose=torch.zeros(2, 4, 3))


def test_a_model_without_skin_is_rigid(tmp_path):
    source = example_model(identity=5, expression=0)
    np.savez(tmp_path / "plain.npz", v_template=source.template, f=source.faces, shapedirs=source.identity)
    model = read_flame_model(tmp_path / "plain.npz")
    pose = np.array([[[0.3, -0.2, 0.5]]])
    identity = np.random.default_rng(0).normal(size=(1, 5))
    posed = FlameLayer(model, up="Y", dtype=torch.float64)(torch.tensor(identity), pose=torch.tensor(pose))
    shaped = source.template + np.einsum("vck,k->vc", source.identity.astype(np.float64), identity[0])
    assert np.abs(posed.vertices.numpy()[0] - shaped @ flame_reference.rotation(pose[0, 0]).T).max() < 1e-12


def test_the_real_template_and_identities(checkout):
    path = checkout.parent / "shared" / "data" / "flame2023open" / "flame_basis.npz"
    if not path.is_file():
        pytest.skip("FLAME 2023 Open is not beside the checkout")
    model = read_flame_model(path)
    assert model.identity.shape == (5023, 3, 60)
    assert model.landmarks["mediapipe"].faces.shape == (105,)
    identity = np.random.default_rng(0).normal(size=(4, 60))
    layer = FlameLayer(model)
    posed = layer(torch.tensor(identity, dtype=torch.float32), pose=torch.tensor([[[0.0, 0.5, 0.0]]]))
    expected = heads(model, {"identity": identity, "expression": np.zeros((1, 0)), "pose": np.array([[[0, 0.5, 0]]])})
    assert np.abs(posed.vertices.numpy() - z_up(expected[0])).max() < METRE
    eyes = layer.landmarks(layer(), "mediapipe")[0]
    # Z up, looking along -Y: every landmark is on the front of the face.
    assert eyes[:, 1].max() < -0.01


def test_a_batch_of_no_expressions_goes_with_one_pose():
    model = example_model()
    layer = FlameLayer(model, dtype=torch.float64)
    identity = torch.eye(3, dtype=torch.float64)
    pose = torch.full((1, len(model.parents), 3), 0.1, dtype=torch.float64)
    without = layer(identity, torch.zeros(3, 0, dtype=torch.float64), pose).vertices
    torch.testing.assert_close(without, layer(identity, None, pose).vertices)
