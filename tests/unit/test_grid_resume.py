"""The surface on a grid as one run of all its levels, stopped and gone on with."""

import numpy as np
import pytest

from backend.checkpoint import Checkpoints
from backend.errors import Cancelled
from backend.hair.report import StageClock
from backend.head.grid_surface.presets import HullConfig, LevelConfig, Preset, SweepConfig
from backend.head.grid_surface.reconstruct import hull_of, reconstruct
from backend.head.priors.gather import FROM_PICTURES, Priors
from backend.head.priors.proxy import Proxy
from backend.protocol import SilentReporter
from tests.unit import hair_scene
from tests.unit.painted_ellipsoid import AXES, CENTRE, ellipsoid_view

SWEEP = SweepConfig(side=64, reach=0.02, steps=7)
SMALL = Preset(
    image_side=64, nodes=36, hull=HullConfig(nodes=28),
    levels=(
        LevelConfig(nodes=24, steps=4, rays=200),
        LevelConfig(nodes=28, steps=6, rays=200, sweep=SWEEP),
        LevelConfig(nodes=36, steps=6, rays=200, sweep=SWEEP),
    ),
)  # fmt: skip


class Impatient(SilentReporter):
    """Stops in the midst of a level."""

    def __init__(self, folder, level: int, step: int):
        super().__init__(folder)
        self._last, self._stage, self._left = f"round {level + 1}", "", step

    def stage(self, title, total=1):
        self._stage = title
        super().stage(title, total)

    def step(self, n=None):
        super().step(n)
        if self._stage == f"Refining the surface, {self._last}":
            self._left -= 1
            if not self._left:
                raise Cancelled


def found(views, folder, reporter=None):
    reporter = reporter or SilentReporter(folder)
    rng, clock = np.random.default_rng(3), StageClock(reporter)
    kept = Checkpoints(reporter, "same", rng, clock)
    hull = kept("hull", lambda: hull_of(views, SMALL.hull, reporter))
    vertices, faces = hair_scene.ellipsoid()
    face = Proxy(CENTRE + AXES * vertices / hair_scene.SEMI_AXES, faces, {})
    priors = Priors(face, FROM_PICTURES, True)
    return reconstruct(hull, views, priors, SMALL, clock, reporter, kept, rng, refine_cameras=True)


@pytest.fixture(scope="module")
def views():
    return [ellipsoid_view(number, 6) for number in range(6)]


def test_a_run_that_was_stopped_goes_on_as_it_would_have(views, tmp_path, monkeypatch):
    """With all that learns beside the field: the labels' grid from the second level on, and cameras."""
    monkeypatch.setattr("backend.head.grid_surface.reconstruct.FACE_NODES", 32)
    whole = found(views, tmp_path / "whole")
    with pytest.raises(Cancelled):
        found(views, tmp_path / "part", Impatient(tmp_path / "part", level=2, step=3))
    rest = found(views, tmp_path / "part")
    assert len(whole.history) == len(rest.history) == 16
    assert {"proxy", "semantics", "direction", "stereo", "patches"} <= rest.history[-1].keys()
    assert rest.history == whole.history
    np.testing.assert_array_equal(rest.grid.values, whole.grid.values)
    np.testing.assert_array_equal(rest.grid.labels, whole.grid.labels)
    for name, pose in whole.cameras.items():
        np.testing.assert_array_equal(rest.cameras[name], pose)
    moved = [np.abs(whole.cameras[view.name] - view.world_to_camera).max() for view in views]
    assert min(moved) > 0
