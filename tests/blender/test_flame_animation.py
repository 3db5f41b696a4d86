"""Motions from trackers and ARKit recordings become keyframes that show them."""

import time

import bpy
import numpy as np
import pytest

from backend.formats.arkit import table_from_rows, write_table
from backend.formats.flame_model import write_flame_model
from tests.blender.flame_scene import evaluated, expected, small_model

FRAMES = 12


@pytest.fixture
def model(tmp_path, maquette):
    model = small_model()
    write_flame_model(tmp_path / "model.npz", model)
    bpy.ops.maquette.add_flame_head(filepath=str(tmp_path / "model.npz"), identity_keys=10)
    bpy.context.scene.render.fps, bpy.context.scene.render.fps_base = 25, 1.0
    return model


def track(path, seed=0, **more):
    rng = np.random.default_rng(seed)
    steps = lambda size, width: rng.normal(0, size, (FRAMES, width))  # noqa: E731
    arrays = {
        "shape": rng.normal(0, 1, 10), "expr": steps(1, 12), "rotation": steps(0.8, 3), "neck_pose": steps(0.3, 3),
        "jaw_pose": steps(0.2, 3), "eyes_pose": steps(0.2, 6), "translation": steps(0.1, 3), **more,
    }  # fmt: skip
    np.savez(path, **arrays)
    return arrays


def pose_of(arrays, frame):
    eyes = arrays["eyes_pose"][frame]
    return np.stack([arrays[k][frame] for k in ("rotation", "neck_pose", "jaw_pose")] + [eyes[:3], eyes[3:]])


def test_every_frame_of_a_track_shows_the_models_head(model, tmp_path):
    arrays = track(tmp_path / "track.npz")
    assert bpy.ops.maquette.keyframe_face(filepath=str(tmp_path / "track.npz"), fps=25, start=10) == {"FINISHED"}
    for frame in (0, 5, FRAMES - 1):
        bpy.context.scene.frame_set(10 + frame)
        wanted = expected(
            model, arrays["shape"], arrays["expr"][frame], pose_of(arrays, frame), arrays["translation"][frame]
        )
        np.testing.assert_allclose(evaluated(bpy.context.object), wanted, atol=2e-5)


def test_what_was_keyed_can_be_saved_and_keyed_again(model, tmp_path):
    track(tmp_path / "track.npz")
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 1, FRAMES
    bpy.ops.maquette.keyframe_face(filepath=str(tmp_path / "track.npz"), fps=25)
    scene.frame_set(7)
    shown = evaluated(bpy.context.object)
    assert bpy.ops.maquette.save_face_motion(filepath=str(tmp_path / "saved.npz")) == {"FINISHED"}
    assert scene.frame_current == 7
    bpy.ops.maquette.add_flame_head(filepath=str(tmp_path / "model.npz"), identity_keys=10)
    assert bpy.ops.maquette.keyframe_face(filepath=str(tmp_path / "saved.npz"), fps=99) == {"FINISHED"}
    np.testing.assert_allclose(evaluated(bpy.context.object), shown, atol=2e-6)


def test_expressions_of_another_model_come_by_its_arkit_table(model, tmp_path):
    other = small_model(seed=9)
    for name, of, mode, amount in (("theirs", other, "expression 4", 2.0), ("ours", model, "expression 2", 3.0)):
        write_table(tmp_path / f"{name}.npz", table_from_rows(of, {"mouthSmileLeft": {mode: amount}}, {}))
    expression = np.zeros((FRAMES, 12))
    expression[:, 3] = np.linspace(0, 2, FRAMES)
    np.savez(tmp_path / "m.npz", expr=expression, shape=np.ones(10))
    bpy.ops.maquette.load_arkit_table(filepath=str(tmp_path / "ours.npz"))
    bpy.ops.maquette.keyframe_face(
        filepath=str(tmp_path / "m.npz"), tracked_with="OTHER", other_table=str(tmp_path / "theirs.npz"), fps=25
    )
    bpy.context.scene.frame_set(FRAMES)
    blocks = bpy.context.object.data.shape_keys.key_blocks
    assert blocks["expression 2"].value == pytest.approx(3.0, abs=0.05)
    assert blocks["identity 1"].value == 0 and blocks["expression 4"].value == 0


def test_it_is_one_action_where_blender_can_have_one(model, tmp_path):
    track(tmp_path / "track.npz")
    bpy.ops.maquette.keyframe_face(filepath=str(tmp_path / "track.npz"))
    head = bpy.context.object
    owners = [head.data.shape_keys, head.parent]
    actions = {owner.animation_data.action.name for owner in owners}
    assert len(actions) == (1 if bpy.app.version >= (4, 4) else 2) and "track" in actions


def test_motion_of_another_model_keeps_its_face_to_itself(model, tmp_path):
    arrays = track(tmp_path / "track.npz", expr=np.ones((FRAMES, 100)))
    with pytest.raises(RuntimeError, match="tracked with another model"):
        bpy.ops.maquette.keyframe_face(filepath=str(tmp_path / "track.npz"))
    bpy.ops.maquette.keyframe_face(filepath=str(tmp_path / "track.npz"), fps=25, tracked_with="OTHER")
    bpy.context.scene.frame_set(3)
    none = np.zeros(0)
    wanted = expected(model, none, none, pose_of(arrays, 2), arrays["translation"][2])
    np.testing.assert_allclose(evaluated(bpy.context.object), wanted, atol=2e-5)


def test_a_file_that_names_another_model_is_of_another_model(model, tmp_path):
    track(tmp_path / "track.npz", model=np.array("somebody else"), model_hash=np.array("0123456789abcdef"))
    bpy.ops.maquette.keyframe_face(filepath=str(tmp_path / "track.npz"))
    bpy.context.scene.frame_set(5)
    assert not any(bpy.context.object.data.shape_keys.key_blocks[f"expression {k + 1}"].value for k in range(12))


def test_frame_rate_is_the_scenes(model, tmp_path):
    np.savez(tmp_path / "m.npz", jaw_pose=np.linspace(0, 0.6, 61)[:, None] * [[1, 0, 0]], fps=60)
    bpy.ops.maquette.keyframe_face(filepath=str(tmp_path / "m.npz"))
    jaw = bpy.context.object.parent.pose.bones["jaw"]
    for frame in (1, 14, 26):
        bpy.context.scene.frame_set(frame)
        assert jaw.rotation_euler.x == pytest.approx((frame - 1) / 25 * 0.6, abs=1e-6)


def test_live_link_face_moves_jaw_and_eyes(model, tmp_path):
    header = "Timecode,BlendShapeCount,JawOpen,EyeLookOutLeft,MouthSmileLeft,HeadYaw,HeadPitch,HeadRoll"
    rows = [f"00:00:0{k // 60}:{k % 60:02d}.0,3,{k / 120:.4f},1.0,0.5,0,0.1,0" for k in range(121)]
    (tmp_path / "take.csv").write_text("\n".join([header, *rows]))
    assert bpy.ops.maquette.keyframe_face(filepath=str(tmp_path / "take.csv")) == {"FINISHED"}
    bones = bpy.context.object.parent.pose.bones
    bpy.context.scene.frame_set(26)
    assert bones["jaw"].rotation_euler.x == pytest.approx(np.radians(25) / 2, abs=1e-3)
    assert bones["left_eye"].rotation_euler.y == pytest.approx(np.radians(35), abs=1e-3)
    assert bones["neck"].rotation_euler.x == pytest.approx(0.1, abs=1e-4)


def test_bad_files_are_refused_in_a_sentence(model, tmp_path):
    np.savez(tmp_path / "colours.npz", colour=np.zeros(3))
    with pytest.raises(RuntimeError, match="no motion of a face"):
        bpy.ops.maquette.keyframe_face(filepath=str(tmp_path / "colours.npz"))
    assert bpy.context.object.data.shape_keys.animation_data.action is None


def test_a_long_sequence_is_keyed_in_bulk(maquette_part, tmp_path):
    """Not held to a time (speed is for the bench), but measured and printed."""
    write_flame_model(tmp_path / "model.npz", small_model(expression=100))
    bpy.ops.maquette.add_flame_head(filepath=str(tmp_path / "model.npz"))
    FaceMotion = maquette_part("backend.formats.face_motion").FaceMotion
    animation, rigs = maquette_part("addon.flame_animation"), maquette_part("addon.flame_rig")
    rng = np.random.default_rng(0)
    turn = rng.normal(0, 1, (1000, 4))
    turns = {joint: turn / np.linalg.norm(turn, axis=1, keepdims=True) for joint in ("root", "neck", "jaw", "left_eye")}
    rate = bpy.context.scene.render.fps / bpy.context.scene.render.fps_base
    motion = FaceMotion(
        "long", np.arange(1000) / rate, np.zeros(0), rng.normal(0, 1, (1000, 100)), turns, rng.normal(0, 1, (1000, 3))
    )
    began = time.perf_counter()
    keyed = animation.keyframe(bpy.context, rigs.current_rig(bpy.context), motion)
    print(f"{keyed.frames} frames of {keyed.channels} channels: {time.perf_counter() - began:.3f} s")
    assert (keyed.frames, keyed.channels, keyed.left_out) == (1000, 100 + 4 + 3 * 3 + 3, ())


def test_hair_follows_the_keyed_head(maquette_part, model, tmp_path):
    groom = maquette_part("addon.groom")
    Strands = maquette_part("backend.formats.strands").Strands
    head = bpy.context.object
    mesh = head.data
    corners = np.array(mesh.polygons[7].vertices[:])
    root = evaluated(head)[corners].mean(0)
    strands = np.stack([root, root + (0, 0, 0.01)])[None].astype(np.float32)
    hair = groom.add_groom(bpy.context, Strands.from_array(strands), head, guide_count=0).hair
    track(tmp_path / "track.npz")
    head.select_set(True)
    bpy.context.view_layer.objects.active = head
    bpy.ops.maquette.keyframe_face(filepath=str(tmp_path / "track.npz"), fps=25)
    for frame in (3, 9):
        bpy.context.scene.frame_set(frame)
        wanted = evaluated(head)[corners].mean(0)
        current = bpy.context.evaluated_depsgraph_get()
        curves = hair.evaluated_get(current)
        first = np.array(curves.matrix_world @ curves.data.position_data[0].vector)
        assert np.linalg.norm(first - wanted) < 2e-4 and np.linalg.norm(first - root) > 0.01
