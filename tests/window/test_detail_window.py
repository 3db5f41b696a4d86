"""The Detail panel: a registration asked for by its button, and what the panel leads to when it is back."""

import pytest

from tests.window.test_landmark_window import SCAN

LANDMARKS = """
place = part("addon.landmarks").place_landmark
for name in part("addon.landmark_guide").FIRST:
    place(anna, name, Vector(face.points[face.names.index(name)] * 100))
"""
RECORDED = """
from pathlib import Path
jobs, folder = part("addon.jobs"), Path({folder!r})
global asked, jobs_own
asked, jobs_own = [], (jobs.prepare, jobs.submit)
jobs.prepare = lambda kind: ("registration", folder)
jobs.submit = lambda request, **keywords: asked.append((request, keywords))
"""
RESULT = """
import numpy as np
from pathlib import Path
formats = lambda name: part(f"backend.formats.{name}")
request, keywords = asked[0]
folder = Path(request.scan).parent
model = formats("flame_files").read_flame_model(formats("head").BUILT_IN_HEAD)
layout = formats("layout").read_layout(formats("layout").BUILT_IN_LAYOUT)
place = formats("coefficients").Similarity(100.0, np.eye(3), np.zeros(3))
bare = formats("coefficients").Coefficients.of(model, similarity=place)
formats("coefficients").write_coefficients(folder / "coefficients.npz", bare)
head = model.head()
hair = np.zeros_like(head.vertices)
hair[model.regions["scalp"]] = 0.01
grown = head.vertices + hair * head.vertices / np.linalg.norm(head.vertices, axis=1, keepdims=True)
off = np.random.default_rng(0).normal(0, 0.0005, len(grown))
dense = formats("dense_mesh").DenseMesh(grown, head.faces, layout.uv, layout.hash, off, head.regions)
formats("dense_mesh").write_dense_mesh(folder / "mesh.npz", dense)
values = np.random.default_rng(0).uniform(-0.1, 0.1, (256, 256, 3)).astype(np.float32)
facts = {"layout": layout.hash, "model": model.name, "model_hash": model.hash, "clipped": 3}
formats("displacement").write_displacement(
    folder / "displacement.png", formats("displacement").DisplacementMap(values, **facts)
)
row = {"mean": 0.31, "median": 0.22, "p95": 1.04}
report = {"scan_to_mesh_mm": row | {"regions": {"face": row, "scalp": row}}, "self_intersecting_share": 0.0003}
(folder / "report.json").write_text(__import__("json").dumps(report))
job = type("Job", (), {})()
job.id, job.folder, job.title, job.context = keywords["job_id"], folder, keywords["title"], keywords["context_ids"]
job.request = {"model": request.model}
files = {"mesh": "mesh.npz", "coefficients": "coefficients.npz", "map": "displacement.png", "report": "report.json"}
part("addon.detail_results").bring_in_registration(job, files)
"""


@pytest.fixture
def recording(window, tmp_path):
    """The window, in which jobs are only noted in ``asked``: there may be no backend where this Blender lives."""
    window.do(RECORDED.format(folder=str(tmp_path)))
    yield window
    window.do("part('addon.jobs').prepare, part('addon.jobs').submit = jobs_own")


def test_a_scan_is_registered_by_its_button(recording):
    window = recording
    window.do(SCAN)
    window.do(LANDMARKS)
    window.click("maquette.register_scan")
    window.wait_until("len(asked) == 1")
    assert window.ask("asked[0][0].kind") == "register-scan"
    assert window.ask("asked[0][1]['title']") == "Detail of Anna"
    window.do(RESULT)
    window.wait_until("bpy.context.view_layer.objects.active.get('maquette_role') == 'detail'")
    assert window.ask("anna.hide_get()")
    window.click("maquette.show_detail_residual")
    window.picture("detail")
