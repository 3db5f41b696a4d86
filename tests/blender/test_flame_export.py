"""The animated head written by Blender's exporters and read back."""

import bpy
import numpy as np
import pytest

from backend.formats.flame_model import write_flame_model
from tests.blender.flame_scene import evaluated, small_model
from tests.blender.test_flame_animation import track

FIRST, LAST = 3, 8


@pytest.mark.parametrize("suffix", [".abc", ".usdc"])
def test_the_posed_mesh_of_every_frame_is_exported(maquette, tmp_path, suffix):
    write_flame_model(tmp_path / "model.npz", small_model())
    bpy.ops.maquette.add_flame_head(filepath=str(tmp_path / "model.npz"), identity_keys=10)
    head, scene = bpy.context.object, bpy.context.scene
    bpy.ops.mesh.primitive_cube_add(size=0.1)  # on the head: it goes along
    bpy.context.object.parent = head
    bpy.ops.mesh.primitive_cube_add()  # elsewhere: it does not
    bpy.context.view_layer.objects.active = head
    track(tmp_path / "track.npz")
    bpy.ops.maquette.keyframe_face(filepath=str(tmp_path / "track.npz"), fps=scene.render.fps)
    scene.frame_set(5)
    chosen = [thing.name for thing in bpy.context.selected_objects]
    range_before = scene.frame_start, scene.frame_end
    wanted = {}
    for frame in range(FIRST, LAST + 1):
        scene.frame_set(frame)
        wanted[frame] = evaluated(head)
    scene.frame_set(5)
    assert np.abs(wanted[FIRST] - wanted[LAST]).max() > 0.01
    path = tmp_path / f"moving{suffix}"
    done = bpy.ops.maquette.export_face_animation(filepath=str(path), format=suffix, first=FIRST, last=LAST)
    assert done == {"FINISHED"} and path.stat().st_size > 1000
    assert scene.frame_current == 5 and (scene.frame_start, scene.frame_end) == range_before
    assert [thing.name for thing in bpy.context.selected_objects] == chosen

    rate = scene.render.fps
    bpy.ops.wm.read_homefile(use_empty=True)
    if suffix == ".abc":
        bpy.ops.wm.alembic_import(filepath=str(path), as_background_job=False)
    else:
        bpy.ops.wm.usd_import(filepath=str(path))
    meshes = [thing for thing in bpy.data.objects if thing.type == "MESH"]
    assert len(meshes) == 2
    found = max(meshes, key=lambda thing: len(thing.data.vertices))
    bpy.context.scene.render.fps = rate
    for frame, points in wanted.items():
        bpy.context.scene.frame_set(frame)
        shown = evaluated(found)
        np.testing.assert_allclose(shown, points, atol=2e-6)


def test_what_cannot_be_exported_is_said(maquette, tmp_path):
    write_flame_model(tmp_path / "model.npz", small_model())
    bpy.ops.maquette.add_flame_head(filepath=str(tmp_path / "model.npz"))
    with pytest.raises(RuntimeError, match="before it begins"):
        bpy.ops.maquette.export_face_animation(filepath=str(tmp_path / "x.abc"), first=9, last=2)
    bpy.context.object.hide_set(True)
    with pytest.raises(RuntimeError, match="is hidden"):
        bpy.ops.maquette.export_face_animation(filepath=str(tmp_path / "x.abc"), first=1, last=2)
