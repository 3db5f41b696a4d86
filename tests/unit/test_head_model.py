"""The built-in head as a model: a mouth that opens, eyes that close, people that differ as people do."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial.transform import Rotation

from backend.flame.layer import FlameLayer
from backend.formats.arkit import JAW_OPEN, NAMES, PLACES, read_table, table_beside
from backend.formats.flame_files import read_flame_model
from backend.formats.flame_model import CONTOUR_YAWS, write_flame_model, z_up
from backend.formats.head import BUILT_IN_HEAD, read_head
from backend.head import mouth, rig, tape, template
from backend.head.anthropometry import MEASURES, measure
from backend.head.arkit import arkit_table
from backend.head.model import build_model
from backend.head.sheet import COLUMNS, TILE, contact_sheet

FLAME_REGIONS = (
    "face", "neck", "scalp", "boundary", "left_eyeball", "right_eyeball", "left_ear", "right_ear", "left_eye_region",
    "right_eye_region", "eye_region", "forehead", "lips", "nose",
)  # fmt: skip


@pytest.fixture(scope="module")
def shut():
    return read_head(BUILT_IN_HEAD)


@pytest.fixture(scope="module")
def model(shut):
    return build_model(shut)


@pytest.fixture(scope="module")
def plan():
    return mouth.with_bag(template.build())


@pytest.fixture(scope="module")
def layer(model):
    return FlameLayer(model, dtype=torch.float64)


def posed(layer, expression=None, **turns):
    """Vertices (V, 3) mm with named expression weights and joints turned."""
    weights = torch.zeros(1, layer.expression_count, dtype=torch.float64)
    for name, amount in (expression or {}).items():
        weights[0, layer.model.expression_names.index(name)] = amount
    pose = torch.zeros(1, layer.joint_count, 3, dtype=torch.float64)
    for joint, turn in turns.items():
        pose[0, layer.model.joint[joint]] = torch.tensor(turn, dtype=torch.float64)
    return layer(expression=weights, pose=pose).vertices[0].numpy() * 1000


def identities(model, count, seed=0):
    """(count, V, 3) mm, Z up."""
    draws = np.random.default_rng(seed).standard_normal((count, model.identity.shape[2]))
    return z_up(model.template + np.einsum("vck,nk->nvc", model.identity, draws)).astype(np.float64) * 1000


def lip_gap(vertices, plan):
    """(N,) mm between the lips along the parting, the corners left out."""
    ring, half = plan.rings["mouth"][mouth.PARTING], template.MOUTH.half
    places = np.arange(4, half - 3)
    return np.linalg.norm(vertices[ring[places]] - vertices[ring[-places]], axis=1)


def lip_height(vertices, plan):
    """(N,) mm by which the upper lip is above the lower along the parting."""
    ring, half = plan.rings["mouth"][mouth.PARTING], template.MOUTH.half
    places = np.arange(2, half - 1)
    return (vertices[ring[places]] - vertices[ring[-places]])[:, 2]


def above_globe(vertices, plan, side, rings=(2, 3)):
    """mm of the nearest of a side's lids above its eyeball, the cornea included."""
    centre = rig.eyeball_centre(plan, vertices, side)
    radius = np.linalg.norm(vertices[plan.eyeballs[side][5]] - centre, axis=1).mean()
    arm = vertices[plan.rings[f"{side}_eye"][list(rings)]].reshape(-1, 3) - centre
    length = np.linalg.norm(arm, axis=1)
    angle = np.degrees(np.arccos(-arm[:, 1] / length))
    return (length - radius - 0.074 * radius * np.clip(1 - (angle / 30) ** 2, 0, 1)).min()


def test_the_bag_is_added_to_the_bare_head(model, plan):
    bare = template.build()
    assert 5000 <= len(model.template) == plan.vertex_count <= 6500
    old = {tuple(sorted(face)) for face in bare.triangles.tolist()}
    new = {tuple(sorted(face)) for face in model.faces.tolist()}
    assert len(old - new) < 60, "more than the pocket's seam was taken out"
    bag = np.setdiff1d(np.arange(plan.vertex_count), np.arange(bare.vertex_count))
    for name in ("scalp", "face", "neck", "forehead", "nose", "ears", "eyes", "boundary"):
        assert not np.isin(bag, model.regions[name]).any(), f"the {name} has a part in the mouth"


def test_mesh_is_three_closed_parts_but_for_the_busts_edge(model):
    faces = model.faces
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    assert len(np.unique(edges, axis=0)) == len(edges)
    undirected, count = np.unique(np.sort(edges, axis=1), axis=0, return_counts=True)
    np.testing.assert_array_equal(np.unique(undirected[count == 1]), model.regions["boundary"])
    near = coo_matrix((np.ones(len(edges)), edges.T), (len(model.template),) * 2)
    assert connected_components(near, directed=False)[0] == 3
    corners = model.template[faces].astype(np.float64)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    assert area.min() > 1e-9


def test_uvs_stay_within_the_square_and_unfolded(model, shut):
    a, b = model.uv[:, 1] - model.uv[:, 0], model.uv[:, 2] - model.uv[:, 0]
    assert model.uv.min() >= 0 and model.uv.max() <= 1
    assert (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0] > 0).all()


def test_regions_have_flames_names_and_68_landmarks_are_symmetric(model, plan):
    assert set(FLAME_REGIONS) <= set(model.regions)
    for name in FLAME_REGIONS:
        twin = name.replace("left", "*").replace("right", "left").replace("*", "right")
        np.testing.assert_array_equal(np.sort(plan.mirror[model.regions[name]]), model.regions[twin])
    points = model.landmarks["full"]
    at = np.einsum("lk,lkc->lc", points.weights, model.template[model.faces[points.faces]])
    mirrored = at * [-1, 1, 1]
    apart = np.linalg.norm(at[:, None] - mirrored[None], axis=2).min(axis=1)
    assert apart.max() < 3e-4
    assert len(model.landmarks["static"].names) == 51
    assert points.names[30] == "nose bridge 4" and at[30, 2] == at[:, 2].max(), "the nose's tip is not foremost"


def test_the_jaw_parts_the_lips_and_nothing_above_them_moves(layer, model, plan):
    rest, opened = posed(layer), posed(layer, jaw=(JAW_OPEN, 0, 0))
    assert lip_gap(rest, plan).max() < 0.5
    assert 25 < lip_gap(opened, plan).max() < 55
    moved = np.linalg.norm(opened - rest, axis=1)
    for name in ("scalp", "forehead", "nose", "eyes", "boundary", "left_ear"):
        assert moved[model.regions[name]].max() < 1.0, name
    chin = model.landmarks["full"].faces[8]
    assert moved[model.faces[chin]].min() > 30
    # The bag is behind the lips, not before them, and deep enough for teeth.
    bag = plan.rings["mouth"][mouth.PARTING + 2 :]
    assert rest[bag][..., 1].min() > rest[plan.rings["mouth"][mouth.PARTING]][:, 1].min() + 3
    assert rest[bag][..., 1].max() - rest[plan.rings["mouth"][mouth.PARTING]][:, 1].min() > 40


def test_weights_are_symmetric_and_smooth_but_at_the_lips(model, plan):
    weights = model.weights
    np.testing.assert_allclose(weights.sum(axis=1, dtype=np.float64), 1, atol=1e-6)
    np.testing.assert_allclose(weights[plan.mirror][:, [0, 1, 2, 4, 3]], weights, atol=1e-3)
    skin = np.ones(len(weights), bool)
    skin[plan.rings["mouth"].ravel()] = False
    edges = model.faces[skin[model.faces].all(axis=1)][:, :2]
    step = np.abs(weights[edges[:, 0]] - weights[edges[:, 1]]).max(axis=1)
    length = np.linalg.norm(model.template[edges[:, 0]] - model.template[edges[:, 1]], axis=1) * 1000
    assert (step / np.maximum(length, 2.0)).max() < 0.1, "a weight jumps by more than a tenth a millimetre"


def test_correctives_take_the_blend_to_the_arc(layer, model, plan):
    turn = np.array([0, np.radians(45), 0.0])
    bare = FlameLayer(replace(model, pose_correctives=0 * model.pose_correctives), dtype=torch.float64)
    rest = posed(layer)
    share = model.weights[:, 1:].sum(axis=1)
    joint = z_up(model.joint_regressor @ model.template)[1] * 1000
    axis = z_up(turn[None])[0]
    arc = Rotation.from_rotvec(share[:, None] * axis).apply(rest - joint) + joint
    error, without = (np.linalg.norm(posed(some, neck=turn) - arc, axis=1) for some in (layer, bare))
    assert without.max() > 3 and error.max() < 0.35 * without.max()


def test_eyes_turn_about_their_middle_in_every_identity(model, plan):
    for head in identities(model, 8):
        joints = model.joint_regressor.astype(np.float64) @ head
        for j, side in ((3, "left"), (4, "right")):
            np.testing.assert_allclose(joints[j], rig.eyeball_centre(plan, head, side), atol=0.02)
            back = np.linalg.norm(head[plan.eyeballs[side][3:]] - joints[j], axis=-1)
            assert np.ptp(back) < 0.05, "an eyeball is not round"


def test_modes_are_orthogonal_and_sorted(model):
    flat = model.identity.reshape(-1, model.identity.shape[2]).astype(np.float64)
    length = np.linalg.norm(flat, axis=0)
    assert flat.shape[1] >= 60 and (np.diff(length) < 1e-4 * length[0]).all()
    cosines = (flat / length).T @ (flat / length)
    assert np.abs(cosines - np.eye(len(cosines))).max() < 0.01


def test_measures_vary_as_published(model, plan):
    """To first order between fixed points exactly, and as the tape finds them anew in 60 people, where it is steady."""
    rest = model.head()
    slopes = np.tensordot(tape.gradients(rest, plan), z_up(np.moveaxis(model.identity, 2, 0)) * 1000, ((1, 2), (1, 2)))
    for name, deviation in zip(tape.NAMES, np.linalg.norm(slopes, axis=1)):
        assert abs(deviation / MEASURES[name].deviation - 1) < 0.06, f"{name} varies by {deviation:.2f} mm"
    # Measured without their asymmetry, because the midline is sought where a symmetric head has it.
    even = [(head + head[plan.mirror] * [-1, 1, 1]) / 2000 for head in identities(model, 60)]
    people = [measure(replace(rest, vertices=head)) for head in even]
    for name in ("head_breadth", "head_length", "bizygomatic_breadth", "interpupillary", "biocular", "mouth_breadth"):
        deviation = np.std([person[name] for person in people])
        # Of 60 people, a deviation is known to a tenth of itself.
        assert abs(deviation / MEASURES[name].deviation - 1) < 0.3, f"{name} varies by {deviation:.2f} mm"


def test_people_differ_and_keep_their_faces_whole(model, plan):
    heads = identities(model, 30)
    face = model.regions["face"]
    apart = np.linalg.norm(heads[:, None, face] - heads[None, :, face], axis=3).mean(axis=2)
    assert apart[~np.eye(len(heads), dtype=bool)].min() > 2.5, "two people of thirty look alike"
    gaps = [above_globe(head, plan, side) for head in heads for side in ("left", "right")]
    assert min(gaps) > 0, "an eyeball comes through a lid"
    assert max(lip_gap(head, plan).max() for head in heads) < 1.0, "somebody's lips are open"


def test_expressions_are_named_sided_and_mirrored(model, plan):
    for name, field in zip(model.expression_names, np.moveaxis(model.expression, 2, 0)):
        size = np.linalg.norm(field, axis=1) * 1000
        lips = lip_height(z_up(model.template + field) * 1000, plan)
        assert lips.min() > -1 or name == "mouth close", f"{name} pushes the lips {-lips.min():.1f} mm through another"
        assert 0.8 < size.max() < 45, f"{name} moves by {size.max():.1f} mm"
        if name.endswith(" left"):
            twin = model.expression[..., model.expression_names.index(name[:-4] + "right")]
            np.testing.assert_allclose(field[plan.mirror] * [-1, 1, 1], twin, atol=2e-5)
            if not name.startswith("mouth aside"):
                assert size[plan.mirror][model.template[:, 0] > 0.012].max() < 0.2 * size.max(), name
        elif not name.endswith(" right"):
            np.testing.assert_allclose(field[plan.mirror] * [-1, 1, 1], field, atol=2e-5)


@pytest.mark.parametrize("amount", [0.25, 0.5, 0.75, 1.0])
def test_a_blink_slides_over_the_eyeball(layer, plan, amount):
    closing = posed(layer, {"blink left": amount})
    assert above_globe(closing, plan, "left") > -0.1
    ring, half = plan.rings["left_eye"][3], template.LEFT_EYE.half
    places = np.arange(1, half)
    gap = np.linalg.norm(closing[ring[places]] - closing[ring[-places]], axis=1)
    if amount == 1:
        assert gap.max() < 1.0
        assert (closing[ring[places], 2] - closing[ring[-places], 2]).max() < 0.1, "the lids leave a slit"
    right = posed(layer)[plan.rings["right_eye"]]
    np.testing.assert_allclose(closing[plan.rings["right_eye"]], right, atol=0.05)


def test_the_eyes_of_all_close(model, plan):
    ring, half = plan.rings["left_eye"][3], template.LEFT_EYE.half
    places = np.arange(2, half - 1)
    blink = z_up(model.expression[..., model.expression_names.index("blink left")]) * 1000
    slits = []
    for head in identities(model, 30, seed=2) + blink:
        slits.append((head[ring[places]] - head[ring[-places]])[:, 2].max())
        assert above_globe(head, plan, "left", rings=(1, 2, 3)) > 0
    assert np.median(slits) < 0 and max(slits) < 1.5


def test_lids_follow_a_look_down(layer, plan):
    upper = plan.rings["left_eye"][3][template.LEFT_EYE.half // 2]
    rest, down = posed(layer), posed(layer, left_eye=(0.5, 0, 0))
    assert -8 < down[upper, 2] - rest[upper, 2] < -2
    assert above_globe(down, plan, "left", rings=(3,)) > -0.3


def test_arkit_has_all_but_the_tongue(model, layer, plan):
    table = arkit_table(model)
    assert [n for n, s in zip(NAMES, table.supported) if not s] == ["tongueOut"]

    def shown(**weights):
        row = np.zeros((1, len(NAMES)))
        for name, amount in weights.items():
            row[0, PLACES[name]] = amount
        expression, pose = (torch.from_numpy(x) for x in table.applied_to(model).parameters(row))
        return layer(expression=expression, pose=pose).vertices[0].numpy() * 1000

    rest = shown()
    corner = plan.rings["mouth"][mouth.PARTING][template.MOUTH.half]
    other = plan.mirror[corner]
    assert rest[corner, 0] > 0, "the loop's half is not the left corner"
    smile = shown(mouthSmileLeft=1) - rest
    assert smile[corner, 2] > 4 and smile[corner, 0] > 3 and np.abs(smile[other]).max() < 1
    assert (shown(mouthFrownRight=1) - rest)[other, 2] < -4
    assert (shown(mouthPucker=1) - rest)[corner, 0] < -6
    brow = model.faces[model.landmarks["full"].faces[model.landmarks["full"].names.index("left eyebrow 1")]][0]
    assert (shown(browInnerUp=1) - rest)[brow, 2] > 4
    assert (shown(browDownLeft=1) - rest)[brow, 2] < -3
    spoken = shown(jawOpen=0.4, mouthClose=0.4)
    assert lip_gap(shown(jawOpen=0.4), plan).max() > 10
    assert lip_gap(spoken, plan).max() < 4
    assert (shown(jawLeft=1) - rest)[model.faces[model.landmarks["full"].faces[8]], 0].min() > 5


def test_the_contour_is_the_outline_of_a_turned_head(model):
    jaw = model.landmarks["full"]
    assert model.contour.faces.shape == (CONTOUR_YAWS, 17)
    np.testing.assert_array_equal(model.contour.faces[0], jaw.faces[:17])
    at = np.einsum("alk,alkc->alc", model.contour.weights, z_up(model.template)[model.faces[model.contour.faces]])
    yaw = np.radians(30)
    sideways = at[..., 0] * np.cos(yaw) + at[..., 1] * np.sin(yaw)
    # Turned towards its own right, the right side's outline lies outside of where the static points are.
    assert (sideways[30, :7] <= sideways[0, :7] + 1e-6).all()
    assert sideways[30, :7].min() < sideways[0, :7].min() - 0.003
    np.testing.assert_allclose(at[30, 10:], at[0, 10:], atol=1e-6)
    np.testing.assert_allclose(at[30, ::-1] * [-1, 1, 1], at[30 + CONTOUR_YAWS // 2], atol=2e-3)


def test_the_contact_sheet_shows_each_movement(model):
    smile = model.expression_names.index("smile left")
    still = np.zeros_like(model.expression[..., :1])
    shown = np.concatenate([still, model.expression[..., smile : smile + 1]], axis=2)
    few = replace(model, expression=shown, expression_names=("still", "still moving"))
    sheet = contact_sheet(few, people=1)
    width, height = TILE
    assert sheet.shape == (2 * height, COLUMNS * width, 3)
    tiles = sheet.reshape(2, height, COLUMNS, width, 3).swapaxes(1, 2).reshape(-1, height, width, 3)[:, 16:]
    assert all((tile < 200).mean() > 0.3 for tile in tiles[:10])
    changed = np.abs(tiles[2].astype(int) - tiles[3]).max(axis=2) > 30
    assert 0.002 < changed.mean() < 0.1, "a smile is no change about the mouth"
    assert changed[: height // 3].mean() < 0.002


def test_the_file_is_small_and_reads_back_as_the_same_model(model, tmp_path):
    path = tmp_path / "head.npz"
    write_flame_model(path, model)
    assert path.stat().st_size < 10e6
    again = read_flame_model(path)
    assert again.hash == model.hash
    assert again.expression_names == model.expression_names
    assert set(read_head(path).regions) == set(model.regions)


def test_what_is_shipped_is_what_the_program_makes(model):
    shipped = read_flame_model(BUILT_IN_HEAD)
    assert (shipped.name, shipped.expression_names) == (model.name, model.expression_names)
    # Twins may swap places and a mode its sign where two computers round otherwise, so spans are compared.
    for part in ("template", "expression", "pose_correctives", "weights", "joint_regressor", "uv"):
        np.testing.assert_allclose(getattr(shipped, part), getattr(model, part), atol=2e-5, err_msg=part)
    ours, theirs = (m.identity.reshape(-1, m.identity.shape[2]).astype(np.float64) for m in (shipped, model))
    covariances = np.linalg.norm(ours.T @ theirs), np.linalg.norm(ours.T @ ours)
    assert covariances[0] == pytest.approx(covariances[1], rel=1e-3)
    table = read_table(table_beside(BUILT_IN_HEAD)).applied_to(shipped)
    np.testing.assert_allclose(table.expression, arkit_table(model).expression)
    assert BUILT_IN_HEAD.stat().st_size < 10e6
