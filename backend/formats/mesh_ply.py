"""Triangle meshes as binary PLY, which every program reads."""

from pathlib import Path

import numpy as np


def write_ply(path: Path, vertices: np.ndarray, faces: np.ndarray) -> None:
    """Write a mesh to a temporary name and rename it.

    Args:
        vertices: (V, 3), metres.
        faces: (F, 3) vertex indices.
    """
    path = Path(path)
    header = (
        "ply\nformat binary_little_endian 1.0\n"
        f"element vertex {len(vertices)}\nproperty float x\nproperty float y\nproperty float z\n"
        f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    rows = np.empty(len(faces), [("count", "u1"), ("corners", "<i4", 3)])
    rows["count"], rows["corners"] = 3, faces
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        file.write(header.encode("ascii"))
        file.write(np.ascontiguousarray(vertices, "<f4").tobytes())
        file.write(rows.tobytes())
    temporary.replace(path)
