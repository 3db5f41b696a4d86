"""Masks made here, from files and from a network; strokes; and the check of a capture."""

import dataclasses
import json
import shutil
import struct

import cv2
import numpy as np
import pytest

from backend.capture import check
from backend.capture.check import check_capture
from backend.capture.masks.colours import BINS, bins_of, hue_bins_of
from backend.capture.masks.pictures import Picture
from backend.capture.masks.store import MaskStore
from backend.contract import FindLandmarks, MakeMasks
from backend.errors import CaptureError
from backend.formats.capture import Camera, View, read_capture, write_capture
from backend.formats.capture_landmarks import Seen, read_capture_landmarks, write_capture_landmarks
from backend.formats.flame_files import read_flame_model
from backend.formats.head import BUILT_IN_HEAD
from backend.formats.mask_strokes import BACKGROUND, BUST, HAIR, label_colours, write_strokes
from backend.head.landmarked import landmarked_head
from backend.head.scale import SCALE_FILE
from backend.jobs.find_landmarks import run as find_landmarks
from backend.jobs.make_masks import run as make_masks
from backend.protocol import SilentReporter

from . import astronaut
from .photo_scene import random_head, render_scene, ring

VIEWS, SIZE = 6, 128


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Six small photographs of a bald head before coloured squares, its true masks in truth/, landmarks in all."""
    folder = tmp_path_factory.mktemp("masks") / "capture"
    model = read_flame_model(BUILT_IN_HEAD)
    random = np.random.default_rng(3)
    palette = random.integers(0, 255, (8, 3), np.uint8)
    scene = render_scene(folder, model, random_head(model, 4), ring(VIEWS, SIZE), noise=0.2, supersampling=1)
    truth = {}
    for view in scene.capture.views:
        image = cv2.imread(str(view.image))
        mask = cv2.imread(str(view.masks["bust"]), 0) > 127
        squares = palette[random.integers(0, len(palette), (SIZE // 8, SIZE // 8))]
        image[~mask] = cv2.resize(squares, (SIZE, SIZE), interpolation=cv2.INTER_NEAREST)[~mask]
        cv2.imwrite(str(view.image), image)
        truth[view.name] = mask
    shutil.rmtree(folder / "masks")
    views = tuple(dataclasses.replace(view, masks={}) for view in scene.capture.views)
    write_capture(dataclasses.replace(scene.capture, views=views))
    return folder, truth


@pytest.fixture
def capture(scene, tmp_path):
    return shutil.copytree(scene[0], tmp_path / "capture")


def made(folder, tmp_path, **settings):
    """The job's result and warnings."""
    reporter = SilentReporter(tmp_path / "job")
    result = make_masks(MakeMasks(capture=folder, **settings), reporter)
    return result, [m["text"] for m in reporter.messages if m["type"] == "warning"]


def mask(folder, kind, view):
    return cv2.imread(str(folder / "masks" / kind / f"{view}.png"), 0) > 127


def test_a_person_is_cut_out_of_a_coloured_background(capture, scene, tmp_path):
    made(capture, tmp_path, side=SIZE)
    for view, truth in scene[1].items():
        found = mask(capture, "person", view)
        assert (found & truth).sum() / (found | truth).sum() > 0.9, view
    assert mask(capture, "bust", next(iter(scene[1])))[SIZE // 2, SIZE // 2]


def test_masks_that_were_painted_are_kept(capture, tmp_path):
    store = MaskStore(capture)
    view = read_capture(capture).views[0].name
    store.write("hair", view, np.zeros((4, 4), np.float32))
    store.close()
    assert not MaskStore(capture).is_own("hair", view)
    painted = np.full((4, 4), 255, np.uint8)
    cv2.imwrite(str(capture / "masks" / "hair" / f"{view}.png"), painted)
    store = MaskStore(capture)
    store.write("hair", view, np.zeros((4, 4), np.float32))
    assert store.kept == [f"hair/{view}"]
    assert mask(capture, "hair", view).all()
    MaskStore(capture, replace=True).write("hair", view, np.zeros((4, 4), np.float32))
    assert not mask(capture, "hair", view).any()


def test_a_real_photograph_goes_through_strokes_and_clicks(tmp_path):
    folder = astronaut.astronaut_capture(tmp_path / "astronaut")
    labels = label_colours(astronaut.strokes())
    assert set(np.unique(labels)) == {0, BACKGROUND, BUST, HAIR}
    write_strokes(folder, astronaut.NAME, labels)
    clicks = {name: Seen(*at) for name, at in astronaut.CLICKS.items()}
    write_capture_landmarks(folder, {astronaut.NAME: clicks})
    made(folder, tmp_path)
    masks = {kind: mask(folder, kind, astronaut.NAME) for kind in ("hair", "bust", "person")}
    masks["background"] = ~masks["person"]
    for kind, places in astronaut.INSIDE.items():
        for x, y in places:
            assert masks[kind][y, x], (kind, x, y)
    for label, kind in ((HAIR, "hair"), (BUST, "bust"), (BACKGROUND, "background")):
        inner = cv2.erode((labels == label).astype(np.uint8), np.ones((3, 3))) > 0
        assert masks[kind][inner].mean() > 0.97


def test_shadow_keeps_its_hue():
    """Skin in deep shadow falls into the bin that skin has in light, and hair as dark as that does not."""
    skin, hair = np.array([[[224, 172, 140]]]), np.array([[[92, 84, 76]]])
    lit, shaded, other = (hue_bins_of(np.round(c).astype(np.uint8)).item() for c in (skin, 0.42 * skin, hair))
    apart = [np.abs(np.array(divmod(lit, BINS)) - divmod(b, BINS)).max() for b in (shaded, other)]
    assert apart[0] <= 2 < apart[1]
    colours = [
        bins_of(cv2.cvtColor(np.round(c).astype(np.uint8), cv2.COLOR_RGB2LAB)).item() for c in (skin, 0.42 * skin)
    ]
    assert abs(colours[0] - colours[1]) > BINS**2  # told apart by lightness


@pytest.mark.parametrize("naming", ["{stem}.png", "{stem}_mask.png", "{name}.png", "view-{number}-hair.png"])
def test_masks_of_any_naming_are_found(capture, tmp_path, naming):
    given = tmp_path / "given" / "hair"
    given.mkdir(parents=True)
    views = read_capture(capture).views
    for number, view in enumerate(views):
        picture = np.zeros((SIZE, SIZE), np.uint8)
        picture[: 10 + number] = 255
        cv2.imwrite(str(given / naming.format(stem=view.name, name=view.image.name, number=number)), picture)
    made(capture, tmp_path, source="files", files=given)
    for number, view in enumerate(views):
        assert mask(capture, "hair", view.name).sum() == SIZE * (10 + number)


def test_label_pictures_are_read_with_their_table(capture, tmp_path):
    given = tmp_path / "labels"
    given.mkdir()
    views = read_capture(capture).views
    for view in views:
        labels = np.zeros((SIZE, SIZE), np.uint8)
        labels[:40], labels[40:90] = 13, 1
        cv2.imwrite(str(given / f"{view.name}.png"), labels)
    made(capture, tmp_path, source="files", files=given, table="celebamask-hq")
    name = views[0].name
    assert mask(capture, "hair", name).sum() == 40 * SIZE
    assert mask(capture, "person", name).sum() == 90 * SIZE
    table = tmp_path / "table.json"
    table.write_text(json.dumps({"13": "wig"}))
    with pytest.raises(CaptureError, match="must be one of hair"):
        made(capture, tmp_path, source="files", files=given, table=str(table))


def test_what_is_missing_or_broken_is_said(capture, tmp_path):
    with pytest.raises(CaptureError, match="no folder"):
        made(capture, tmp_path, source="files", files=tmp_path / "nowhere")
    with pytest.raises(CaptureError, match="transparency"):
        made(capture, tmp_path, source="files")
    with pytest.raises(CaptureError, match="Choose a segmentation network"):
        made(capture, tmp_path, source="model")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    pytest.importorskip("onnxruntime")
    with pytest.raises(CaptureError, match="cannot be read as an ONNX network"):
        made(capture, tmp_path, source="model", model=broken)


def test_a_network_tells_hair_from_skin(capture, tmp_path):
    """A network of one convolution whose score for class 13 is the picture's red and for class 1 its green."""
    pytest.importorskip("onnxruntime")
    weights = np.zeros((14, 3, 1, 1), np.float32)
    weights[13, 0], weights[1, 1] = 30, 30
    model = tmp_path / "tiny.onnx"
    model.write_bytes(tiny_network(weights))
    table = tmp_path / "table.json"
    table.write_text(json.dumps({"classes": {"13": "hair", "1": "bust"}, "mean": [0, 0, 0], "std": [1, 1, 1]}))
    view = read_capture(capture).views[0]
    picture = np.zeros((SIZE, SIZE, 3), np.uint8)
    picture[:60, :, 2], picture[60:100, :, 1] = 255, 255
    cv2.imwrite(str(view.image), picture)
    made(capture, tmp_path, source="model", model=model, table=str(table))
    hair, bust = (mask(capture, kind, view.name) for kind in ("hair", "bust"))
    assert hair[:58].mean() > 0.99
    assert hair[62:].mean() < 0.01
    assert bust[62:98].mean() > 0.99
    assert bust[102:].mean() < 0.01


def tiny_network(weights: np.ndarray) -> bytes:
    """An ONNX model of one convolution with a kernel of one pixel, (1, 3, 64, 64) to (1, C, 64, 64), field by field."""

    def varint(value):
        parts = bytearray()
        while value > 127:
            parts.append(value & 127 | 128)
            value >>= 7
        return bytes([*parts, value])

    def part(number, value):
        if isinstance(value, int):
            return varint(number << 3) + varint(value)
        value = value.encode() if isinstance(value, str) else value
        return varint(number << 3 | 2) + varint(len(value)) + value

    def tensor_type(name, shape):
        dimensions = b"".join(part(1, part(1, n)) for n in shape)
        return part(1, name) + part(2, part(1, part(1, 1) + part(2, dimensions)))

    node = part(1, "x") + part(1, "w") + part(2, "y") + part(4, "Conv")
    raw = struct.pack(f"<{weights.size}f", *weights.ravel())
    tensor = b"".join(part(1, n) for n in weights.shape) + part(2, 1) + part(8, "w") + part(9, raw)
    graph = part(1, node) + part(2, "g") + part(5, tensor)
    graph += part(11, tensor_type("x", (1, 3, 64, 64))) + part(12, tensor_type("y", (1, len(weights), 64, 64)))
    return part(1, 8) + part(7, graph) + part(8, part(1, "") + part(2, 13))


def test_clicked_landmarks_are_carried_to_the_other_photographs(capture, tmp_path):
    truth = read_capture_landmarks(capture)
    most = sorted(truth, key=lambda view: -len(truth[view]))[:2]
    write_capture_landmarks(capture, {view: truth[view] for view in most})
    result = find_landmarks(FindLandmarks(capture=capture), SilentReporter(tmp_path / "job"))
    found = read_capture_landmarks(capture)
    assert result["new"] > 20
    assert read_capture_landmarks(capture, carried=False) == {v: truth[v] for v in most}
    off = [
        np.hypot(seen.x - truth[view][name].x, seen.y - truth[view][name].y)
        for view in truth if view not in most
        for name, seen in found.get(view, {}).items()
        if name in truth[view]
    ]  # fmt: skip
    assert len(off) > 5
    assert np.median(off) < 0.02 * SIZE
    # One that the artist moves is theirs from then on.
    view = next(view for view in found if view not in most and found[view])
    name = next(iter(found[view]))
    found[view][name] = Seen(3.0, 4.0)
    write_capture_landmarks(capture, found)
    assert read_capture_landmarks(capture, carried=False)[view] == {name: Seen(3.0, 4.0)}


def test_too_few_clicks_are_said(capture, tmp_path):
    write_capture_landmarks(capture, {})
    with pytest.raises(CaptureError, match="click at least 6"):
        find_landmarks(FindLandmarks(capture=capture), SilentReporter(tmp_path / "job"))


def test_the_check_names_what_is_amiss(capture, scene):
    names = list(scene[1])
    for kind in ("hair", "person"):
        (capture / "masks" / kind).mkdir(parents=True)
        for name, truth in scene[1].items():
            inside = truth & (np.arange(SIZE)[:, None] < 40) if kind == "hair" else truth
            cv2.imwrite(str(capture / "masks" / kind / f"{name}.png"), 255 * inside.astype(np.uint8))

    def findings():
        checked = check_capture(read_capture(capture), True, lambda sentence: None)
        return checked, {(f.subject, f.light): f for f in checked.findings}

    checked, found = findings()
    assert checked.light != "red", [f.sentence for f in checked.findings]
    assert ("masks", "green") in found
    assert ("sharpness", "green") in found
    blurred = capture / "images" / read_capture(capture).views[1].image.name
    cv2.imwrite(str(blurred), cv2.GaussianBlur(cv2.imread(str(blurred)), (0, 0), 2.5))
    path = capture / "masks" / "person" / f"{names[2]}.png"
    cv2.imwrite(str(path), np.roll(cv2.imread(str(path), 0), 45, axis=1))
    checked, found = findings()
    assert found["sharpness", "yellow"].views == (names[1],)
    assert names[2] in [v for f in checked.findings if f.subject == "masks" for v in f.views]
    assert checked.report()["views"][names[2]] != "green"


def test_the_check_names_a_side_that_nobody_photographed(capture):
    whole = read_capture(capture)
    write_capture(dataclasses.replace(whole, views=whole.views[:4]))
    checked = check_capture(read_capture(capture), True, lambda sentence: None)
    gaps = [f for f in checked.findings if f.subject == "coverage"]
    widest = max(gaps, key=lambda f: float(f.sentence.split(" degrees")[0].split()[-1]))
    assert widest.light == "yellow"
    assert set(widest.views) == {whole.views[0].name, whole.views[3].name}
    assert any(f.subject == "masks" and f.light == "red" for f in checked.findings)


def test_a_blur_of_some_pixels_of_a_large_photograph_is_seen(tmp_path):
    """Reduced to the size that all else is checked at, neither picture would show it."""
    random, person = np.random.default_rng(0), np.zeros((240, 320), bool)
    person[40:200, 100:220] = True
    values = []
    sharp = sum(cv2.resize(random.normal(0, 12, (1200 // n, 1600 // n)), (1600, 1200)) for n in (1, 4, 16)) + 128
    for sigma in (0, 3):
        path = tmp_path / f"{sigma}.png"
        picture = cv2.GaussianBlur(sharp, (0, 0), sigma) if sigma else sharp
        cv2.imwrite(str(path), np.repeat(picture.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2))
        camera = Camera(1600, 1200, 1500, 1500, 800, 600, np.eye(4))
        none = np.zeros((240, 320), np.uint8)
        view = View(path.stem, path, camera)
        values.append(check._detail(Picture(view, camera.resized(320, 240), none, none, none), person))
    assert values[1] < check.BLURRED * values[0]


@pytest.mark.parametrize("metres", [None, 1.0])
def test_a_head_is_laid_by_landmarks_of_some_photographs(capture, metres, tmp_path):
    """In a capture that says its unit, and in one whose unit is a quarter of a metre, which the head then tells."""
    unit = 0.25 if metres is None else 1.0
    given, views = read_capture(capture), []
    for view in given.views:
        pose = view.camera.camera_to_world.copy()
        pose[:3, 3] /= unit
        views.append(dataclasses.replace(view, camera=dataclasses.replace(view.camera, camera_to_world=pose)))
    source = given.scale_source if metres else "assumed"
    write_capture(dataclasses.replace(given, views=tuple(views), metres_per_unit=metres, scale_source=source))
    marks = read_capture_landmarks(capture)
    some = sorted(marks, key=lambda view: -sum(seen.visible for seen in marks[view].values()))[:2]
    write_capture_landmarks(capture, {view: marks[view] for view in some})
    reporter = SilentReporter(tmp_path / "job")
    head, found = landmarked_head(read_capture(capture), reporter)
    truth = random_head(read_flame_model(BUILT_IN_HEAD), 4)
    assert len(head.scalp) and head.uv is not None
    if metres is None:
        assert found == pytest.approx(unit, rel=0.05), "people differ in size"
        assert json.loads((reporter.folder / SCALE_FILE).read_text())["metres_per_unit"] == found
    else:
        assert found is None
        assert np.linalg.norm(head.vertices - truth, axis=1).mean() < 0.006
    write_capture_landmarks(capture, {some[0]: marks[some[0]]})
    assert landmarked_head(read_capture(capture), reporter) is None, "one photograph does not tell how far a head is"
