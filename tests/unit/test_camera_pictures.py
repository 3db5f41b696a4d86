"""The pictures of solved cameras: found wherever they are, brought into a capture, and told where they do not fit."""

import json
import shutil

import cv2
import numpy as np
import pytest

from backend.formats.capture import read_capture
from tests.unit import camera_rigs as rigs
from tests.unit.camera_rigs import BROWN, NAMES, PINHOLE, POINTS


@pytest.fixture
def project(tmp_path):
    return rigs.make_project(tmp_path)


@pytest.fixture
def run(project, capfd):
    """run(file, ...): (exit code, what was said), with the capture in ``project / "out"``."""
    return lambda file, *options: rigs.import_cameras(project, capfd, file, *options)


def names(project):
    return [view.image.name for view in read_capture(project / "out").views]


def test_a_folder_of_pictures_is_looked_through(project, run):
    """Wherever in the folder they lie, and whatever the ending that the file gives them."""
    file = rigs.write_metashape(project / "cameras.xml", BROWN)
    shutil.move(project / "images", project / "shoot")
    (project / "shoot" / "day 2").mkdir()
    for name in NAMES[3:]:
        shutil.move(project / "shoot" / name, project / "shoot" / "day 2" / name.upper())
    wanted = [*(name[:-4] for name in NAMES[:3]), *(name[:-4].upper() for name in NAMES[3:])]
    for options in ((), (), ("--images", project / "shoot")):  # again, with the capture of the first time beside them
        code, said = run(file, *options)
        assert code == 0 and [view.name for view in read_capture(project / "out").views] == wanted, said
        assert all(name.endswith(".png") for name in names(project))
        assert json.loads((project / "out" / "result.json").read_text("utf-8"))["pictures"] == str(project / "shoot")
    (project / "elsewhere").mkdir()
    rigs.write_pictures(project / "elsewhere", ("other.png",))
    code, said = run(file, "--images", project / "elsewhere")
    assert code == 2 and "None of the pictures that cameras.xml names (view_0, view_1, view_2, ...)" in said


def test_missing_pictures_are_told_and_the_rest_is_taken(project, run):
    file = rigs.write_colmap_binary(project / "sparse", BROWN)
    (project / "images" / NAMES[1]).unlink()
    code, said = run(file)
    assert code == 0 and "The picture view_1.png is not there; 5 of 6 are taken." in said
    (project / "images" / NAMES[4]).unlink()
    code, said = run(file)
    assert code == 0 and "2 pictures (view_1.png, view_4.png) are not there; 4 of 6 are taken." in said
    assert names(project) == [NAMES[0], NAMES[2], NAMES[3], NAMES[5]]
    code, said = run(file, "--images", project / "nowhere")
    assert code == 2 and "There is no folder" in said
    (project / "empty").mkdir()
    code, said = run(file, "--images", project / "empty")
    assert code == 2 and "holds no pictures" in said


def test_a_size_that_disagrees(project, run):
    """Smaller copies of the solved pictures are as good; any other size is not of the same picture."""
    file = rigs.write_nerfstudio(project / "transforms.json", BROWN)
    rigs.write_pictures(project / "images", size=(48, 32))
    code, said = run(file)
    assert code == 0 and "view_0.png has 48 by 32 pixels and was solved with 96 by 64" in said
    for k, view in enumerate(read_capture(project / "out").views):
        assert np.abs(2 * view.camera.project(POINTS)[0] - BROWN.pixels(k)).max() < 1e-4
    rigs.write_pictures(project / "images", NAMES[2:3], (70, 64))
    code, said = run(file)
    assert code == 2 and "view_2.png has 70 by 64 pixels, but its camera was solved with 96 by 64" in said
    rigs.write_pictures(project / "images", NAMES[2:3], (64, 96))
    code, said = run(file)
    assert code == 2 and "turned on its side" in said.splitlines()[-1]
    (project / "images" / NAMES[2]).write_bytes(b"no picture")
    code, said = run(file)
    assert code == 2 and "view_2.png is no picture" in said.splitlines()[-1]


def test_pictures_of_other_kinds(project, run):
    """TIFF is measured by decoding it."""
    rigs.write_pictures(project / "images", tuple(name.replace(".png", ".tif") for name in NAMES))
    for name in NAMES:
        (project / "images" / name).unlink()
    assert run(rigs.write_realitycapture(project / "rc.csv", BROWN))[0] == 0
    assert names(project) == [name.replace(".png", ".tif") for name in NAMES]


def test_cameras_without_names_take_pictures_in_order(project, run):
    file = rigs.write_idr(project / "cameras.npz", PINHOLE)
    (project / "images" / NAMES[5]).unlink()
    code, said = run(file)
    assert code == 2 and "6 cameras without names, and 5 pictures" in said
    # More pictures than cameras: by the number in their names.
    rigs.write_pictures(project / "images", tuple(f"view_{k}.png" for k in range(8)))
    assert run(file)[0] == 0 and names(project) == list(NAMES)


def test_pictures_of_one_name_in_several_folders(project, run):
    """A rig of cameras names its pictures alike; a capture does not."""
    file = rigs.write_colmap_text(project / "sparse", BROWN)
    text = (file / "images.txt").read_text()
    for k, name in enumerate(NAMES):
        text = text.replace(name, f"cam{k}/frame.png")
        rigs.write_pictures(project / "images", (f"cam{k}/frame.png",))
    (file / "images.txt").write_text(text)
    assert run(file)[0] == 0
    assert names(project) == [f"cam{k}_frame.png" for k in range(6)]
    # Where the file gives no folders, nobody can tell.
    file = rigs.write_metashape(project / "cameras.xml", BROWN)
    file.write_text(file.read_text().replace("view_0", "frame"))
    code, said = run(file, "--images", project / "images")
    assert code == 2 and "frame may be" in said and "cam0" in said


def test_one_picture_is_not_taken_for_two_cameras(project, run):
    file = rigs.write_nerfstudio(project / "transforms.json", BROWN)
    file.write_text(file.read_text().replace("images/view_1.png", "./images/view_0.png"))
    code, said = run(file)
    assert code == 2 and "are both the picture view_0.png" in said


def test_linked_pictures_are_the_same_files(project, run):
    file = rigs.write_nerfstudio(project / "transforms.json", BROWN)
    assert run(file, "--pictures", "link")[0] == 0
    taken, given = project / "out" / "images" / NAMES[0], project / "images" / NAMES[0]
    assert taken.samefile(given)
    assert run(file)[0] == 0  # and a copy of its own again
    assert not taken.samefile(given) and taken.read_bytes() == given.read_bytes()


def test_a_capture_around_the_pictures_copies_none(project, capfd):
    """--capture names the folder in which they lie already, with the masks that an artist has made for them."""
    masks = project / "masks" / "hair"
    masks.mkdir(parents=True)
    cv2.imencode(".png", np.zeros((64, 96), np.uint8))[1].tofile(masks / "view_0.png")
    file = rigs.write_metashape(project / "cameras.xml", BROWN)
    code, _ = rigs.import_cameras(project, capfd, file, "--capture", project)
    assert code == 0 and not (project / "out" / "images").exists()
    capture = read_capture(project)
    assert capture.views[0].image == project / "images" / NAMES[0] and "hair" in capture.views[0].masks
    assert sorted(path.name for path in (project / "images").iterdir()) == list(NAMES)


def test_a_file_is_not_replaced_by_its_own_capture(project, capfd):
    file = rigs.write_nerfstudio(project / "transforms.json", BROWN)
    before = file.read_bytes()
    code, said = rigs.import_cameras(project, capfd, file, "--capture", project)
    assert code == 2 and "choose another folder" in said and file.read_bytes() == before


def test_the_largest_of_several_models(project, run):
    """COLMAP leaves a model for each part of the pictures that it could put together."""
    small = rigs.write_colmap_binary(project / "sparse" / "0", BROWN)
    rigs.write_colmap_binary(project / "sparse" / "1", BROWN)
    data = (small / "images.bin").read_bytes()
    first = 8 + 4 + 56 + 4 + len(NAMES[0]) + 1 + 8
    (small / "images.bin").write_bytes((1).to_bytes(8, "little") + data[8:first])
    code, said = run(project)
    assert code == 0 and "holds 2 models; the largest, 1, is read" in said
    assert json.loads((project / "out" / "result.json").read_text("utf-8"))["views"] == 6
    code, said = run(small)
    assert code == 0 and names(project) == [NAMES[0]]
