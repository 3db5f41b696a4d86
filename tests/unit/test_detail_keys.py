"""A dense head's keys: near the exact way in everything that sliders and bones do, and few. One level, for speed."""

from dataclasses import replace

import numpy as np
import pytest

from backend.contract import AnimateDetail
from backend.detail.dense import DenseHead, dense_head
from backend.detail.frames import vertex_normals
from backend.detail.keys import dense_keys, live_from_exact, played, steps
from backend.detail.poser import Poser
from backend.detail.subdivision import subdivide
from backend.errors import Cancelled, CoefficientError, HeadError
from backend.flame.motion import motion_for, poses
from backend.formats.coefficients import Coefficients, write_coefficients
from backend.formats.dense_keys import read_dense_keys, write_dense_keys
from backend.formats.dense_mesh import read_dense_mesh
from backend.formats.detail import Detail, write_detail
from backend.formats.face_motion import FaceMotion, quaternions, write_face_motion
from backend.formats.flame_files import read_flame_model
from backend.formats.flame_model import z_up
from backend.formats.head import BUILT_IN_HEAD
from backend.formats.point_cache import open_point_cache
from backend.jobs import animate_detail
from backend.protocol import Reporter, SilentReporter

MODES = ("smile left", "jaw forward", "blink left", "mouth close", "brow down right")
IDENTITY = np.array([1.0, -0.8, 0.5])


@pytest.fixture(scope="module")
def model():
    """The built-in head with a few of its expressions, and one that moves nothing."""
    model = read_flame_model(BUILT_IN_HEAD, extras=())
    chosen = [model.expression_names.index(name) for name in MODES]
    expression = np.concatenate([model.expression[:, :, chosen], 0 * model.expression[:, :, :1]], axis=2)
    return replace(model, expression=expression, expression_names=(*MODES, "nothing"))


@pytest.fixture(scope="module")
def dense(model):
    return DenseHead(model, subdivide(model.faces, len(model.template), 1), dense_head(model).layout)


@pytest.fixture(scope="module")
def displacement(dense):
    """(W, 3) a thick head of hair, and skin that is not smooth: synthetic."""
    rest = dense.rest(IDENTITY)
    normal = vertex_normals(rest, dense.faces)
    height = 0.002 * np.sin(rest @ [150.0, 90.0, 120.0])
    height[dense.regions["scalp"]] += 0.03
    height[np.concatenate([dense.regions["eyes"], dense.regions["mouth_pocket"]])] = 0
    return height[:, None] * (normal + [0.0, 0.0, 0.2])


@pytest.fixture(scope="module")
def keys(dense, displacement):
    called = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backend.detail.keys.TURNS", 15)
        keys = dense_keys(dense, displacement, IDENTITY, 4, lambda: called.append(1))
        assert len(called) == steps(dense.model, 4)
    return keys


def test_keys_are_few_and_the_skin_is_one(keys):
    assert keys.expression_places.tolist() == [0, 1, 2, 3, 4], "the mode that moves nothing has no key"
    assert len(keys.corrective_keys) == 9 + 9 + 1 + 1, "neck, jaw, and how the lids follow each eye"
    assert keys.weights.min() >= 0
    np.testing.assert_allclose(keys.weights.sum(axis=1), 1, atol=1e-6)


def test_live_is_near_the_exact_way(dense, keys, displacement):
    off = live_from_exact(dense, keys, displacement, 12)
    assert off["mean"] < 0.1 and off["worst_head"] < 0.2, off
    # Without the turning of the displacements, keys would be the model's through the subdivision alone.
    plain = replace(
        keys,
        expression_keys=z_up(dense.subdivision.dense(dense.model.expression).transpose(2, 0, 1)[:5]),
        corrective_keys=z_up(dense.subdivision.dense(dense.model.pose_correctives).transpose(2, 0, 1)),
        corrective_places=np.array([(j, r, c) for j in range(1, 5) for r in range(3) for c in range(3)]),
    )
    without = live_from_exact(dense, plain, displacement, 12)
    assert without["mean"] > 1.5 * off["mean"], (without, off)


def test_a_shape_with_a_name_is_exact_at_one(dense, keys, displacement):
    poser, carried = Poser(dense, IDENTITY), dense.carried(displacement, IDENTITY)
    for one in np.eye(6)[:5]:
        np.testing.assert_allclose(played(keys, poser, one), carried.on(poser.posed(one)), atol=1.5e-5)


def test_a_numbered_mode_is_as_good_both_ways(dense, keys, displacement, monkeypatch):
    monkeypatch.setattr("backend.detail.keys.TURNS", 3)
    numbered = replace(dense.model, expression_names=tuple(f"expression {k + 1}" for k in range(6)))
    both = dense_keys(replace(dense, model=numbered), displacement, IDENTITY)
    poser, carried = Poser(dense, IDENTITY), dense.carried(displacement, IDENTITY)
    off = lambda keys, side: np.linalg.norm(  # noqa: E731
        played(keys, poser, [side]) - carried.on(poser.posed([side])), axis=1
    ).max()
    assert off(both, 1) == pytest.approx(off(both, -1), rel=0.05)
    assert off(both, -1) < off(keys, -1)


def test_without_displacement_keys_are_the_models(dense, monkeypatch):
    monkeypatch.setattr("backend.detail.keys.TURNS", 9)
    keys = dense_keys(dense, np.zeros((dense.vertex_count, 3)), IDENTITY)
    own = z_up(dense.subdivision.dense(dense.model.expression).transpose(2, 0, 1)[:5])
    np.testing.assert_allclose(keys.expression_keys, own, atol=1e-5)
    assert live_from_exact(dense, keys, np.zeros((dense.vertex_count, 3)), 4)["max"] < 0.3


def test_the_person_can_be_changed_a_little(dense, keys, displacement):
    assert keys.identity_places.tolist() == [0, 1, 2, 3]
    changed = np.append(IDENTITY, 0) + [0.8, 0, -0.5, 1.0]
    exact = dense.carried(displacement, IDENTITY).on(dense.rest(changed))
    live = keys.basis + np.tensordot([0.8, 0, -0.5, 1.0], keys.identity_keys.astype(np.float64), axes=1)
    assert np.linalg.norm(live - exact, axis=1).mean() < 0.1e-3


def test_turning_the_whole_head_is_exact(dense, keys, displacement):
    poser, carried = Poser(dense, IDENTITY), dense.carried(displacement, IDENTITY)
    pose = np.zeros((5, 3))
    pose[0] = (0.3, -1.9, 0.4)
    exact = carried.on(poser.posed(None, pose))
    np.testing.assert_allclose(played(keys, poser, None, pose), exact, atol=1e-6)


def test_beyond_the_turns_that_were_looked_at_nothing_explodes(dense, keys, displacement):
    poser, carried = Poser(dense, IDENTITY), dense.carried(displacement, IDENTITY)
    for joint, turn in ((1, (0.9, 0, 0)), (1, (0.2, 1.1, 0)), (2, (0.7, 0, 0)), (2, (0.2, 0.3, 0.2))):
        pose = np.zeros((5, 3))
        pose[joint] = turn
        off = np.linalg.norm(played(keys, poser, None, pose) - carried.on(poser.posed(None, pose)), axis=1)
        assert off.mean() < 0.5e-3 and off.max() < 15e-3, (joint, turn)


def test_keys_come_back_from_their_file(keys, tmp_path):
    write_dense_keys(tmp_path / "keys.npz", keys)
    back = read_dense_keys(tmp_path / "keys.npz")
    for part in ("basis", "faces", "uv", "weights", "expression_keys", "corrective_keys", "corrective_places"):
        np.testing.assert_array_equal(getattr(back, part), getattr(keys, part))
    assert (back.model_hash, back.layout, back.joints) == (keys.model_hash, keys.layout, keys.joints)
    assert back.regions.keys() == keys.regions.keys()
    for broken in (
        replace(keys, weights=keys.weights[:-1]),
        replace(keys, faces=keys.faces + 1),
        replace(keys, basis=keys.basis * np.nan),
        replace(keys, corrective_places=keys.corrective_places + 3),
    ):
        write_dense_keys(tmp_path / "broken.npz", broken)
        with pytest.raises(HeadError, match="cannot be read as a dense head's keys"):
            read_dense_keys(tmp_path / "broken.npz")
    write_detail(tmp_path / "other.npz", Detail(np.zeros((3, 3)), np.ones(3), "m", "h"))
    with pytest.raises(HeadError, match="Animate Detail"):
        read_dense_keys(tmp_path / "other.npz")


@pytest.fixture
def asked(tmp_path):
    """A registration of the built-in head and a motion of three frames; the request for a cache."""
    built_in = read_flame_model(BUILT_IN_HEAD)
    dense, rng = dense_head(built_in), np.random.default_rng(0)
    detail = Detail(rng.normal(0, 1e-3, (dense.vertex_count, 3)), np.ones(dense.vertex_count), "", built_in.hash)
    write_detail(tmp_path / "registered.npz", detail)
    write_coefficients(tmp_path / "coefficients.npz", Coefficients.of(built_in, identity=IDENTITY))
    turns = {"jaw": quaternions(rng.uniform(0, 0.3, (3, 3))), "root": quaternions(rng.normal(0, 2, (3, 3)))}
    motion = FaceMotion(
        "take", np.arange(3) / 25, np.zeros(0), rng.normal(0, 0.5, (3, 44)), turns, rng.normal(0, 0.1, (3, 3)),
        built_in.name, built_in.hash,
    )  # fmt: skip
    write_face_motion(tmp_path / "motion.npz", motion)
    return (
        AnimateDetail(tmp_path / "registered.npz", mode="exact", motion=tmp_path / "motion.npz"),
        dense,
        detail,
        motion,
    )


def test_a_cache_has_the_exact_head_in_every_frame(asked, tmp_path):
    request, dense, detail, motion = asked
    result = animate_detail.run(request, SilentReporter(tmp_path / "out"))
    frames = open_point_cache(tmp_path / "out" / result["cache"])
    assert frames.shape == (3, dense.vertex_count, 3) and (result["frames"], result["fps"]) == (3, 25)
    pose = poses(motion, dense.model)
    for k in (0, 2):
        wanted = dense.displaced(detail.displacement, IDENTITY, motion.expression[k], pose[k])
        np.testing.assert_allclose(frames[k], wanted + z_up(motion.translation[k]), atol=2e-6)
    mesh = read_dense_mesh(tmp_path / "out" / result["mesh"])
    np.testing.assert_allclose(mesh.vertices, frames[0], atol=1e-6)
    slow = animate_detail.run(replace(request, rate=50.0), SilentReporter(tmp_path / "slow"))
    assert (slow["frames"], slow["fps"]) == (5, 50)


def test_a_cache_that_is_stopped_leaves_no_file(asked, tmp_path):
    import threading

    stop = threading.Event()

    def send(kind, **data):
        if data.get("stage") == "Writing frames":
            stop.set()

    with pytest.raises(Cancelled):
        animate_detail.run(asked[0], Reporter(tmp_path / "out", send, stop))
    assert not list((tmp_path / "out").glob("cache*"))


def test_motions_that_do_not_fit_are_told(asked, tmp_path, model):
    request, _, _, motion = asked
    with pytest.raises(CoefficientError, match="mode live"):
        animate_detail.run(replace(request, motion=None), SilentReporter(tmp_path / "out"))
    with pytest.raises(CoefficientError, match="choose its own model"):
        motion_for(model, BUILT_IN_HEAD, request.motion, 25)
    write_face_motion(tmp_path / "theirs.npz", replace(motion, model="", model_hash=""))
    with pytest.raises(CoefficientError, match="44 expression coefficients, but maquette-built-in-2 has 6"):
        motion_for(model, BUILT_IN_HEAD, tmp_path / "theirs.npz", 25)
    (tmp_path / "live.csv").write_text("Timecode,JawOpen\n00:00:00:00.0,0.5\n00:00:00:01.0,1.0\n")
    shown = motion_for(read_flame_model(BUILT_IN_HEAD), BUILT_IN_HEAD, tmp_path / "live.csv", 60)
    assert poses(shown, model)[1, 2, 0] > 0.2, "the jaw opens"
    with pytest.raises(CoefficientError, match="no ARKit table"):
        motion_for(model, tmp_path / "model.npz", tmp_path / "live.csv", 60)
