"""Fitted networks as a field: a small fit to photographs of an ellipsoid, resumed, saved, baked."""

import dataclasses

import numpy as np
import pytest

from backend.checkpoint import Checkpoints
from backend.contract import BakeSdf, ReconstructHead
from backend.errors import Cancelled, FieldError
from backend.formats.neural_field import is_neural_field
from backend.head.neural_surface.config import PUBLISHED, REDUCED
from backend.head.neural_surface.field import read_neural_field, write_neural_field
from backend.head.neural_surface.reconstruct import config_of, reconstruct, step_losses
from backend.head.neural_surface.scene import sphere_of
from backend.head.priors.gather import FROM_PICTURES, Priors
from backend.head.priors.semantics import CLASSES
from backend.jobs import bake_sdf
from backend.protocol import SilentReporter
from tests.unit.painted_ellipsoid import AXES, CENTRE, ellipsoid_view, surface_points

TINY = dataclasses.replace(
    REDUCED, layers=3, width=64, features=16, bands=2, renderer_layers=2, renderer_width=48, view_bands=1,
    semantic_layers=1, semantic_width=32, rays=160, hair_rays=32, proxy_points=64, epochs=42, rate=3e-3,
    joining=(0.0, 0.2, 0.5), trace_samples=24,
)  # fmt: skip


class Clock:
    """Nobody asks for seconds here."""

    def so_far(self):
        return 0.0, 0.0

    def credit(self, seconds, peak_mb):
        """Nothing."""


@pytest.fixture(scope="module")
def views():
    return [ellipsoid_view(number, 6) for number in range(6)]


def fitted(views, folder, config, reporter=None, **settings):
    reporter = reporter or SilentReporter(folder)
    kept = Checkpoints(reporter, "same", np.random.default_rng(0), Clock())
    request = ReconstructHead(capture=folder, preset="paper", device="cpu", **settings)
    return reconstruct(views, Priors(None, FROM_PICTURES, True), request, reporter, kept, config=config)


@pytest.fixture(scope="module")
def field(views, tmp_path_factory):
    return fitted(views, tmp_path_factory.mktemp("fit"), TINY)


def test_the_sphere_of_the_masks_holds_the_head(views):
    sphere = sphere_of(views)
    assert np.linalg.norm(sphere.inside(surface_points()), axis=1).max() < 1
    assert sphere.radius < 1.6 * AXES.max()
    assert (sphere.low < (CENTRE - AXES)).all()
    assert (sphere.high > (CENTRE + AXES)).all()
    # The same pictures from the sphere's own frame.
    camera = sphere.camera(views[0].world_to_camera)
    point = sphere.inside(surface_points(1))[0]
    local = camera[:3, :3] @ point + camera[:3, 3]
    pixel = views[0].intrinsics @ local / local[2]
    np.testing.assert_allclose(pixel[:2], views[0].camera.project(surface_points(1))[0][0], atol=1e-9)


def test_it_comes_to_the_surface(field):
    """The sphere that it begins as is 15 mm off on average, and the masks' hull some millimetres."""
    off = 1000 * np.abs(field(surface_points()))
    assert off.mean() < 3
    assert field.report["epochs"] == TINY.epochs
    assert field.history[-1]["rgb"] < 0.6 * field.history[0]["rgb"]
    assert {"semantics", "direction"} <= field.history[-1].keys()
    assert "direction" not in field.history[0]


def test_it_knows_hair_from_face(field):
    points = surface_points()
    told = field.labels(points)
    hair = points[:, 2] > CENTRE[2]
    sure = np.abs(points[:, 2] - CENTRE[2]) > 0.02
    right = told == np.where(hair, CLASSES.index("hair"), CLASSES.index("face"))
    assert right[sure].mean() > 0.95


def test_it_is_saved_and_baked(field, tmp_path):
    path = tmp_path / "field.npz"
    write_neural_field(path, field)
    assert is_neural_field(path)
    again = read_neural_field(path)
    points = surface_points(100)
    np.testing.assert_allclose(again(points), field(points), atol=1e-7)
    result = bake_sdf.run(BakeSdf(field=path, resolution=64, faces=2000), SilentReporter(tmp_path / "out"))
    assert result["watertight"]
    from backend.formats.head import read_head

    head = read_head(tmp_path / "out" / "head.npz")
    off = np.linalg.norm((head.vertices - CENTRE) / AXES, axis=1) - 1
    assert np.abs(off).mean() < 0.05
    assert {"hair", "face"} <= head.regions.keys()
    with pytest.raises(FieldError, match="positive inside"):
        bake_sdf.run(BakeSdf(field=path, positive_inside=True), SilentReporter(tmp_path / "out"))


def test_a_damaged_file_says_so(field, tmp_path):
    path = tmp_path / "field.npz"
    write_neural_field(path, field)
    with np.load(path) as file:
        content = {name: file[name] for name in file.files}
    spoilt = {
        "networks of width": {"config": np.array(str(content["config"]).replace('"width": 64', '"width": 10000000'))},
        "its own sizes": {"config": np.array(str(content["config"]).replace('"width": 64', '"width": 96'))},
        "where its head lies": {"world_to_field": np.zeros((4, 4))},
        "newer Maquette": {"version": np.array(9)},
        "no fitted network": {"format": np.array("another")},
    }
    for said, change in spoilt.items():
        np.savez(path, **(content | change))
        with pytest.raises(FieldError, match=said):
            read_neural_field(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(FieldError, match=r"field\.npz"):
        read_neural_field(path)


def test_a_fit_that_was_stopped_goes_on_as_it_would_have(views, tmp_path, monkeypatch):
    monkeypatch.setattr("backend.checkpoint.SECONDS_BETWEEN_PARTS", 0.0)
    config = dataclasses.replace(TINY, epochs=4, rays=64, cameras=True)
    whole = fitted(views, tmp_path / "whole", config)

    class Impatient(SilentReporter):
        def step(self, n=None):
            super().step(n)
            if self._step == 2 * len(views) + 3:
                raise Cancelled

    with pytest.raises(Cancelled):
        fitted(views, tmp_path / "part", config, Impatient(tmp_path / "part"))
    rest = fitted(views, tmp_path / "part", config)
    assert len(rest.history) == 4
    np.testing.assert_array_equal(rest(surface_points(50)), whole(surface_points(50)))
    # Cameras moved, but not together: nobody could tell that from where they began.
    assert rest.cameras.keys() == {view.name for view in views}
    shift = [np.linalg.inv(rest.cameras[v.name])[:3, 3] - v.camera.centre for v in views]
    assert 0 < np.linalg.norm(shift, axis=1).max() < 0.02
    # The masks' box was found with cameras that were as far off.
    assert (rest.low < sphere_of(views).low).all() and (rest.high > sphere_of(views).high).all()
    assert np.linalg.norm(np.mean(shift, axis=0)) < 0.3 * np.linalg.norm(shift, axis=1).max()


def test_a_step_whose_derivative_is_not_finite_is_left_out(views, tmp_path, monkeypatch):
    steps, first = step_losses, []

    def spoilt(networks, cameras, view, *rest):
        found = steps(networks, cameras, view, *rest)
        if not first:  # worth 0, with a derivative of 0 / 0 by the cameras alone
            found["rgb"] = found["rgb"] + (0 * cameras.turns.sum()).sqrt()
        first.append(view)
        return found

    monkeypatch.setattr("backend.head.neural_surface.reconstruct.step_losses", spoilt)
    found = fitted(views, tmp_path, dataclasses.replace(TINY, epochs=1, rays=48, cameras=True))
    poses = np.stack([found.cameras[view.name] for view in views])
    assert np.isfinite(poses).all()
    moved = np.abs(poses - [view.world_to_camera for view in views]).max(axis=(1, 2))
    assert (moved > 0).all() and np.isfinite(found(surface_points(20))).all()


def test_a_view_without_a_mask_and_without_labels_takes_part(views, tmp_path):
    bare = [dataclasses.replace(view, labels=None, hair=None, orientation=None) for view in views]
    bare[1] = dataclasses.replace(bare[1], person=None)
    found = fitted(bare, tmp_path, dataclasses.replace(TINY, epochs=1, rays=64))
    assert found.history[0].keys() == {"rgb", "mask", "eikonal"}
    assert not found.labelled


def test_the_request_sets_order_and_weights(tmp_path):
    request = ReconstructHead(
        capture=tmp_path, preset="paper", networks="reduced", rounds=60, prior_order="O-S-P", weights="mask=2"
    )
    config = config_of(request)
    assert (config.width, config.order, config.weights.mask, config.epochs) == (REDUCED.width, "O-S-P", 200.0, 60)
    # Cameras move, as published, unless they shall not.
    assert config.cameras
    assert not config_of(dataclasses.replace(request, fixed_cameras=True)).cameras
    assert config_of(dataclasses.replace(request, networks="published", rounds=0)).epochs == PUBLISHED.epochs
