"""Import Strands and Export Strands, by Blender alone."""

import time

import bpy
import numpy as np
import pytest


@pytest.fixture
def formats(maquette_part):
    return maquette_part("backend.formats.strand_files")


@pytest.fixture
def strands(maquette_part):
    random = np.random.default_rng(0)
    counts = random.integers(2, 20, 40)
    points = np.cumsum(random.normal(0, 0.01, (counts.sum(), 3)), axis=0)
    return maquette_part("backend.formats.strands").Strands(points, counts)


@pytest.mark.parametrize("ending", [".npz", ".hair", ".data", ".ply", ".usda"])
def test_round_trip_through_a_scene(maquette, formats, strands, tmp_path, ending):
    source, back = tmp_path / f"Mähne 1{'.npz' if ending == '.usda' else ending}", tmp_path / f"back{ending}"
    formats.write_strands(source, strands)
    assert bpy.ops.maquette.import_strands(filepath=str(source)) == {"FINISHED"}
    hair = bpy.context.active_object
    assert hair.type == "CURVES" and hair.name == "Mähne 1" and len(hair.data.curves) == len(strands)
    radius = np.empty(len(strands.points), np.float32)
    hair.data.attributes["radius"].data.foreach_get("value", radius)
    assert 0 < radius.min() < radius.max() < 0.0005
    hair.location = (0, 0, 1)
    hair.rotation_euler = (0, 0, np.pi / 2)
    assert bpy.ops.maquette.export_strands(filepath=str(back), format=ending) == {"FINISHED"}
    if ending == ".usda":
        assert back.read_text().startswith("#usda 1.0") and "BasisCurves" in back.read_text()
        return
    world = strands.points[:, [1, 0, 2]] * [-1, 1, 1] + [0, 0, 1]
    read = formats.read_strands(back)
    np.testing.assert_array_equal(read.counts, strands.counts)
    np.testing.assert_allclose(read.points, world, atol=1e-5)


def test_unit_and_up_axis_and_several_files(maquette, formats, strands, tmp_path):
    for name in ("a.data", "b.hair"):
        formats.write_strands(tmp_path / name, strands)
    assert bpy.ops.maquette.import_strands(
        directory=str(tmp_path), files=[{"name": "a.data"}, {"name": "b.hair"}], unit="cm", up="Y"
    ) == {"FINISHED"}
    assert {thing.name for thing in bpy.context.selected_objects} == {"a", "b"}
    points = np.empty((len(strands.points), 3), np.float32)
    bpy.data.objects["a"].data.position_data.foreach_get("vector", points.ravel())
    np.testing.assert_allclose(points, strands.points[:, [0, 2, 1]] * [0.01, -0.01, 0.01], atol=1e-6)


def test_broken_files_end_in_a_sentence(maquette, tmp_path):
    (tmp_path / "a.hair").write_bytes(b"HAIR\xff\xff\xff\xff")
    with pytest.raises(RuntimeError, match=r"a\.hair is truncated"):
        bpy.ops.maquette.import_strands(filepath=str(tmp_path / "a.hair"))
    with pytest.raises(RuntimeError, match="There is no file"):
        bpy.ops.maquette.import_strands(filepath=str(tmp_path / "none.hair"))
    assert not bpy.data.objects


def test_export_says_what_it_cannot_do(maquette, formats, strands, tmp_path):
    with pytest.raises(RuntimeError, match="poll"):
        bpy.ops.maquette.export_strands(filepath=str(tmp_path / "a.npz"))
    formats.write_strands(tmp_path / "a.npz", strands)
    bpy.ops.maquette.import_strands(filepath=str(tmp_path / "a.npz"))
    with pytest.raises(RuntimeError, match="choose one of"):
        bpy.ops.maquette.export_strands(filepath=str(tmp_path / "a.abc"))


def test_export_is_after_modifiers_at_full_density(maquette, maquette_part, formats, tmp_path):
    """A groom whose viewport shows a part is written whole."""
    bpy.ops.maquette.add_head()
    head = bpy.context.active_object
    vertices = head.vertex_groups["scalp"].index
    roots = np.array([v.co for v in head.data.vertices if any(g.group == vertices for g in v.groups)])[:200]
    rising = roots[:, None] + np.linspace(0, 0.1, 12)[:, None] * [0, 0, 1.0]
    whole = maquette_part("backend.formats.strands").Strands.from_array(rising.astype(np.float32))
    groom = maquette_part("addon.groom").add_groom(bpy.context, whole, head, guide_count=0)
    modifier = maquette_part("addon.groom").groom_modifier(groom.hair)
    maquette_part("addon.versions").set_modifier_input(modifier, "Viewport Display", 10.0)
    bpy.context.view_layer.objects.active = groom.hair
    head.select_set(False)
    bpy.ops.maquette.export_strands(filepath=str(tmp_path / "a.npz"))
    written = formats.read_strands(tmp_path / "a.npz")
    assert len(written) == len(whole)
    np.testing.assert_allclose(written.points, whole.points, atol=1e-5)


def test_a_full_head_of_hair_arrives(maquette, maquette_part, formats, tmp_path):
    """100,000 strands; 25 points each here, and how long it took is printed, not asserted."""
    random = np.random.default_rng(0)
    points = random.normal(size=(100_000, 1, 3)) * 0.1 + np.linspace(0, 0.1, 25)[:, None]
    strands = maquette_part("backend.formats.strands").Strands.from_array(points.astype(np.float32))
    formats.write_strands(tmp_path / "a.hair", strands)
    began = time.perf_counter()
    bpy.ops.maquette.import_strands(filepath=str(tmp_path / "a.hair"))
    print(f"imported in {time.perf_counter() - began:.2f} s")
    assert len(bpy.context.active_object.data.curves) == 100_000
