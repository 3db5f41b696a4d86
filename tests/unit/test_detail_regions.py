"""Regions derived for FLAME's own topology, and the layout that they give. Skipped without the real template."""

from pathlib import Path

import numpy as np
import pytest

from backend.detail.layout import distortion, make_layout
from backend.detail.packing import covered
from backend.detail.regions import derived_regions, with_regions
from backend.formats.flame_files import read_flame_model
from backend.formats.flame_model import z_up
from backend.formats.head import BUILT_IN_HEAD

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "flame2023open" / "flame_basis.npz"
needs_flame = pytest.mark.skipif(not REAL.is_file(), reason="FLAME 2023 Open's template is not in ../shared/data")


@needs_flame
def test_flames_template_gets_regions_and_a_layout():
    model = read_flame_model(REAL)
    regions = with_regions(model)
    skin = z_up(model.template).astype(float)
    assert len(regions["left_eyeball"]) == len(regions["right_eyeball"]) == 546
    assert 300 < len(regions["scalp"]) < 700 and 1500 < len(regions["face"]) < 2600
    middle = {name: skin[regions[name]].mean(axis=0) for name in ("scalp", "face", "neck", "left_ear", "right_ear")}
    assert middle["scalp"][2] > middle["face"][2] > middle["neck"][2]
    assert middle["left_ear"][0] > 0.05 and middle["right_ear"][0] < -0.05
    for one, other in (("left_ear", "right_ear"), ("left_eye_region", "right_eye_region")):
        assert abs(len(regions[one]) - len(regions[other])) < 0.1 * len(regions[one])
    layout = make_layout(skin, model.faces, regions)
    found = distortion(skin, model.faces, layout.uv, layout.chart)
    assert found.flipped == 0 and found.energy < 5 and found.stretch < 1.5
    uv = layout.uv.astype(float)
    area = np.linalg.det(np.stack([uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]], axis=1)) / 2
    assert area.sum() == pytest.approx(covered(layout.uv, 1024).mean(), rel=2e-3)
    assert covered(layout.uv, 256).mean() > 0.5


def test_derived_regions_of_the_built_in_head_are_its_own():
    model = read_flame_model(BUILT_IN_HEAD, extras=())
    derived = derived_regions(model)
    for name in ("scalp", "face", "neck", "left_ear", "mouth_pocket"):
        own = model.regions[name]
        overlap = len(np.intersect1d(own, derived[name])) / len(np.union1d(own, derived[name]))
        assert overlap > 0.9, (name, overlap)
