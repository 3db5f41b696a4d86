"""A dense head that follows a plain one: sliders, bones and keyframes move it, without a script, or a cache does.

The keys are synthetic, on a small model: what matters here is that Blender shows what they say.
"""

from types import SimpleNamespace

import bpy
import numpy as np
import pytest

from backend.formats.dense_keys import DenseKeys, write_dense_keys
from backend.formats.dense_mesh import DenseMesh, write_dense_mesh
from backend.formats.flame_model import z_up
from backend.formats.point_cache import PointCacheWriter
from tests.blender.flame_scene import evaluated, small_model
from tests.unit.flame_reference import posed_head, rotation

CLOSE = 3e-5
"""Metres: shape keys rounded to a micrometre, and skin weights to a 16,384th, on a head of 24 cm."""
IDENTITY = np.array([1.53, -0.47, 0.8123])


def dense_of(model, seed=0) -> DenseKeys:
    """Every triangle of the model as four, with random displacements and corrections on top."""
    rng = np.random.default_rng(seed)
    triangles, points = len(model.faces), len(model.template)
    middles = points + np.arange(3 * triangles).reshape(-1, 3)
    corners = np.stack([model.faces, middles], axis=2).reshape(-1, 6)  # a, ab, b, bc, c, ca
    faces = corners[:, [[0, 1, 5], [1, 2, 3], [5, 3, 4], [1, 3, 5]]].reshape(-1, 3)
    matrix = np.zeros((points + 3 * triangles, points))
    matrix[np.arange(points), np.arange(points)] = 1
    for k in range(3):
        for end in (k, (k + 1) % 3):
            np.add.at(matrix, (middles[:, k], model.faces[:, end]), 0.5)
    dense = lambda values: np.einsum("wv,v...->w...", matrix, values.astype(np.float64))  # noqa: E731
    count = len(matrix)
    shaped = model.template + model.identity[:, :, : len(IDENTITY)] @ IDENTITY
    modes = np.array([0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11])  # the fourth moves nothing, say
    expressions = z_up(dense(model.expression).transpose(2, 0, 1)[modes]) + rng.normal(0, 2e-4, (11, count, 3))
    places = np.array([(j, r, c) for j in (1, 2) for r in range(3) for c in range(3)])
    numbers = 9 * (places[:, 0] - 1) + 3 * places[:, 1] + places[:, 2]
    correctives = z_up(dense(model.pose_correctives).transpose(2, 0, 1)[numbers])
    return DenseKeys(
        model.name, model.hash, IDENTITY, (z_up(dense(shaped)) + rng.normal(0, 2e-3, (count, 3))).astype(np.float32),
        faces.astype(np.int32), rng.uniform(0, 1, (len(faces), 3, 2)).astype(np.float32), "layout",
        dense(model.weights).astype(np.float32), model.joint_names, expressions.astype(np.float16),
        modes.astype(np.int32), correctives.astype(np.float16), places.astype(np.int32),
        z_up(dense(model.identity).transpose(2, 0, 1)[:4]).astype(np.float16), np.arange(4, dtype=np.int32),
        {"scalp": np.arange(7, dtype=np.int32)},
    )  # fmt: skip


def expected(model, keys, expression, pose, translation=(0, 0, 0)):
    """(W, 3) keys, then linear blend skinning written out, Z up."""
    rest = keys.basis.astype(np.float64)
    for place, key in zip(keys.expression_places, keys.expression_keys.astype(np.float64)):
        rest = rest + expression[place] * key
    for (joint, row, column), key in zip(keys.corrective_places, keys.corrective_keys.astype(np.float64)):
        rest = rest + (rotation(pose[joint])[row, column] - (row == column)) * key
    none = np.zeros((len(model.parents), 3))
    before = posed_head(model, IDENTITY, expression, none, np.zeros(3), 1.0)[1]
    _, after, turns = posed_head(model, IDENTITY, expression, pose, np.asarray(translation, float), 1.0)
    rest = np.stack([rest[:, 0], rest[:, 2], -rest[:, 1]], axis=1)  # Y up
    shown = sum(
        keys.weights[:, j : j + 1] * ((rest - before[j]) @ turns[j].T + after[j]) for j in range(len(model.parents))
    )
    return z_up(shown)


@pytest.fixture
def scene(maquette_part, tmp_path):
    """A plain head of a person, the file of its dense keys, and what is needed to move it."""
    from backend.formats.flame_model import write_flame_model

    model = small_model()
    write_flame_model(tmp_path / "model.npz", model)
    assert bpy.ops.maquette.add_flame_head(filepath=str(tmp_path / "model.npz")) == {"FINISHED"}
    found = SimpleNamespace(
        model=model, keys=dense_of(model), file=tmp_path / "dense_keys.npz", part=maquette_part,
        rigs=maquette_part("addon.flame_rig"), poses=maquette_part("addon.flame_pose"),
        dense=maquette_part("addon.detail_rig"),
    )  # fmt: skip
    found.rig = found.rigs.rig_of(bpy.context.object)
    write_dense_keys(found.file, found.keys)
    show(found)
    return found


def show(scene, expression=(), pose=None, translation=(0, 0, 0), rig=None):
    Coefficients = scene.part("backend.formats.coefficients").Coefficients
    pose = np.zeros((5, 3)) if pose is None else pose
    given = Coefficients.of(
        scene.model, identity=IDENTITY, expression=expression, pose=pose, translation=np.asarray(translation, float)
    )
    scene.poses.apply_coefficients(rig or scene.rig, given)
    bpy.context.view_layer.update()


def random_state(seed):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 1.2, 12), rng.normal(0, 0.3, (5, 3)), rng.normal(0, 0.05, 3)


def test_sliders_and_bones_move_the_dense_head(scene):
    thing = scene.dense.add_live_head(bpy.context, scene.rig, scene.file, "Anna")
    assert bpy.context.object == thing and thing.name == "Anna" and thing.parent == scene.rig.armature
    np.testing.assert_allclose(evaluated(thing), scene.keys.basis, atol=2e-6)
    for seed in range(10):
        expression, pose, translation = random_state(seed)
        show(scene, expression, pose, translation)
        wanted = expected(scene.model, scene.keys, expression, pose, translation)
        np.testing.assert_allclose(evaluated(thing), wanted, atol=CLOSE)


def test_the_person_can_be_changed(scene):
    thing = scene.dense.add_live_head(bpy.context, scene.rig, scene.file)
    bpy.context.view_layer.update()
    shown = thing.evaluated_get(bpy.context.evaluated_depsgraph_get()).data.shape_keys.key_blocks
    assert [key.value for key in shown if key.name.startswith("identity")] == [0.0] * 4, "they would take time"
    scene.rig.key("identity 2").value += 0.7
    scene.rig.key("identity 4").value -= 1.2
    bpy.context.view_layer.update()
    keys = scene.keys.identity_keys.astype(np.float64)
    np.testing.assert_allclose(evaluated(thing), scene.keys.basis + 0.7 * keys[1] - 1.2 * keys[3], atol=CLOSE)


def test_it_looks_like_the_plain_head_and_is_the_same_rig(scene):
    plain = scene.rig.mesh
    layer = plain.data.uv_layers.new(name="Own")
    corners = np.random.default_rng(1).uniform(0, 1, (len(plain.data.polygons), 3, 2)).astype(np.float32)
    layer.uv.foreach_set("vector", corners.ravel())
    index = np.arange(len(plain.data.polygons), dtype=np.int32) % len(plain.data.materials)
    plain.data.polygons.foreach_set("material_index", index)
    thing = scene.dense.add_live_head(bpy.context, scene.rig, scene.file)
    assert list(thing.data.materials) == list(plain.data.materials)
    found = np.empty(4 * len(index), np.int32)
    thing.data.polygons.foreach_get("material_index", found)
    np.testing.assert_array_equal(found, np.repeat(index, 4))
    uv = np.empty((len(index), 4, 3, 2), np.float32)
    thing.data.uv_layers["Own"].uv.foreach_get("vector", uv.ravel())
    np.testing.assert_allclose(uv[:, [0, 1, 2], [0, 1, 2]], corners, atol=1e-7)
    np.testing.assert_allclose(uv[:, 3], (corners + np.roll(corners, -1, axis=1)) / 2, atol=1e-7)
    own = np.empty(scene.keys.uv.shape, np.float32)
    thing.data.uv_layers["Detail"].uv.foreach_get("vector", own.ravel())
    np.testing.assert_array_equal(own, scene.keys.uv)
    assert thing.data.uv_layers.active.name == "Own" and "scalp" in thing.vertex_groups
    assert scene.rigs.rig_of(thing).mesh == plain, "its sliders are the plain head's"


def test_it_plays_from_a_file_where_scripts_are_not_trusted(scene, tmp_path):
    thing = scene.dense.add_live_head(bpy.context, scene.rig, scene.file, "Anna")
    for curve in thing.data.shape_keys.animation_data.drivers:
        assert curve.is_valid and curve.driver.is_valid and curve.driver.is_simple_expression
    assert len(thing.data.shape_keys.animation_data.drivers) == scene.keys.count == 11 + 18 + 4
    expression, pose, _ = random_state(3)
    for frame, size in ((1, 0.0), (11, 1.0)):
        show(scene, size * expression, size * pose)
        for name in scene.rig.expression:
            scene.rig.key(name).keyframe_insert("value", frame=frame)
        for name in scene.rig.joints:
            bone = scene.rig.bone(name)
            turning = "rotation_quaternion" if bone.rotation_mode == "QUATERNION" else "rotation_euler"
            bone.keyframe_insert(turning, frame=frame)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "head.blend"), compress=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "head.blend"))
    thing = bpy.data.objects["Anna"]
    bpy.context.scene.frame_set(11)
    np.testing.assert_allclose(evaluated(thing), expected(scene.model, scene.keys, expression, pose), atol=CLOSE)
    bpy.context.scene.frame_set(1)
    np.testing.assert_allclose(evaluated(thing), scene.keys.basis, atol=CLOSE)


def test_adding_it_is_one_step_to_undo(scene):
    bpy.ops.ed.undo_push(message="before")
    before = {name: len(getattr(bpy.data, name)) for name in ("objects", "meshes", "shape_keys")}
    scene.dense.add_live_head(bpy.context, scene.rig, scene.file, "Anna")
    bpy.ops.ed.undo_push(message="Add Dense Head")
    bpy.ops.ed.undo()
    assert {name: len(getattr(bpy.data, name)) for name in before} == before
    bpy.ops.ed.redo()
    thing = bpy.data.objects["Anna"]
    expression, pose, _ = random_state(4)
    show(scene, expression, pose, rig=scene.rigs.rig_of(thing))
    np.testing.assert_allclose(evaluated(thing), expected(scene.model, scene.keys, expression, pose), atol=CLOSE)


def test_a_head_with_fewer_sliders_has_fewer_keys(scene, tmp_path):
    bpy.ops.maquette.add_flame_head(filepath=str(tmp_path / "model.npz"), expression_keys=5)
    scene.rig = scene.rigs.rig_of(bpy.context.object)
    show(scene)
    thing = scene.dense.add_live_head(bpy.context, scene.rig, scene.file)
    expression, pose, _ = random_state(5)
    expression[5:] = 0
    show(scene, expression, pose)
    np.testing.assert_allclose(evaluated(thing), expected(scene.model, scene.keys, expression, pose), atol=CLOSE)
    assert len(thing.data.shape_keys.key_blocks) == 1 + 4 + 18 + 4


def test_another_person_and_another_model_are_told(scene, tmp_path):
    from backend.formats.flame_model import write_flame_model

    objects = len(bpy.data.objects)
    scene.rig.key("identity 2").value = 2.0
    errors = scene.part("backend.errors")
    with pytest.raises(errors.HeadError, match="another identity"):
        scene.dense.add_live_head(bpy.context, scene.rig, scene.file)
    assert len(bpy.data.objects) == objects
    write_flame_model(tmp_path / "other.npz", small_model(seed=8))
    bpy.ops.maquette.add_flame_head(filepath=str(tmp_path / "other.npz"))
    with pytest.raises(errors.HeadError, match="choose a head of its own model"):
        scene.dense.add_live_head(bpy.context, scene.rigs.rig_of(bpy.context.object), scene.file)


def test_a_cache_is_played_frame_by_frame(scene, tmp_path):
    heads = [expected(scene.model, scene.keys, *random_state(seed)) for seed in range(4)]
    mesh = DenseMesh(heads[0], scene.keys.faces, scene.keys.uv, "layout", None, scene.keys.regions)
    write_dense_mesh(tmp_path / "mesh.npz", mesh)
    with PointCacheWriter(tmp_path / "cache.pc2", len(heads[0])) as cache:
        for head in heads:
            cache.add(head)
    thing = scene.dense.add_cached_head(
        bpy.context, scene.rig, tmp_path / "mesh.npz", tmp_path / "cache.pc2", 20, "Anna"
    )
    scene.rig.armature.location = (1, 2, 3)
    for k in (0, 2, 3):
        bpy.context.scene.frame_set(20 + k)
        np.testing.assert_allclose(evaluated(thing), heads[k] + [1, 2, 3], atol=1e-6)
    # The same cache on a live head takes the place of its bones.
    show(scene, *random_state(9))
    live = scene.dense.add_live_head(bpy.context, scene.rig, scene.file)
    scene.dense.attach_cache(bpy.context, live, tmp_path / "cache.pc2", 20)
    np.testing.assert_allclose(evaluated(live), heads[3] + [1, 2, 3], atol=1e-6)
    with pytest.raises(scene.part("backend.errors").HeadError, match="make the cache for this head"):
        scene.dense.attach_cache(bpy.context, scene.rig.mesh, tmp_path / "cache.pc2", 20)
    assert not scene.rig.mesh.modifiers.get("Detail Cache")


def test_what_the_scene_shows_goes_to_the_exact_way(scene):
    states = [random_state(seed) for seed in range(3)]
    for frame, (expression, pose, _) in enumerate(states, start=5):
        show(scene, expression, pose)
        for name in scene.rig.expression:
            scene.rig.key(name).keyframe_insert("value", frame=frame)
        for name in scene.rig.joints:
            bone = scene.rig.bone(name)
            turning = "rotation_quaternion" if bone.rotation_mode == "QUATERNION" else "rotation_euler"
            bone.keyframe_insert(turning, frame=frame)
    motion = scene.dense.scene_parameters(bpy.context, scene.rig, 5, 7)
    np.testing.assert_allclose(motion.expression, [state[0] for state in states], atol=1e-5)
    np.testing.assert_allclose(motion.identity[:3], IDENTITY, atol=1e-6)
    for k, (_, pose, _) in enumerate(states):
        for j, joint in enumerate(scene.rig.joints):
            w = motion.turns[joint][k, 0]
            turn = rotation(pose[j])
            assert np.trace(turn) == pytest.approx(4 * w * w - 1, abs=1e-4)
    scene.rig.bone("master").rotation_quaternion = (0.9, 0.1, 0, 0)
    with pytest.raises(scene.part("backend.errors").CoefficientError, match="turn the bone 'root'"):
        scene.dense.scene_parameters(bpy.context, scene.rig, 5, 5)


def test_hair_goes_over_to_the_dense_head(scene):
    Strands = scene.part("backend.formats.strands").Strands
    plain, rng = scene.rig.mesh, np.random.default_rng(2)
    corners = scene.keys.basis[scene.model.faces[:40]]
    roots = np.einsum("fkc,fk->fc", corners, rng.dirichlet(np.full(3, 5.0), 40))
    strands = Strands.from_array((roots[:, None] + np.linspace(0, 0.02, 8)[:, None] * [0, 0, 1]).astype(np.float32))
    made = scene.part("addon.groom").add_groom(bpy.context, strands, plain)
    thing = scene.dense.add_live_head(bpy.context, scene.rig, scene.file)
    for hair in (made.hair, made.guides):
        scene.dense.follow(hair, thing)
        assert hair.data.surface == thing and hair.parent == thing
    grown = _hair(scene, made.guides)
    assert len(grown) > 100 and np.abs(grown).max() < 1, "strands between the guides"
    turn = np.zeros((5, 3))
    turn[0] = (0, 0.8, 0)  # the whole head, so that every strand has one right place
    rotated = lambda points: np.stack([points[:, 0], -points[:, 2], points[:, 1]], axis=1)  # noqa: E731
    before = _hair(scene, made.hair)
    show(scene, pose=turn)
    after = _hair(scene, made.hair)
    centre = posed_head(scene.model, IDENTITY, np.zeros(12), turn, np.zeros(3), 1.0)[1][0]
    yup = np.stack([before[:, 0], before[:, 2], -before[:, 1]], axis=1)
    wanted = rotated((yup - centre) @ rotation(turn[0]).T + centre)
    np.testing.assert_allclose(after, wanted, atol=2e-4)


def _hair(scene, hair):
    with scene.part("addon.groom").full_density(hair):
        return scene.part("addon.strands_scene").strands_from_object(hair).points


def test_it_is_exported_in_place_of_the_plain_head(scene, tmp_path):
    thing = scene.dense.add_live_head(bpy.context, scene.rig, scene.file, "Anna")
    scene.rig.mesh.hide_set(True)
    expression, pose, _ = random_state(6)
    show(scene, expression, pose)
    bpy.context.view_layer.objects.active = thing
    path = tmp_path / "anna.abc"
    assert bpy.ops.maquette.export_face_animation(filepath=str(path), first=1, last=2) == {"FINISHED"}
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.wm.alembic_import(filepath=str(path), as_background_job=False)
    (found,) = (other for other in bpy.data.objects if other.type == "MESH")
    np.testing.assert_allclose(evaluated(found), expected(scene.model, scene.keys, expression, pose), atol=CLOSE)
