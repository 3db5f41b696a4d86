"""Wrong numbers, noise, and what holds no cameras: one sentence each, whatever program a file is of."""

import contextlib
import json
import re
import struct

import numpy as np
import pytest

from backend.capture.camera_files import read_camera_file
from backend.errors import CameraFileError
from tests.unit import camera_rigs as rigs
from tests.unit.camera_rigs import WRITERS


@pytest.fixture
def project(tmp_path):
    return rigs.make_project(tmp_path)


@pytest.fixture
def run(project, capfd):
    """run(file, ...): (exit code, what was said), with the capture in ``project / "out"``."""
    return lambda file, *options: rigs.import_cameras(project, capfd, file, *options)


@pytest.mark.parametrize("kind", WRITERS)
def test_cut_off_anywhere_is_one_sentence(project, kind):
    """Whatever is left of a file is read as it is, or one sentence says what is wrong with it."""
    rig, write = WRITERS[kind]
    path = write(project, rig)
    files = [path] if path.is_file() else [next(path.glob("images.*")), next(path.glob("cameras.*"))]
    refused = 0
    for file in files:
        whole = file.read_bytes()
        for part in (*np.linspace(0, 1, 41)[:-1], 0.999):
            file.write_bytes(whole[: int(part * len(whole))])
            try:
                read_camera_file(path)
            except CameraFileError as trouble:
                refused += 1
                assert str(trouble).endswith(".") and "\n" not in str(trouble) and 20 < len(str(trouble)) < 420
        file.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(CameraFileError, match=file.name):
            read_camera_file(path)
        file.write_bytes(whole)
    assert refused > 30


def in_text(old, new, count=1):
    """An edit of a text file: the first such words become others."""

    def edit(path):
        text = path.read_text("utf-8-sig")
        assert old in text
        path.write_text(text.replace(old, new, count), "utf-8")

    return edit


def in_json(*keys, value):
    """An edit of a JSON file at a place of its object."""

    def edit(path):
        values = json.loads(path.read_text("utf-8"))
        inner = values
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value
        path.write_text(json.dumps(values), "utf-8")

    return edit


def in_bytes(at, layout, value):
    """An edit of a binary file."""

    def edit(path):
        data = bytearray(path.read_bytes())
        struct.pack_into("<" + layout, data, at, value)
        path.write_bytes(bytes(data))

    return edit


def in_column(row, column, value):
    """An edit of a cell of a CSV file."""

    def edit(path):
        lines = [line.split(",") for line in path.read_text("utf-8-sig").splitlines()]
        lines[row][column] = value
        path.write_text("\n".join(map(",".join, lines)) + "\n", "utf-8")

    return edit


def in_arrays(**others):
    """An edit of an .npz: other arrays under these names."""

    def edit(path):
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        np.savez(path, **(arrays | others))

    return edit


NAN = float("nan")
WRONG = [
    ("colmap text", "sparse/0/cameras.txt", in_text("120.0", "-120.0"), "focal length of -120"),
    ("colmap text", "sparse/0/cameras.txt", in_text("120.0", "1e9"), "focal length of 1e"),
    ("colmap text", "sparse/0/cameras.txt", in_text("47.2", "nan"), "a parameter is nan"),
    ("colmap text", "sparse/0/cameras.txt", in_text("47.2", "4720"), "principal point"),
    ("colmap text", "sparse/0/cameras.txt", in_text("47.2", "47,2"), "must be a number, not '47,2'"),
    ("colmap text", "sparse/0/cameras.txt", in_text(" 96 64 ", " 0 64 "), "0 by 64"),
    ("colmap text", "sparse/0/cameras.txt", in_text("3 FULL", "4 FULL"), "view_0.png is taken with camera 3"),
    ("colmap text", "sparse/0/cameras.txt", in_text("-0.12 ", "-9.0 "), "folds the picture"),
    ("colmap text", "sparse/0/images.txt", in_text("\n7 ", "\n7 9"), "quaternion of length"),
    ("colmap text", "sparse/0/images.txt", in_text("\n7 ", "\n7 x"), "must be a number, not 'x"),
    ("colmap text", "sparse/0/images.txt", in_text("images: 6", "images: 7"), "7 images, but lists 6"),
    ("colmap binary", "sparse/0/cameras.bin", in_bytes(0, "Q", 2**60), "cut off, or its counts"),
    ("colmap binary", "sparse/0/cameras.bin", in_bytes(16, "Q", 2**30), "1073741824 by 64"),
    ("colmap binary", "sparse/0/cameras.bin", in_bytes(32, "d", NAN), "a parameter is nan"),
    ("colmap binary", "sparse/0/cameras.bin", in_bytes(12, "i", -5), "number -5 is not read"),
    ("colmap binary", "sparse/0/images.bin", in_bytes(0, "Q", 2**62), "at most 10,000"),
    ("colmap binary", "sparse/0/images.bin", in_bytes(12, "d", 5.0), "quaternion of length"),
    ("colmap binary", "sparse/0/images.bin", in_bytes(68, "I", 77), "camera 77"),
    ("nerfstudio", "transforms.json", in_json("frames", 2, "fl_x", value="wide"), "view_2.png: fl_x must be a number"),
    ("nerfstudio", "transforms.json", in_json("frames", 2, "fl_x", value=-3), "focal length of -3"),
    ("nerfstudio", "transforms.json", in_json("frames", 2, "w", value=0), "0 by 64"),
    ("nerfstudio", "transforms.json", in_json("frames", 2, "transform_matrix", 1, 2, value=NAN), "view_2.png.* is nan"),
    ("nerfstudio", "transforms.json", in_json("frames", 2, "transform_matrix", 1, 2, value=7), "no rotation"),
    ("nerfstudio", "transforms.json", in_json("frames", 2, "transform_matrix", value=[[1, 2]]), "16 numbers, not 2"),
    ("nerfstudio", "transforms.json", in_json("frames", 2, value=[]), "frame 2 is not a table"),
    ("nerfstudio", "transforms.json", in_json("frames", 2, "file_path", value=7), "frame 2 names no picture"),
    ("nerfstudio", "transforms.json", in_json("frames", value=[]), "lists no frames"),
    ("instant-ngp", "transforms_train.json", in_json("camera_angle_x", value=9.0), "between 0 and pi"),
    ("instant-ngp", "transforms_train.json", in_json("is_fisheye", value=True), "is_fisheye is not read"),
    ("metashape", "cameras.xml", in_text("<f>126.0</f>", "<f>-126.0</f>"), "focal length of -132"),
    ("metashape", "cameras.xml", in_text("<f>126.0</f>", "<f>126,0</f>"), "f must be a number, not '126,0'"),
    ("metashape", "cameras.xml", in_text("<k1>-0.12<", "<k1>inf<"), "k1 is inf"),
    ("metashape", "cameras.xml", in_text('_0"><transform>', '_0"><transform>1 '), "must be 16 numbers, not 17"),
    ("metashape", "cameras.xml", in_text('sensor_id="0"', 'sensor_id="5"'), "sensor 5"),
    ("metashape", "cameras.xml", in_text(">1.0</scale>", ">0.0</scale>"), "no rotation and scale"),
    ("metashape", "cameras.xml", in_text("<document", "<!DOCTYPE a [<!ENTITY b 'c'>]><document"), "entities"),
    ("realitycapture", "rc.csv", in_column(4, 7, "-45"), "view_2.png: a focal length of -120"),
    ("realitycapture", "rc.csv", in_column(4, 5, "up"), "view_2.png: pitch must be a number, not 'up'"),
    ("realitycapture", "rc.csv", in_column(4, 1, "nan"), "view_2.png: x is nan"),
    ("realitycapture", "rc.csv", in_column(1, 4, "bearing"), "lacks the columns heading"),
    ("meshroom", "cameras.sfm", in_json("intrinsics", 0, "focalLength", value="-29"), "focal length of -118"),
    ("meshroom", "cameras.sfm", in_json("intrinsics", 0, "sensorWidth", value="0"), "0.0 mm wide"),
    ("meshroom", "cameras.sfm", in_json("intrinsics", 0, "distortionParams", value=["0.1"]), "5 numbers, not 1"),
    ("meshroom", "cameras.sfm", in_json("poses", 2, "pose", "transform", "rotation", 4, value="3"), "rotation is none"),
    ("meshroom", "cameras.sfm", in_json("poses", 2, "pose", "transform", "center", 0, value="nan"), "centre is nan"),
    ("meshroom", "cameras.sfm", in_json("poses", value=[]), "lists no solved views"),
    ("meshroom", "cameras.sfm", in_json("views", 2, "intrinsicId", value="8"), "view_2.png has the lens 8"),
    ("idr", "cameras.npz", in_arrays(world_mat_2=np.full((4, 4), NAN)), "camera 2 holds NaN"),
    ("idr", "cameras.npz", in_arrays(world_mat_2=np.ones((4, 4))), "camera 2 is no projection"),
    ("idr", "cameras.npz", in_arrays(world_mat_2=np.eye(3)), "camera 2 is no matrix of 4 by 4"),
    ("idr", "cameras.npz", in_arrays(world_mat_2=np.eye(4)), "view_2.png: a focal length of 1 pixels"),
    ("idr", "cameras.npz", in_arrays(world_mat_6=np.eye(4)), "7 cameras without names, and 6 pictures"),
]  # fmt: skip


@pytest.mark.parametrize("kind, file, edit, words", WRONG, ids=[f"{w[1].rpartition('/')[2]}: {w[3]}" for w in WRONG])
def test_a_wrong_number_is_one_sentence(project, run, kind, file, edit, words):
    rig, write = WRITERS[kind]
    path = write(project, rig)
    edit(project / file)
    code, said = run(path)
    sentences = [line for line in said.splitlines() if line.startswith("maquette: ")]
    assert code == 2 and len(sentences) == 1, said
    assert re.search(words, sentences[0]), sentences[0]
    assert file.rpartition("/")[2].partition(".")[0] in sentences[0] or "pictures" in sentences[0]
    assert not (project / "out" / "transforms.json").exists()


@pytest.mark.parametrize("kind", ["colmap binary", "idr", "metashape"])
def test_noise_is_one_sentence_or_cameras(project, kind):
    """Bytes changed anywhere: never a fault of ours."""
    rig, write = WRITERS[kind]
    path = write(project, rig)
    files = [path] if path.is_file() else [next(path.glob("images.*")), next(path.glob("cameras.*"))]
    random = np.random.default_rng(1)
    for file in files:
        whole = file.read_bytes()
        for _ in range(60):
            noisy = bytearray(whole)
            for at in random.integers(0, len(whole), 3):
                noisy[at] = random.integers(0, 256)
            file.write_bytes(bytes(noisy))
            with contextlib.suppress(CameraFileError):
                for camera in read_camera_file(path).cameras:
                    camera.camera(rigs.WIDTH, rigs.HEIGHT, "noisy")
        file.write_bytes(whole)


def test_degrees_are_no_positions(project, run):
    """RealityCapture writes longitudes and latitudes where its project is on the globe."""
    globe = rigs.Rig(centres=[np.array([13.4, 52.5, 30.0]) + c * [1e-5, 6e-6, 1] for c in rigs.BROWN.centres])
    code, said = run(rigs.write_realitycapture(project / "rc.csv", globe))
    assert code == 2 and "longitudes and latitudes" in said.splitlines()[-1]
    metres = rigs.Rig(centres=[np.array([13.4, 52.5, 30.0]) + c for c in rigs.BROWN.centres])
    assert run(rigs.write_realitycapture(project / "rc.csv", metres))[0] == 0


def test_what_holds_no_cameras_says_what_does(project, run):
    (project / "project.psx").write_text("<document/>")
    (project / "notes.md").write_text("hello")
    (project / "other.json").write_text('{"a": 1}')
    (project / "page.xml").write_text("<html/>")
    (project / "table.csv").write_text("a,b,c,d\n1,2,3,4\n")
    (project / "empty.npz").write_bytes(b"")
    for name, words in (
        ("gone.xml", "There is no gone.xml"),
        ("project.psx", "export its cameras from Metashape as XML"),
        ("notes.md", "holds no cameras in a form that is known; choose a COLMAP model"),
        ("other.json", "other.json lists no frames"),
        ("page.xml", "no chunk"),
        ("table.csv", "lacks the columns name, x, y"),
        ("empty.npz", "empty.npz cannot be read"),
        ("images", "no cameras in the folder images"),
    ):
        code, said = run(project / name)
        assert code == 2 and words in said.splitlines()[-1], said
