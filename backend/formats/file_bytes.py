"""A file from outside, whose counts are not believed: sizes are checked against what is there before use."""

from pathlib import Path

import numpy as np

from ..errors import StrandFileError


class FileBytes:
    """Reads arrays one after another, and never more than the file holds."""

    def __init__(self, path: Path):
        self.name = path.name
        try:
            self.data = path.read_bytes()
        except OSError as error:
            raise StrandFileError(f"{path.name} cannot be opened: {error.strerror or error}.") from error
        self.at = 0

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, dtype: str, count: int, what: str) -> np.ndarray:
        """The next ``count`` numbers, as a read-only view. Raises StrandFileError when fewer are left."""
        size = np.dtype(dtype).itemsize * int(count)
        if count < 0 or size > self.left:
            raise StrandFileError(
                f"{self.name} is truncated or its counts are wrong: {int(count):,} {what} should follow, "
                f"which is {size:,} bytes, but {self.left:,} are left."
            )
        array = np.frombuffer(self.data, dtype, count, self.at)
        self.at += size
        return array

    def number(self, dtype: str, what: str) -> int | float:
        return self.take(dtype, 1, what)[0].item()

    def seek(self, offset: int, what: str) -> None:
        if not 0 <= offset <= len(self.data):
            raise StrandFileError(f"{self.name} says its {what} begin at byte {offset:,}, but it ends before.")
        self.at = offset

    def nothing_left(self, warn) -> None:
        """Tell when there is more in the file than its header counts."""
        if self.left:
            warn(f"{self.name} has {self.left:,} bytes more than its header counts; they were left out.")
