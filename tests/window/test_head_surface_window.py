"""The Head Surface panel: a reconstruction asked for by its button, its preview, and the textured head it leaves."""

import pytest

from tests.window.conftest import CHECKOUT
from tests.window.test_detail_window import RECORDED

WORK = """
import numpy as np
from pathlib import Path
request, keywords = asked[0]
folder = Path({folder!r})
job = type("Job", (), {{}})()
job.id, job.folder, job.title, job.context = keywords["job_id"], folder, keywords["title"], keywords["context_ids"]
job.request = {{"capture": str(request.capture)}}
results, heads = part("addon.head_results"), part("backend.formats.head")
head = heads.read_head(heads.BUILT_IN_HEAD)
"""
PREVIEW = """
np.savez(folder / "preview.npz", vertices=head.vertices[head.faces].reshape(-1, 3)[:9000],
         faces=np.arange(9000, dtype=np.int32).reshape(-1, 3))
results.show_preview(job, {{"name": "mesh", "path": folder / "preview.npz"}})
"""
RESULT = """
import shutil
heads.write_head(folder / "head.npz", heads.Head(head.vertices, head.faces, head.uv, {{"hair": head.scalp}}))
shutil.copyfile({skin!r}, folder / "texture.jpg")
results.bring_in(job, {{
    "head": "head.npz", "texture": "texture.jpg", "seconds": 181.4, "triangles": len(head.faces), "watertight": True,
    "priors": {{"proxy": "maquette", "semantics": "label images", "orientation": False}},
}})
"""


@pytest.fixture
def recording(window, tmp_path):
    """The window, in which jobs are only noted in ``asked``: there may be no backend where this Blender lives."""
    window.do(RECORDED.format(folder=str(tmp_path)))
    yield window
    window.do("part('addon.jobs').prepare, part('addon.jobs').submit = jobs_own")


def test_from_the_button_to_the_textured_head(recording, tmp_path):
    window, skin = recording, CHECKOUT / "assets" / "built_in_head_skin.jpg"
    capture = CHECKOUT / "assets" / "sample_capture"
    window.do(f"bpy.context.scene.maquette.capture = {str(capture)!r}")
    window.click("maquette.reconstruct_head")
    window.wait_until("len(asked) == 1")
    assert window.ask("asked[0][0].kind, asked[0][0].preset") == ["reconstruct-head", "standard"]
    work = WORK.format(folder=str(tmp_path))
    window.do(work + PREVIEW.format())
    assert window.ask("[o.name for o in bpy.data.objects if o.get('maquette_role') == 'head preview']") == [
        "Head Preview"
    ]
    window.do("bpy.context.view_layer.objects.active = bpy.data.objects['Head Preview']\nframe_selected()")
    window.picture("head_surface_preview")
    window.do(work + RESULT.format(skin=str(skin)))
    assert window.ask("bpy.context.active_object.name") == "sample_capture Surface"
    assert not window.ask("'Head Preview' in bpy.data.objects")
    window.do("frame_selected()\nview_3d()[1].shading.color_type = 'TEXTURE'")
    window.find("maquette.reconstruct_head")
    window.picture("head_surface")
