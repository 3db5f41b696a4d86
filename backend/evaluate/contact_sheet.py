"""A labelled table of pictures, to judge a reconstruction by eye.

``python -m backend.evaluate.contact_sheet SHEET.json PICTURE.png``: the JSON holds ``title``, ``columns`` (their
labels) and ``rows`` of ``{"label", "pictures": [path or null, ...], "text"}``; where a picture is null, the row's text
stands in its place. ``strips``, each of ``{"label", "pictures"}``, go below them over the whole width.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np

PAPER, INK, FAINT = 246, (40, 40, 40), (110, 110, 110)
TILE, GAP, HEADING = 320, 8, 34


def contact_sheet(sheet: dict, tile: int = TILE) -> np.ndarray:
    """The sheet as (H, W, 3) uint8 RGB, each picture fitted into ``tile`` pixels a side."""
    columns, rows = sheet["columns"], sheet["rows"]
    width = len(columns) * (tile + GAP) + GAP
    strips = sheet.get("strips", [])
    small = [(width - GAP) // len(strip["pictures"]) - GAP for strip in strips]
    below = 2 * HEADING + len(rows) * (tile + HEADING)
    page = np.full((below + sum(small) + len(small) * HEADING, width, 3), PAPER, np.uint8)
    _write(page, sheet["title"], (GAP, HEADING - 10), 0.62, INK)
    for column, label in enumerate(columns):
        _write(page, label, (GAP + column * (tile + GAP), 2 * HEADING - 12), 0.5, INK)
    for row, entry in enumerate(rows):
        top = 2 * HEADING + row * (tile + HEADING)
        for column, path in enumerate(entry["pictures"]):
            left = GAP + column * (tile + GAP)
            if path is None:
                for line, text in enumerate(entry.get("text", "").splitlines()):
                    _write(page, text, (left + 6, top + 30 + 24 * line), 0.46, INK)
                continue
            _paste(page, path, top, left, tile)
        _write(page, entry["label"], (GAP, top + tile + 20), 0.44, FAINT)
    for strip, side in zip(strips, small, strict=True):
        for place, path in enumerate(strip["pictures"]):
            _paste(page, path, below, GAP + place * (side + GAP), side)
        _write(page, strip["label"], (GAP, below + side + 20), 0.44, FAINT)
        below += side + HEADING
    return page


def _paste(page: np.ndarray, path: str, top: int, left: int, tile: int) -> None:
    picture = _fitted(cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR), tile)
    y, x = top + (tile - picture.shape[0]) // 2, left + (tile - picture.shape[1]) // 2
    page[y : y + picture.shape[0], x : x + picture.shape[1]] = picture[..., ::-1]


def _fitted(picture: np.ndarray, tile: int) -> np.ndarray:
    share = tile / max(picture.shape[:2])
    size = (max(1, round(picture.shape[1] * share)), max(1, round(picture.shape[0] * share)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if share < 1 else cv2.INTER_CUBIC)


def _write(page: np.ndarray, text: str, place: tuple[int, int], size: float, ink) -> None:
    cv2.putText(page, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, ink, 1, cv2.LINE_AA)


def main(arguments: list[str]) -> None:
    sheet, picture = map(Path, arguments)
    page = contact_sheet(json.loads(sheet.read_text(encoding="utf-8")))
    picture.write_bytes(cv2.imencode(".png", np.ascontiguousarray(page[..., ::-1]))[1].tobytes())


if __name__ == "__main__":
    main(sys.argv[1:])
