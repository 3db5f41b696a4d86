"""Landmarks in photographs, to their file and back."""

import json

import pytest

from backend.errors import CaptureError
from backend.formats.capture_landmarks import Seen, read_capture_landmarks, write_capture_landmarks


def test_what_is_written_is_read_and_the_rest_of_the_file_stays(tmp_path):
    assert read_capture_landmarks(tmp_path) == {}
    known = {"scheme": "68", "points": {"jaw 9": [0, 0, 0]}, "views": {"a": {"jaw 9": [1.5, 2.5, False]}}}
    (tmp_path / "landmarks.json").write_text(json.dumps(known))
    views = read_capture_landmarks(tmp_path)
    assert views == {"a": {"jaw 9": Seen(1.5, 2.5, False)}}
    views["b"] = {"right eye 1": Seen(3.00049, 4.0)}
    views["empty"] = {}
    write_capture_landmarks(tmp_path, views)
    assert read_capture_landmarks(tmp_path) == {"a": views["a"], "b": {"right eye 1": Seen(3.0, 4.0)}}
    assert json.loads((tmp_path / "landmarks.json").read_text())["points"] == known["points"]
    assert [path.name for path in tmp_path.iterdir()] == ["landmarks.json"]


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"views": []}', '{"views": {"a": []}}', '{"views": {"a": {"jaw 9": [1, "x"]}}}']
)
def test_another_file_is_refused_in_a_sentence(tmp_path, text):
    (tmp_path / "landmarks.json").write_text(text)
    with pytest.raises(CaptureError, match=r"landmarks\.json.*(set them again|set it again|remove the file)"):
        read_capture_landmarks(tmp_path)
