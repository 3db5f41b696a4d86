"""Landmark files of three kinds, named or in iBUG's order, and the sentences for those that are none."""

import json

import numpy as np
import pytest

from backend.errors import LandmarkError
from backend.formats.flame_model import scheme_68
from backend.formats.landmarks import Landmarks3D, guess_unit, read_landmarks, write_landmarks

POINTS = np.random.default_rng(0).normal(size=(68, 3))
PICKED = """<!DOCTYPE PickedPoints><PickedPoints><DocumentData/>
<point x="1" y="2" z="3" name="nose tip" active="1"/><point y="0" x="4" z="5" name="Left_Eye 1" active="1"/>
<point x="1" y="1" z="1" name="chin" active="1"/><point x="2" y="0" z="1" name="right eye outer corner"/>
<point x="9" y="9" z="9" name="right eye 2" active="0"/></PickedPoints>"""


def test_rows_are_in_the_order_of_the_scheme(tmp_path):
    np.save(tmp_path / "all.npy", POINTS)
    np.save(tmp_path / "inner.npy", POINTS[17:])
    everything, inner = read_landmarks(tmp_path / "all.npy"), read_landmarks(tmp_path / "inner.npy")
    assert everything.names == scheme_68() and inner.names == scheme_68()[17:]
    np.testing.assert_array_equal(everything.of(inner.names), inner.points)


def test_rows_of_nan_were_not_clicked(tmp_path):
    some = POINTS.copy()
    some[:40] = np.nan
    np.save(tmp_path / "some.npy", some)
    assert read_landmarks(tmp_path / "some.npy").names == scheme_68()[40:]


def test_picked_points_of_meshlab(tmp_path):
    (tmp_path / "a.pp").write_text(PICKED)
    found = read_landmarks(tmp_path / "a.pp")
    assert found.names == ("nose bridge 4", "left eye 1", "jaw 9", "right eye 1")
    np.testing.assert_array_equal(found.of(["left eye 1"]), [[4, 0, 5]])


def test_json_by_name_comes_back_as_it_was_written(tmp_path):
    given = Landmarks3D(scheme_68()[30:40], POINTS[:10])
    write_landmarks(tmp_path / "a.json", given)
    found = read_landmarks(tmp_path / "a.json")
    assert found.names == given.names
    np.testing.assert_array_equal(found.points, given.points)
    (tmp_path / "b.json").write_text(json.dumps([None, *POINTS[1:51].tolist()]))
    assert len(read_landmarks(tmp_path / "b.json").names) == 50


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", '{"chin": [0, 0, 0], "nose tip": [1, 0, 0], "upper lip": [0, 1, 0]}', "3 landmarks; at least 4"),
        ("a.json", '{"elbow": [0, 0, 0]}', "named 'elbow', which is not known"),
        ("a.json", '{"chin": [0, 0, 0], "jaw 9": [1, 0, 0]}', "two landmarks named 'jaw 9'"),
        ("a.json", '{"chin": [0, 0]}', "no point of three numbers"),
        ("a.json", '{"chin": [0, 0, 1e999]}', "no finite number"),
        ("a.json", "[[1, 2, 3]]", "1 landmarks without names"),
        ("a.json", "[]", "no landmarks"),
        ("a.json", "half a fi", "cannot be read"),
        ("a.pp", "<PickedPoints>", "cannot be read"),
        ("a.pp", '<!DOCTYPE x [<!ENTITY a "b">]><x/>', "entities"),
        ("a.npy", "no array", "cannot be read"),
        ("a.txt", "0 0 0", "no kind of landmark file"),
    ],
)
def test_what_are_no_landmarks_gets_a_sentence(tmp_path, name, content, words):
    (tmp_path / name).write_text(content)
    with pytest.raises(LandmarkError, match=words):
        read_landmarks(tmp_path / name)


def test_the_unit_of_a_face():
    head = Landmarks3D(scheme_68(), POINTS * 0.04)
    for scale, name in ((1, "m"), (100, "cm"), (1000, "mm")):
        assert guess_unit(Landmarks3D(head.names[20:], head.points[20:] * scale), head) == (1 / scale, name)
    with pytest.raises(LandmarkError, match="one point"):
        guess_unit(Landmarks3D(head.names, np.zeros((68, 3))), head)
