"""What guides the reconstruction of heads: views, labels, directions of hair, the fitted face."""

import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from backend.errors import CaptureError, HeadError
from backend.formats.capture import read_capture
from backend.formats.flame_files import read_flame_model
from backend.formats.head import BUILT_IN_HEAD, read_head
from backend.hair.presets import OrientationConfig
from backend.head.priors import semantics
from backend.head.priors.gather import FROM_HEAD, FROM_PICTURES, gather
from backend.head.priors.orientation import best_kernel, direction
from backend.head.priors.proxy import Proxy, read_proxy
from backend.head.priors.semantics import CLASSES
from backend.head.priors.views import load_head_views
from backend.protocol import SilentReporter

from .photo_scene import render_scene, ring

SIZE = 96


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Four small photographs of the built-in head, with masks but no labels."""
    model = read_flame_model(BUILT_IN_HEAD)
    vertices = np.asarray(read_head(BUILT_IN_HEAD).vertices, np.float64)
    return render_scene(tmp_path_factory.mktemp("head"), model, vertices, ring(4, SIZE), supersampling=1)


@pytest.fixture(scope="module")
def proxy(scene):
    head = read_head(BUILT_IN_HEAD)
    return Proxy(scene.vertices, head.faces, dict(head.regions), "built-in")


def copied(scene, tmp_path):
    return shutil.copytree(scene.capture.folder, tmp_path / "capture")


def test_views_come_with_masks_and_cameras(scene):
    views = load_head_views(read_capture(scene.capture.folder))
    assert len(views) == 4
    assert views[0].image.dtype == np.float32
    assert views[0].image.max() <= 1
    assert views[0].person.shape == (SIZE, SIZE)
    assert views[0].labels is None
    smaller = views[0].reduced(48)
    # A point of the world is at the same share of the picture.
    at, _ = views[0].camera.project(scene.vertices[:5])
    half, _ = smaller.camera.project(scene.vertices[:5])
    np.testing.assert_allclose(half, at / 2, atol=1e-9)
    np.testing.assert_allclose(views[0].scaled(2.0).camera.project(2 * scene.vertices[:5])[0], at, atol=1e-9)


def test_a_missing_mask_leaves_the_picture(scene, tmp_path):
    folder = copied(scene, tmp_path)
    for kind in ("bust", "person"):
        (folder / "masks" / kind / "view_01.png").unlink()
    told = []
    views = load_head_views(read_capture(folder), warn=told.append)
    assert [view.person is None for view in views] == [False, True, False, False]
    assert any("no mask of the person" in sentence and "view_01" in sentence for sentence in told)
    for name in ("view_00", "view_02"):
        for kind in ("bust", "person"):
            (folder / "masks" / kind / f"{name}.png").unlink()
    with pytest.raises(CaptureError, match="1 of 4 photographs have a mask of the person"):
        load_head_views(read_capture(folder))


def test_labels_of_another_parser_are_read_by_their_names(scene, tmp_path):
    folder = copied(scene, tmp_path)
    table = {0: "background", 1: "skin", 4: "l_eye", 12: "u_lip", 13: "hair", 14: "hat", 16: "cloth", 9: "earring"}
    shutil.rmtree(folder / "masks" / "bust")  # masks come first where they tell hair from skin
    (folder / "labels").mkdir()
    (folder / "labels" / "classes.json").write_text(json.dumps(table))
    picture = np.zeros((SIZE, SIZE), np.uint8)
    picture[:20], picture[20:30], picture[30:40], picture[40:50], picture[50:60] = 13, 1, 12, 9, 16
    cv2.imwrite(str(folder / "labels" / "view_00.png"), picture)
    views = load_head_views(read_capture(folder))
    rows = views[0].labels[[5, 25, 35, 45, 55, 80], 40]
    names = ["hair", "face", "lips", None, "body", "background"]
    assert rows.tolist() == [semantics.NOT_SAID if name is None else CLASSES.index(name) for name in names]
    np.testing.assert_array_equal(views[0].hair, views[0].labels == semantics.HAIR)
    assert views[1].labels is None
    assert load_head_views(read_capture(folder), labels=False)[0].labels is None
    found, priors = gather(views, None, SilentReporter(tmp_path), hair_label=False)
    assert priors.semantics == FROM_PICTURES
    assert found[0].labels[5, 40] == semantics.BACKGROUND
    (folder / "labels" / "classes.json").write_text("[1, 2]")
    with pytest.raises(CaptureError, match=r"classes\.json"):
        load_head_views(read_capture(folder))


def test_the_fitted_head_stands_in_for_labels(scene, proxy, tmp_path):
    views = load_head_views(read_capture(scene.capture.folder))
    found, priors = gather(views, proxy, SilentReporter(tmp_path))
    assert priors.semantics == FROM_HEAD
    assert priors.told()["asked_for_but_missing"] == ["orientation"]
    front = found[0].labels
    row, column = np.floor(views[0].camera.project(scene.vertices)[0]).astype(int).T[::-1]
    nose = proxy.regions["nose"]
    tip = nose[np.argmin(scene.vertices[nose, 1])]
    assert front[row[tip], column[tip]] == CLASSES.index("nose")
    assert set(np.unique(front)) >= {CLASSES.index(name) for name in ("face", "nose", "lips", "eyes", "eyebrows")}
    # From behind there is neither nose nor lips.
    assert not np.isin(found[2].labels, [CLASSES.index("nose"), CLASSES.index("lips")]).any()


def test_the_faces_prior_is_what_pictures_show(scene, proxy):
    views = load_head_views(read_capture(scene.capture.folder))
    seen = proxy.seen_face(views)
    assert 0.6 < seen.sum() / proxy.face().sum() <= 1
    points, normals = proxy.samples(seen, 2000, np.random.default_rng(0))
    assert np.quantile(points[:, 1], 0.9) < 0  # in front
    assert (normals[:, 1] < 0).mean() > 0.75  # outwards
    fringe = np.zeros((SIZE, SIZE), np.float32)
    fringe[: SIZE // 2] = 1
    covered = proxy.seen_face([replace(view, hair=fringe) for view in views])
    assert (covered & ~seen).sum() == 0
    assert covered.sum() < 0.7 * seen.sum()


def test_a_mesh_without_regions_is_all_face(tmp_path):
    from backend.formats.mesh_ply import write_ply

    corners = np.array([[0, 0, 0], [0.1, 0, 0], [0, 0, 0.1], [0, 0.1, 0]])
    write_ply(tmp_path / "face.ply", corners, np.array([[0, 1, 2], [0, 2, 3]]))
    read = read_proxy(tmp_path / "face.ply")
    assert read.face().all()
    with pytest.raises(HeadError, match="no fitted head"):
        read_proxy(tmp_path)


@pytest.mark.parametrize("degrees", [0, 22.5, 90, 157.5])
def test_the_best_kernel_lies_along_the_lines(degrees):
    from .test_hair_orientation import striped

    found = best_kernel(striped(np.deg2rad(degrees)), np.ones((96, 96), np.float32), OrientationConfig())
    middle = direction(found)[24:-24, 24:-24]
    line = torch.tensor([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))], dtype=torch.float32)
    # Equation 16's measure: 0 where both run alike. Kernels are 5.6 degrees apart.
    assert float((1 - (middle @ line).abs()).median()) < 1 - np.cos(np.deg2rad(3))
    assert len(found.angle.unique()) <= 32
