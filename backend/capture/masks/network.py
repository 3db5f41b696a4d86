"""Masks by a segmentation network that the artist supplies (ONNX)."""

from pathlib import Path

import cv2
import numpy as np

from ...errors import CaptureError, EnvironmentTrouble
from .classes import Classes
from .given import completed

SIDE = 512
"""Pixels of a network's input that takes any size."""


class Network:
    """A network from pictures to classes: (1, 3, H, W) or (1, H, W, 3) to scores (1, C, h, w), (1, h, w, C) or class
    numbers (1, h, w).

    Args:
        path: the model's file.
        classes: what its classes are; a network with a single score tells the person.

    Raises:
        CaptureError: it cannot be read, or takes or gives something else.
        EnvironmentTrouble: the package is not there.
    """

    def __init__(self, path: Path, classes: Classes):
        if not path.is_file():
            raise CaptureError(f"There is no network at {path}; choose a segmentation network (.onnx).")
        try:
            import onnxruntime
        except ImportError as error:
            raise EnvironmentTrouble(
                "Masks by a network need the package onnxruntime, which the backend's environment lacks; set the "
                "backend up again in Maquette's preferences."
            ) from error
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise CaptureError(f"{path.name} cannot be read as an ONNX network; export it again.") from error
        self._path, self._classes = path, classes
        taken = self._session.get_inputs()
        shape = taken[0].shape if len(taken) == 1 else []
        if len(shape) != 4 or 3 not in (shape[1], shape[3]):
            raise CaptureError(f"{path.name} does not take one picture of three channels; choose a segmenting network.")
        self._input, self._last = taken[0].name, shape[1] != 3
        self._float16 = taken[0].type == "tensor(float16)"
        sides = shape[1:3] if self._last else shape[2:4]
        self._size = tuple(side if isinstance(side, int) and side > 0 else SIDE for side in sides)

    def masks(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Kind → (H, W) float32 from 0 to 1, of a picture (H, W, 3) uint8 RGB."""
        height, width = image.shape[:2]
        scale = min(self._size[0] / height, self._size[1] / width)
        inner = (max(1, round(width * scale)), max(1, round(height * scale)))
        # Stretching would make faces that no network has seen; what is beside the picture is its mean colour.
        padded = np.broadcast_to(
            np.array(self._classes.mean, np.float32) * self._classes.scale, (*self._size, 3)
        ).copy()
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        padded[: inner[1], : inner[0]] = cv2.resize(image, inner, interpolation=way)
        values = (padded / self._classes.scale - self._classes.mean) / self._classes.std
        values = values[None] if self._last else values.transpose(2, 0, 1)[None]
        values = np.ascontiguousarray(values, np.float16 if self._float16 else np.float32)
        try:
            answer = np.asarray(self._session.run(None, {self._input: values})[0])
        except Exception as error:
            raise CaptureError(f"{self._path.name} cannot be run on a picture: {error}.") from error
        shares = self._shares(answer)
        rows, columns = (max(1, round(n * k / s)) for n, k, s in zip(inner[::-1], _sides(shares), self._size))
        return completed(
            {
                kind: cv2.resize(mask[:rows, :columns], (width, height), interpolation=cv2.INTER_LINEAR)
                for kind, mask in shares.items()
            }
        )

    def _shares(self, answer: np.ndarray) -> dict[str, np.ndarray]:
        """Kind → (h, w) float32 share."""
        if answer.ndim == 4 and answer.shape[0] == 1:
            scores = answer[0].astype(np.float32)
            # Classes are fewer than pixels.
            scores = scores if scores.shape[0] <= scores.shape[2] else scores.transpose(2, 0, 1)
            if len(scores) == 1:
                one = scores[0]
                one = one if one.min() >= 0 and one.max() <= 1 else 1 / (1 + np.exp(-one.clip(-50, 50)))
                return {"person": one}
            if scores.min() < 0 or abs(float(scores.sum(axis=0).mean()) - 1) > 1e-2:
                scores = np.exp(scores - scores.max(axis=0))
                scores /= scores.sum(axis=0)
        elif answer.ndim == 3 and answer.shape[0] == 1:
            numbers = answer[0].astype(np.int64)
            scores = np.stack([numbers == k for k in range(int(numbers.max()) + 1)]).astype(np.float32)
        else:
            raise CaptureError(
                f"{self._path.name} gives {' x '.join(map(str, answer.shape))} numbers, which are no classes of pixels;"
                " choose a segmentation network."
            )
        masks = {kind: np.zeros(scores.shape[1:], np.float32) for kind in set(self._classes.kinds.values())}
        for number, kind in self._classes.kinds.items():
            if isinstance(number, int) and number < len(scores):
                masks[kind] += scores[number]
        return masks


def _sides(shares: dict[str, np.ndarray]) -> tuple[int, int]:
    return next(iter(shares.values())).shape
