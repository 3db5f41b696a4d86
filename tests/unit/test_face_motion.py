"""Trackers' files and ARKit recordings become motions of one kind."""

import pickle

import numpy as np
import pytest

from backend.errors import CoefficientError
from backend.formats.arkit import NAMES, PLACES, table_from_rows, turning_rows
from backend.formats.arkit_csv import ArkitRecording, read_arkit_csv, write_arkit_csv
from backend.formats.arkit_motion import carried_over
from backend.formats.face_motion import FaceMotion, quaternions, read_face_motion, write_face_motion
from backend.formats.face_motion_frames import read_motion
from tests.unit.flame_example import example_model
from tests.unit.flame_reference import rotation

RNG = np.random.default_rng(0)
TURNS = RNG.normal(0, 0.5, (30, 3))


def matrices(turns):
    w, x, y, z = turns.T
    return np.stack(
        [
            np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], -1),
            np.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], -1),
            np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], -1),
        ],
        axis=1,
    )


def test_rotations_of_both_kinds():
    vectors = np.concatenate([TURNS, np.zeros((1, 3)), [[np.pi, 0, 0], [0, -np.pi, 1e-3]]])
    expected = np.stack([rotation(v) for v in vectors])
    np.testing.assert_allclose(matrices(quaternions(vectors)), expected, atol=1e-12)
    np.testing.assert_allclose(matrices(quaternions(3 * expected[:, :2].reshape(-1, 6))), expected, atol=1e-12)


def test_quaternions_do_not_jump():
    angle = np.linspace(0, 4 * np.pi, 100)
    turning = quaternions((angle[:, None] + np.pi) % (2 * np.pi) * [[0, 1, 0]] - [[0, np.pi, 0]])
    assert np.linalg.norm(np.diff(turning, axis=0), axis=1).max() < 0.1


FILES = {
    "vhap": {"rotation": TURNS, "neck_pose": TURNS * 0.5, "jaw_pose": TURNS * 0.2, "eyes_pose": np.tile(TURNS, 2),
             "translation": TURNS, "shape": np.ones(300), "expr": np.ones((30, 100))},
    "deca": {"shape": np.ones((30, 100)), "exp": np.ones((30, 50)), "pose": np.concatenate([TURNS, TURNS * 0.2], 1)},
    "emoca": {"shapecode": np.ones((30, 100)), "expcode": np.ones((30, 50)),
              "posecode": np.concatenate([TURNS, TURNS * 0.2], 1)},
    "smirk": {"shape_params": np.ones((30, 300)), "expression_params": np.ones((30, 50)),
              "pose_params": TURNS, "jaw_params": TURNS * 0.2},
    "metrical": {"exp": np.ones((30, 100)), "shape": np.ones((1, 300)), "t": TURNS,
                 "R": np.stack([rotation(v)[:2].ravel() for v in TURNS]),
                 "jaw": np.stack([rotation(0.2 * v)[:2].ravel() for v in TURNS])},
}  # fmt: skip


@pytest.mark.parametrize("tracker", FILES)
def test_trackers_files_are_read(tracker, tmp_path):
    np.savez(tmp_path / "track.npz", unrelated=np.zeros(3), **FILES[tracker])
    motion = read_face_motion(tmp_path / "track.npz", rate=50)
    assert motion.times[-1] == pytest.approx(29 / 50)
    assert motion.expression.shape in ((30, 50), (30, 100)) and (motion.identity == 1).all()
    np.testing.assert_allclose(matrices(motion.turns["root"]), [rotation(v) for v in TURNS], atol=1e-9)
    np.testing.assert_allclose(matrices(motion.turns["jaw"]), [rotation(0.2 * v) for v in TURNS], atol=1e-9)
    if tracker == "vhap":
        np.testing.assert_allclose(motion.turns["right_eye"], motion.turns["root"])
        np.testing.assert_allclose(motion.translation, TURNS)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"colour": np.zeros(3)}, "no motion of a face"),
        ({"expr": np.zeros((5, 9)), "jaw_pose": np.zeros((4, 3))}, "5 frames, but 4 of jaw"),
        ({"expr": np.full((5, 9), np.nan)}, "not finite, first in frame 0"),
        ({"jaw_pose": np.zeros((5, 4))}, "neither 3"),
        ({"pose": np.zeros((5, 7))}, "not 6 or 15"),
        ({"expr": np.zeros((5, 9)), "fps": np.array(0)}, "above 0"),
        ({"expr": np.array(["a"])}, "no numbers"),
    ],
)
def test_what_is_no_motion_is_refused_in_a_sentence(arrays, said, tmp_path):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(CoefficientError, match=said):
        read_face_motion(tmp_path / "bad.npz")


def test_a_pickled_file_is_not_run(tmp_path):
    np.savez(tmp_path / "objects.npz", expr=np.array([{"a": 1}], object))
    with pytest.raises(CoefficientError, match="cannot be read"):
        read_face_motion(tmp_path / "objects.npz")


def test_files_of_single_frames_are_one_motion(tmp_path):
    vhap, deca = tmp_path / "flame_param", tmp_path / "codes"
    vhap.mkdir()
    deca.mkdir()
    for i in range(12):
        if i != 7:  # lost by the tracker
            frame = {k: v[i : i + 1] if v.ndim > 1 else v for k, v in FILES["vhap"].items()}
            np.savez(vhap / f"{i:05d}.npz", static_offset=np.zeros((1, 9, 3)), **(frame | {"expr": np.full((1, 4), i)}))
        code = {k: v[i].astype(np.float32) for k, v in FILES["deca"].items()}
        (deca / f"person2_frame{i}.pkl").write_bytes(pickle.dumps({"codedict": code, "name": "x"}))
    (deca / "notes.txt").write_text("no frame")
    motion = read_motion(vhap, rate=10)
    np.testing.assert_allclose(motion.times, np.delete(np.arange(12), 7) / 10)
    np.testing.assert_allclose(motion.resampled(10).expression[:, 0], np.arange(12))
    np.testing.assert_allclose(
        matrices(motion.turns["jaw"]), [rotation(0.2 * v) for v in np.delete(TURNS[:12], 7, 0)], atol=1e-9
    )
    # One of the files stands for all; frames go by their numbers, not their names.
    motion = read_motion(deca / "person2_frame10.pkl", rate=30)
    assert len(motion.times) == 12 and motion.expression.shape == (12, 50)
    np.testing.assert_allclose(matrices(motion.turns["root"]), [rotation(v) for v in TURNS[:12]], atol=1e-6)
    np.savez(vhap / "00012.npz", expr=np.zeros((1, 5)))
    with pytest.raises(CoefficientError, match=r"00012\.npz has other arrays"):
        read_motion(vhap)
    (deca / "person2_frame3.pkl").write_bytes(b"cos\nsystem\n(S'echo'\ntR.")
    with pytest.raises(CoefficientError, match="person2_frame3"):
        read_motion(deca)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CoefficientError, match="no files of frames"):
        read_motion(tmp_path / "empty")


def test_frame_rates_are_converted(tmp_path):
    time = np.arange(61) / 60
    np.savez(tmp_path / "m.npz", expr=np.sin(time)[:, None], jaw_pose=time[:, None] * [[0.5, 0, 0]], fps=60)
    motion = read_face_motion(tmp_path / "m.npz").resampled(24)
    assert len(motion.times) == 25
    np.testing.assert_allclose(motion.expression[:, 0], np.sin(np.arange(25) / 24), atol=1e-4)
    half = np.arange(25) / 24 * 0.25
    np.testing.assert_allclose(
        motion.turns["jaw"], np.stack([np.cos(half), np.sin(half), 0 * half, 0 * half], 1), atol=1e-6
    )


def recording(path, rate=60, frames=90):
    names = [name[0].upper() + name[1:] for name in NAMES] + ["HeadYaw", "HeadPitch", "HeadRoll"]
    lines = ["Timecode,BlendShapeCount," + ",".join(names)]
    for k in range(frames):
        values = np.zeros(len(names))
        values[PLACES["jawOpen"]], values[PLACES["mouthSmileLeft"]] = k / frames, 0.5
        values[52:] = 0.1, 0.2, 0.3
        code = f"10:59:{59 + k // rate:02d}:{k % rate:02d}.250"
        lines.append(f"{code},52," + ",".join(f"{v:.6f}" for v in values))
        if k == 5:
            lines.append(f"{code},0" + "," * len(names))  # no face was seen
    path.write_text("\n".join(lines) + "\n")


def test_our_own_file_comes_back(tmp_path):
    turns = {"root": quaternions(4 * TURNS), "jaw": quaternions(np.zeros((30, 3)))}
    given = FaceMotion(
        "m", np.arange(30) / 24, RNG.normal(size=5), RNG.normal(size=(30, 7)), turns, TURNS, "some model", "0123"
    )
    write_face_motion(tmp_path / "m.npz", given)
    back = read_face_motion(tmp_path / "m.npz", rate=99)
    for part in ("times", "identity", "expression", "translation"):
        np.testing.assert_allclose(getattr(back, part), getattr(given, part), atol=1e-12)
    for joint in turns:
        np.testing.assert_allclose(matrices(back.turns[joint]), matrices(turns[joint]), atol=1e-12)
    assert (back.model, back.model_hash) == ("some model", "0123")


@pytest.mark.parametrize("rate", [30, 60])
def test_live_link_face(tmp_path, rate):
    recording(tmp_path / "take.csv", rate)
    take = read_arkit_csv(tmp_path / "take.csv")
    assert take.weights.shape == (90, 52) and take.recorded.all()
    np.testing.assert_allclose(take.times, np.arange(90) / rate, atol=1e-9)
    assert take.weights[45, PLACES["jawOpen"]] == pytest.approx(0.5)
    model = example_model(vertices=20, identity=3, expression=2)
    table = table_from_rows(model, {"mouthSmileLeft": {"expression 2": 3.0}}, turning_rows(model))
    motion = take.motion(table, model.joint_names)
    np.testing.assert_allclose(motion.expression, [[0, 1.5]] * 90)
    assert 2 * np.arccos(motion.turns["jaw"][45, 0]) == pytest.approx(np.radians(12.5))
    assert motion.model_hash == model.hash
    yaw, pitch, roll = rotation(np.array([0, 0.1, 0])), rotation(np.array([0.2, 0, 0])), rotation(np.array([0, 0, 0.3]))
    np.testing.assert_allclose(matrices(motion.turns["neck"])[-1], yaw @ pitch @ roll, atol=1e-9)


def test_expressions_go_to_another_model_by_way_of_arkit(tmp_path):
    theirs = example_model(vertices=20, identity=3, expression=6, seed=1)
    ours = example_model(vertices=20, identity=3, expression=4, seed=2, name="ours")
    shapes = ("mouthSmileLeft", "mouthSmileRight", "browInnerUp")
    source = table_from_rows(
        theirs, {n: {f"expression {k + 1}": 2.0, f"expression {k + 4}": -1.0} for k, n in enumerate(shapes)}, {}
    )
    target = table_from_rows(ours, {n: {f"expression {k + 1}": 3.0} for k, n in enumerate(shapes)}, {})
    weights = RNG.uniform(0, 1, (30, 3))
    arrays = {"expr": np.concatenate([2 * weights, -weights], axis=1), "jaw_pose": TURNS}
    np.savez(tmp_path / "m.npz", shape=np.ones(3), **arrays)
    motion = carried_over(read_face_motion(tmp_path / "m.npz"), source, target)
    np.testing.assert_allclose(motion.expression[:, :3], 3 * weights, atol=0.02)
    assert not motion.identity.any() and motion.model_hash == ours.hash
    np.testing.assert_allclose(matrices(motion.turns["jaw"]), [rotation(v) for v in TURNS], atol=1e-9)
    with pytest.raises(CoefficientError, match="fewer"):
        carried_over(read_face_motion(tmp_path / "m.npz"), target, source)


def test_a_table_without_weights_is_refused(tmp_path):
    (tmp_path / "prices.csv").write_text("name,price\napple,1\n")
    with pytest.raises(CoefficientError, match="no column of an ARKit weight"):
        read_arkit_csv(tmp_path / "prices.csv")


def test_a_recording_is_read_as_it_was_written(tmp_path):
    random = np.random.default_rng(5)
    times, head = np.arange(90) / 30, random.uniform(-0.5, 0.5, (90, 3))
    weights = random.uniform(0, 1, (90, 52))
    write_arkit_csv(tmp_path / "take.csv", ArkitRecording("take", times, weights, np.ones(52, bool), head))
    again = read_arkit_csv(tmp_path / "take.csv")
    assert np.allclose(again.times, times, atol=1e-4)
    assert np.allclose(again.weights, weights, atol=1e-6)
    assert np.allclose(again.head, head, atol=1e-6)
    assert again.recorded.all()
