"""The contact sheet: every picture in its place, whole and undistorted."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

from backend.evaluate.contact_sheet import GAP, HEADING, contact_sheet

ROOT = Path(__file__).resolve().parents[2]


def _picture(path: Path, colour, size=(60, 40)) -> str:
    image = np.full((*size, 3), colour[::-1], np.uint8)
    path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
    return str(path)


def test_pictures_stand_where_their_column_and_row_are(tmp_path):
    red, blue = _picture(tmp_path / "röt 1.png", (200, 10, 10)), _picture(tmp_path / "b.png", (10, 10, 200), (50, 50))
    sheet = {"title": "t", "columns": ["one", "two"], "rows": [
        {"label": "first", "pictures": [red, blue]},
        {"label": "last", "pictures": [blue, None], "text": "F 50"},
    ]}  # fmt: skip
    page = contact_sheet(sheet, tile=120)
    rows = [2 * HEADING + r * (120 + HEADING) + 60 for r in (0, 1)]
    columns = [GAP + c * (120 + GAP) + 60 for c in (0, 1)]
    assert tuple(page[rows[0], columns[0]]) == (200, 10, 10)
    assert tuple(page[rows[0], columns[1]]) == tuple(page[rows[1], columns[0]]) == (10, 10, 200)
    # A tall picture keeps its shape: paper on both sides of it.
    width = (page[rows[0], GAP : GAP + 120] == (200, 10, 10)).all(axis=1).sum()
    assert width == 80
    assert (page[rows[1] - 60 : rows[1] - 20, columns[1] - 55 : columns[1]].min(axis=2) < 100).any()


def test_strips_lie_below_the_rows_over_the_whole_width(tmp_path):
    red, blue = _picture(tmp_path / "r.png", (200, 10, 10), (40, 40)), _picture(tmp_path / "b.png", (10, 10, 200))
    sheet = {"title": "t", "columns": ["one", "two"], "rows": [{"label": "first", "pictures": [red, red]}]}
    strips = [{"label": "frames", "pictures": [blue, blue, blue, red]}, {"label": "steps", "pictures": [red, blue]}]
    page = contact_sheet(sheet | {"strips": strips}, tile=120)
    small = (2 * (120 + GAP)) // 4 - GAP
    large = 120
    assert page.shape[0] == 2 * HEADING + 120 + HEADING + small + HEADING + large + HEADING
    middle = 2 * HEADING + 120 + HEADING + small // 2
    assert tuple(page[middle, GAP + small // 2]) == (10, 10, 200)
    assert tuple(page[middle, GAP + 3 * (small + GAP) + small // 2]) == (200, 10, 10)
    assert tuple(page[-HEADING - large // 2, GAP + large + GAP + large // 2]) == (10, 10, 200)


def test_sheet_from_the_shell(tmp_path):
    picture = _picture(tmp_path / "a.png", (1, 2, 3))
    sheet = {"title": "t", "columns": ["one"], "rows": [{"label": "x", "pictures": [picture]}]}
    (tmp_path / "sheet.json").write_text(json.dumps(sheet))
    arguments = ["-m", "backend.evaluate.contact_sheet", tmp_path / "sheet.json", tmp_path / "sheet.png"]
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True)
    assert cv2.imread(str(tmp_path / "sheet.png")).shape[1] == 2 * GAP + 320
