"""Every bad capture that an artist can bring, from the shell to the strands: it works, or one sentence says why not."""

import dataclasses
import json
import re
import shutil

import cv2
import numpy as np
import pytest
import torch

from backend.command_line import main
from backend.formats.capture import Camera, Capture, View, read_capture, write_capture
from backend.formats.head import Head, write_head
from backend.formats.strands import read_npz
from backend.hair import presets
from tests.unit.hair_scene import cameras, make_scene

VIEWS, SIZE = 6, 80


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A capture of the analytic scene, with its head beside it."""
    scene = make_scene(strands=400, views=VIEWS, size=SIZE, points=30)
    torch.set_num_threads(1)  # arrays this small are slower on two
    folder = tmp_path_factory.mktemp("good") / "une tête à moi 頭"
    views = []
    for view, (intrinsics, world_to_camera) in zip(scene.views, cameras(VIEWS, SIZE)):
        write(folder / "images" / f"{view.name}.png", view.image[..., ::-1])
        for kind in ("hair", "bust"):
            write(folder / "masks" / kind / f"{view.name}.png", np.rint(getattr(view, kind) * 255).astype(np.uint8))
        pose = np.linalg.inv(world_to_camera) @ np.diag([1.0, -1, -1, 1])
        camera = Camera(SIZE, SIZE, intrinsics[0, 0], intrinsics[0, 0], SIZE / 2, SIZE / 2, pose)
        views.append(View(view.name, folder / "images" / f"{view.name}.png", camera))
    write_capture(Capture(folder, tuple(views), scale_source="rendered"))
    write_head(folder / "head.npz", Head(scene.vertices, scene.faces, regions={"scalp": scene.scalp}))
    return folder


@pytest.fixture(scope="module", autouse=True)
def quick():
    """A preset small enough for tests."""
    patch = pytest.MonkeyPatch()
    small = presets.Preset(
        image_side=SIZE,
        most_views=VIEWS,
        orientation=presets.OrientationConfig(method="structure tensor"),
        volume=presets.VolumeConfig(spacing=0.01, visible=0.012),
        shell=presets.ShellConfig(directions=60),
        growth=presets.GrowthConfig(step=0.004, uncovered=0.006),
        refine=presets.RefineConfig(steps=0),
    )
    patch.setitem(presets.PRESETS, "draft", small)
    yield
    patch.undo()


@pytest.fixture
def folder(good, tmp_path):
    """A copy to spoil; its path has spaces and letters of several scripts."""
    return shutil.copytree(good, tmp_path / "ma capture ü 髪")


@pytest.fixture
def reconstruct(folder, capfd):
    """reconstruct(): (exit code, what was said on standard error)."""

    def run(*options):
        out = folder.parent / "résultat 1"
        head = ["--head", str(folder / "head.npz")]
        settings = ["--preset", "draft", "--strands", "200", "--points", "12", "--device", "cpu", "--stages", "hull"]
        code = main(["reconstruct-hair", str(folder), *head, *settings, "--out", str(out), *options])
        said = capfd.readouterr().err
        assert "Traceback" not in said
        if code == 0:
            strands = read_npz(out / "strands.npz")
            assert len(strands) > 50 and np.isfinite(strands.points).all()
            assert np.abs(strands.points).max() < 0.5  # on the head, not somewhere in space
        return code, said

    return run


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())


def read(path, how=cv2.IMREAD_UNCHANGED):
    return cv2.imdecode(np.fromfile(path, np.uint8), how)


def change(folder, edit):
    """Edit transforms.json; ``edit`` gets its object."""
    path = folder / "transforms.json"
    values = json.loads(path.read_text("utf-8"))
    edit(values)
    path.write_text(json.dumps(values), "utf-8")


def no_masks(folder):
    shutil.rmtree(folder / "masks")


def no_hair_masks(folder):
    shutil.rmtree(folder / "masks" / "hair")


def one_view(folder):
    change(folder, lambda values: values.update(frames=values["frames"][:1]))


def no_views(folder):
    change(folder, lambda values: values.update(frames=[]))


def cameras_that_look_away(folder):
    def turn(values):
        for frame in values["frames"]:
            matrix = np.array(frame["transform_matrix"])
            frame["transform_matrix"] = (matrix @ np.diag([1.0, -1, -1, 1])).tolist()

    change(folder, turn)


def mask_of_another_shape(folder):
    write(folder / "masks" / "hair" / "view_000.png", np.full((50, 90), 255, np.uint8))


def unreadable_image(folder):
    (folder / "images" / "view_001.png").write_bytes(b"\x89PNG and then nothing")


def missing_image(folder):
    (folder / "images" / "view_001.png").unlink()


def nan_in_a_matrix(folder):
    change(folder, lambda values: values["frames"][2]["transform_matrix"][1].__setitem__(3, float("nan")))


def half_a_matrix(folder):
    change(folder, lambda values: values["frames"][2].update(transform_matrix=[[1, 0], [0, 1]]))


def empty_hair_masks(folder):
    for path in (folder / "masks" / "hair").iterdir():
        write(path, np.zeros((SIZE, SIZE), np.uint8))


def torn_transforms(folder):
    path = folder / "transforms.json"
    path.write_text(path.read_text("utf-8")[:200], "utf-8")


def no_transforms(folder):
    (folder / "transforms.json").unlink()


@pytest.mark.parametrize(
    "spoil, words",
    [
        (no_masks, "no hair masks"),
        (no_hair_masks, "no hair masks"),
        (one_view, "at least 3"),
        (no_views, "no frames"),
        (cameras_that_look_away, "look away"),
        (mask_of_another_shape, "90 by 50"),
        (unreadable_image, r"view_001\.png"),
        (missing_image, r"view_001\.png"),
        (nan_in_a_matrix, "view_002"),
        (half_a_matrix, "view_002"),
        (empty_hair_masks, "empty"),
        (torn_transforms, r"transforms\.json"),
        (no_transforms, r"transforms\.json"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_sentence_says_what_is_wrong(folder, reconstruct, spoil, words):
    spoil(folder)
    code, said = reconstruct()
    sentences = [line for line in said.splitlines() if line.startswith("maquette: ")]
    assert code == 2 and len(sentences) == 1
    assert re.search(words, sentences[0]), sentences[0]


def no_bust_masks(folder):
    shutil.rmtree(folder / "masks" / "bust")


def one_empty_hair_mask(folder):
    write(folder / "masks" / "hair" / "view_003.png", np.zeros((SIZE, SIZE), np.uint8))


def mask_of_half_the_size(folder):
    path = folder / "masks" / "hair" / "view_000.png"
    write(path, cv2.resize(read(path), (SIZE // 2, SIZE // 2), interpolation=cv2.INTER_AREA))


def images_of_every_kind(folder):
    """16-bit RGB, 8-bit grey, RGBA, 16-bit grey."""
    paths = sorted((folder / "images").iterdir())
    write(paths[0], read(paths[0]).astype(np.uint16) * 257)
    write(paths[1], read(paths[1], cv2.IMREAD_GRAYSCALE))
    write(paths[2], np.dstack([read(paths[2]), np.full((SIZE, SIZE), 255, np.uint8)]))
    write(paths[3], read(paths[3], cv2.IMREAD_GRAYSCALE).astype(np.uint16) * 257)


def images_that_are_not_square(folder):
    rows = slice(8, SIZE - 4)

    def crop(values):
        for holder in (values, *values["frames"]):
            if "h" in holder:
                holder["h"], holder["cy"] = SIZE - 12, holder["cy"] - 8

    for path in folder.rglob("*.png"):
        write(path, read(path)[rows])
    change(folder, crop)


def lens_distortion(folder):
    """The pictures as a lens with barrel distortion takes them."""
    capture, distorted = read_capture(folder), []
    for view in capture.views:
        lens = dataclasses.replace(view.camera, distortion=(-0.25, 0.05, 0.001, -0.001, 0.0))
        # Where the pinhole's picture has what each pixel of the lens's picture sees; OpenCV counts from pixel centres.
        matrix = lens.intrinsics - [[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]]
        pixels = np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), axis=-1).reshape(-1, 1, 2).astype(np.float32)
        sources = cv2.undistortPoints(pixels, matrix, np.array(lens.distortion), P=matrix).reshape(SIZE, SIZE, 2)
        for path in (view.image, *view.masks.values()):
            write(path, cv2.remap(read(path), sources, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
        distorted.append(View(view.name, view.image, lens))
    write_capture(Capture(folder, tuple(distorted), capture.metres_per_unit, capture.scale_source))


@pytest.mark.parametrize(
    "spoil, words",
    [
        (None, ""),
        (no_bust_masks, "no bust masks"),
        (one_empty_hair_mask, r"view_003.*empty|empty.*view_003"),
        (mask_of_half_the_size, "stretched"),
        (images_of_every_kind, ""),
        (images_that_are_not_square, ""),
        (lens_distortion, ""),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_it_works_all_the_same(folder, reconstruct, spoil, words):
    if spoil is not None:
        spoil(folder)
    code, said = reconstruct()
    assert code == 0, said
    assert re.search(words, said, re.DOTALL), said


def test_heads_that_are_none(folder, reconstruct):
    for name, data in (("bad.obj", b"this is no mesh"), ("bad.npz", b"PK"), ("none.ply", None)):
        if data is not None:
            (folder / name).write_bytes(data)
        code, said = reconstruct("--head", str(folder / name))
        assert code == 2 and name in said.splitlines()[-1]
