"""A displacement on a head in motion, frame after frame (HeadCraft, B.1, "Animation")."""

import numpy as np
from scipy.sparse import csr_matrix

from .frames import edged_tangents, to_object, to_tangent


class Carried:
    """The displacement of one person, ready to be laid on that person in any expression and pose.

    The same as ``frames.displaced``, with what does not change from frame to frame done once.

    Args:
        neutral: (W, 3) the person's dense head without expression or pose, no displacement, metres.
        faces: (G, 3)
        uv: (G, 3, 2)
        displacement: (W, 3) metres, object axes of the neutral head.
        edged: (W,) bool as ``frames.tangent_frames`` takes it; without it, found on the neutral head.
    """

    def __init__(
        self,
        neutral: np.ndarray,
        faces: np.ndarray,
        uv: np.ndarray,
        displacement: np.ndarray,
        edged: np.ndarray | None = None,
    ):
        neutral = np.asarray(neutral, np.float64)
        count = len(neutral)
        rows, columns = faces.ravel(), np.repeat(np.arange(len(faces)), 3)
        self._faces = faces
        self._around = csr_matrix((np.ones(len(rows)), (rows, columns)), (count, len(faces)))
        s, t = (np.asarray(uv[:, k] - uv[:, 0], np.float64) for k in (1, 2))
        turned = np.sign(s[:, 0] * t[:, 1] - s[:, 1] * t[:, 0])[:, None]
        self._along_a, self._along_b = turned * t[:, 1:], turned * s[:, 1:]
        # Found once, so that no vertex changes from one tangent to the other in the middle of an animation.
        self._edged = edged_tangents(neutral, faces, uv) if edged is None else edged
        self._end = np.zeros(count, np.int64)
        for k in range(3):
            self._end[faces[::-1, k]] = faces[::-1, (k + 1) % 3]
        self._tangent = to_tangent(np.asarray(displacement, np.float64), self.frames(neutral))

    def on(self, posed: np.ndarray) -> np.ndarray:
        """(W, 3) the posed dense head (W, 3) with the displacement turned along."""
        return posed + to_object(self._tangent, self.frames(posed))

    def frames(self, vertices: np.ndarray) -> np.ndarray:
        """(W, 3, 3) as ``frames.tangent_frames`` has them."""
        normal, tangent = self._mixed(vertices)
        normal = _unit(normal)
        tangent[self._edged] = vertices[self._end[self._edged]] - vertices[self._edged]
        tangent = _unit(_across(tangent, normal))
        return np.stack([tangent, np.cross(normal, tangent), normal], axis=-1)

    def _mixed(self, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(W, 3) normals and (W, 3) directions of U, triangles weighted by their area."""
        first = vertices[self._faces[:, 0]]
        a, b = vertices[self._faces[:, 1]] - first, vertices[self._faces[:, 2]] - first
        cross = np.cross(a, b)
        along = _unit(self._along_a * a - self._along_b * b) * np.linalg.norm(cross, axis=1, keepdims=True)
        both = self._around @ np.concatenate([cross, along], axis=1)
        return both[:, :3], both[:, 3:]


def _across(vectors: np.ndarray, normal: np.ndarray) -> np.ndarray:
    return vectors - normal * np.einsum("vc,vc->v", vectors, normal)[:, None]


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-20)
