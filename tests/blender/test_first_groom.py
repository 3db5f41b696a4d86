"""An artist's first minutes, through the buttons and a real backend: Sample Capture, Add Head, Reconstruct Hair."""

import os

import bpy
import numpy as np
import pytest

pytestmark = pytest.mark.skipif(
    not os.environ.get("MAQUETTE_BACKEND_PYTHON"), reason="MAQUETTE_BACKEND_PYTHON names no backend interpreter"
)


def role(name):
    return [thing for thing in bpy.context.scene.objects if thing.get("maquette_role") == name]


@pytest.fixture
def places(maquette_part, tmp_path):
    maquette_part("addon.job_places").preferences().job_place = str(tmp_path / "jobs")
    yield
    maquette_part("addon.job_places").preferences().job_place = ""


@pytest.mark.usefixtures("places")
def test_sample_capture_becomes_a_groom_that_is_near_the_truth(maquette_part):
    assert bpy.ops.maquette.sample_capture() == {"FINISHED"}
    assert len(role("camera")) == 14
    assert bpy.ops.maquette.add_head() == {"FINISHED"}
    hair = bpy.context.scene.maquette.hair
    hair.preset, hair.strands = "draft", 4000
    assert bpy.ops.maquette.reconstruct_hair() == {"FINISHED"}

    (grown,), (guides,), (head,) = role("groom"), role("guides"), role("head")
    assert grown.parent == guides.parent == head
    assert not role("preview")
    with maquette_part("addon.groom").full_density(grown):
        strands = maquette_part("addon.strands_scene").strands_from_object(grown)
    assert 3000 < len(strands) <= 4000
    assert len(guides.data.curves) < len(strands) / 2

    # Near the truth: most true hair has a strand within a centimetre, and the lengths are hair's.
    sample = maquette_part("operators.capture").SAMPLE_CAPTURE
    truth = maquette_part("backend.formats.strands").read_npz(sample / "ground_truth" / "strands.npz")
    near = _distances(truth.resampled(8)[::10].reshape(-1, 3), strands.resampled(24).reshape(-1, 3))
    assert np.percentile(near, 75) < 0.010
    assert 0.5 < np.median(strands.lengths()) / np.median(truth.lengths()) < 1.6


def _distances(points, cloud):
    """(P,) metres from points (P, 3) to the nearest of a cloud (Q, 3)."""
    from mathutils import kdtree

    tree = kdtree.KDTree(len(cloud))
    for index, place in enumerate(cloud):
        tree.insert(place, index)
    tree.balance()
    return np.array([tree.find(point)[2] for point in points])
