"""Masks in a capture's folder: written at the photographs' size, and told apart from those that somebody painted.

``masks/made.json`` keeps a digest of each mask that was written here. A mask that is not in it, or has changed since,
is the artist's own: it is left as it is unless they say otherwise.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from ...errors import CaptureError
from ...formats.job_folder import write_json

RECORD = "made.json"
KINDS = ("hair", "bust", "person")


class MaskStore:
    """The masks of a capture.

    Args:
        folder: the capture's.
        replace: masks that were not made here are written over, too.
    """

    def __init__(self, folder: Path, replace: bool = False):
        self.folder, self._replace = folder / "masks", replace
        self._made = self._read()
        self.kept: list[str] = []
        """Kind and view of the masks that were left as they are, as hair/front."""
        self.written = 0

    def is_own(self, kind: str, view: str) -> bool:
        """The mask is there and was not made here, or was painted on since."""
        path = self._path(kind, view)
        return path.is_file() and self._made.get(f"{kind}/{view}") != _digest(path.read_bytes())

    def write(self, kind: str, view: str, mask: np.ndarray) -> None:
        """Write one mask (H, W) float32 from 0 to 1, at its photograph's size. Raises CaptureError."""
        if self.is_own(kind, view) and not self._replace:
            self.kept.append(f"{kind}/{view}")
            return
        path = self._path(kind, view)
        data = cv2.imencode(".png", np.round(mask * 255).astype(np.uint8))[1].tobytes()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(path.name + ".part")
            temporary.write_bytes(data)
            temporary.replace(path)
        except OSError as error:
            raise CaptureError(f"{path} cannot be written: {error.strerror or error}.") from error
        self._made[f"{kind}/{view}"] = _digest(data)
        self.written += 1

    def close(self) -> None:
        """Keep the record of what was made here."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.written:
            write_json(self.folder / RECORD, self._made)

    def tell(self, warn: Callable[[str], None]) -> None:
        """Say what was left as it is."""
        if self.kept:
            named = ", ".join(self.kept[:3]) + (", ..." if len(self.kept) > 3 else "")
            which = "1 mask was" if len(self.kept) == 1 else f"{len(self.kept)} masks were"
            warn(f"{which} painted or made elsewhere and kept ({named}); choose Replace to make them anew.")

    def _path(self, kind: str, view: str) -> Path:
        return self.folder / kind / f"{view}.png"

    def _read(self) -> dict[str, str]:
        try:
            values = json.loads((self.folder / RECORD).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return values if isinstance(values, dict) else {}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
