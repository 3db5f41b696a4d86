"""Add Head, and any mesh object as a head."""

import bpy
import numpy as np
import pytest


@pytest.fixture
def heads(maquette_part):
    return maquette_part("addon.heads")


@pytest.fixture
def formats(maquette_part):
    return maquette_part("backend.formats.head")


def test_add_head_gives_a_person_to_grow_hair_on(heads, formats):
    assert bpy.ops.maquette.add_head() == {"FINISHED"}
    thing = bpy.context.object
    assert thing["maquette_role"] == "head"
    assert thing.data.uv_layers.active is not None
    assert {"scalp", "face", "neck", "lips", "left_ear"} <= {g.name for g in thing.vertex_groups}
    assert 0.25 < thing.dimensions.z < 0.45
    assert all(p.use_smooth for p in thing.data.polygons)
    assert len(thing.material_slots) == 2


def test_head_goes_through_the_scene_unchanged(heads, formats):
    original = formats.read_head(formats.BUILT_IN_HEAD)
    thing = heads.add_head(bpy.context, original)
    back = heads.head_from_object(thing)
    np.testing.assert_allclose(back.vertices, original.vertices, atol=1e-6)
    np.testing.assert_array_equal(back.faces, original.faces)
    np.testing.assert_allclose(back.uv, original.uv, atol=1e-6)
    for name, vertices in original.regions.items():
        np.testing.assert_array_equal(back.regions[name], vertices)
    np.testing.assert_allclose(back.landmark_points(), original.landmark_points(), atol=1e-6)


def test_head_is_read_where_it_stands_and_as_it_is_posed(heads, formats):
    thing = heads.add_head(bpy.context, formats.read_head(formats.BUILT_IN_HEAD))
    thing.shape_key_add(name="Basis")
    key = thing.shape_key_add(name="up")
    key.data[0].co.z += 0.1
    key.value = 1.0
    thing.location, thing.rotation_euler, thing.scale = (1, 2, 3), (0, 0, np.pi / 2), (-2, 2, 2)
    bpy.context.view_layer.update()
    still = formats.read_head(formats.BUILT_IN_HEAD).vertices
    head = heads.head_from_object(thing)
    x, y, z = still[0] + [0, 0, 0.1]
    np.testing.assert_allclose(head.vertices[0], [1 - 2 * y, 2 - 2 * x, 3 + 2 * z], atol=1e-5)
    # Mirrored by its scale, yet its faces still look outwards: the signed volume stays positive.
    a, b, c = (head.vertices[head.faces[:, k]].astype(float) - head.vertices.mean(axis=0) for k in range(3))
    assert np.einsum("ij,ij->i", a, np.cross(b, c)).sum() > 0


def test_scalp_group_of_any_mesh_is_its_scalp(heads):
    bpy.ops.mesh.primitive_ico_sphere_add(radius=0.1, subdivisions=3)
    thing = bpy.context.object
    top = [v.index for v in thing.data.vertices if v.co.z > 0.03]
    thing.vertex_groups.new(name="scalp").add(top, 1.0, "REPLACE")
    head = heads.head_from_object(thing)
    np.testing.assert_array_equal(head.scalp, sorted(top))
    assert head.uv is not None and len(head.uv) == len(head.faces)


def test_what_is_no_head_is_refused_in_a_sentence(heads, maquette_part):
    HeadError = maquette_part("backend.errors").HeadError
    bpy.ops.object.empty_add()
    with pytest.raises(HeadError, match="mesh object"):
        heads.head_from_object(bpy.context.object)
    bpy.ops.mesh.primitive_ico_sphere_add(radius=100)
    with pytest.raises(HeadError, match="no head's size"):
        heads.head_from_object(bpy.context.object)


def test_add_head_reports_a_broken_file(tmp_path, maquette):
    path = tmp_path / "broken head é.npz"
    path.write_bytes(b"no archive")
    with pytest.raises(RuntimeError, match="cannot be read as a head"):
        bpy.ops.maquette.add_head(filepath=str(path))
    assert not bpy.data.objects


SIZES = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254}
EXPORT = {
    ".obj": lambda path, up: bpy.ops.wm.obj_export(filepath=path, up_axis=up, forward_axis=FORWARD[up]),
    ".ply": lambda path, up: bpy.ops.wm.ply_export(filepath=path, up_axis=up, forward_axis=FORWARD[up]),
    ".stl": lambda path, up: bpy.ops.wm.stl_export(filepath=path, up_axis=up, forward_axis=FORWARD[up]),
    ".glb": lambda path, up: bpy.ops.export_scene.gltf(filepath=path),
}
FORWARD = {"Z": "Y", "Y": "NEGATIVE_Z"}


@pytest.mark.parametrize(
    ("suffix", "unit", "up"), [(".obj", "cm", "Y"), (".ply", "inch", "Z"), (".stl", "mm", "Y"), (".glb", "mm", "Z")]
)
def test_a_mesh_file_is_added_in_metres_with_z_up(maquette, heads, tmp_path, suffix, unit, up):
    """Without trimesh, which Blender has not; glTF is in metres with Y up whatever is said."""
    bpy.ops.mesh.primitive_ico_sphere_add(radius=0.1, subdivisions=3)
    thing = bpy.context.object
    for vertex in thing.data.vertices:
        vertex.co = (0.7 * vertex.co.x, vertex.co.y + 0.02, 1.3 * vertex.co.z)
    original = np.array([v.co for v in thing.data.vertices])
    thing.scale = [1.0 if suffix == ".glb" else 1 / SIZES[unit]] * 3
    bpy.context.view_layer.update()
    path = tmp_path / f"Mein Köpfchen{suffix}"
    EXPORT[suffix](str(path), up)
    bpy.data.objects.remove(thing)
    assert bpy.ops.maquette.add_head(filepath=str(path), unit=unit, up=up) == {"FINISHED"}
    added = bpy.context.object
    assert added == bpy.context.scene.maquette.head and added["maquette_role"] == "head"
    assert added.name == "Mein Köpfchen" and len(bpy.data.objects) == 1
    assert np.allclose(added.matrix_world, np.eye(4))
    head = heads.head_from_object(added)
    assert np.abs(np.ptp(head.vertices, axis=0) - np.ptp(original, axis=0)).max() < 1e-4
    assert np.abs(head.vertices.max(0) - original.max(0)).max() < 1e-4


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [("torn.glb", b"no glTF", "cannot be read"), ("flat.obj", b"v 0 0 0\n", "no mesh|no faces"),
     ("big.obj", b"v 0 0 0\nv 100 0 0\nv 0 100 0\nf 1 2 3\n", "no head's size"), ("x.fbx", b"", "no kind of head")],
)  # fmt: skip
def test_a_mesh_file_that_is_no_head_is_a_sentence_and_leaves_nothing(maquette, tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RuntimeError, match=sentence):
        bpy.ops.maquette.add_head(filepath=str(tmp_path / name))
    assert not bpy.data.objects
    assert bpy.context.scene.maquette.head is None
