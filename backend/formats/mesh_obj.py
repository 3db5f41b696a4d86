"""Triangle meshes as Wavefront OBJ, which every program opens: Y up, metres, UVs of each triangle's corners."""

from pathlib import Path

import numpy as np


def write_obj(path: Path, vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray, name: str = "head") -> None:
    """Write a mesh to a temporary name and rename it.

    Args:
        vertices: (W, 3) metres, Z up; the file is Y up, as programs take OBJ to be.
        faces: (G, 3)
        uv: (G, 3, 2) of their corners; equal ones are written once, so that seams are seams.
        name: of the object.
    """
    points = np.asarray(vertices, np.float64)[:, [0, 2, 1]] * [1, 1, -1]
    whole = np.round(np.asarray(uv, np.float64).reshape(-1, 2) * 1e6).astype(np.int64)
    _, first, place = np.unique(whole @ [1 << 32, 1], return_index=True, return_inverse=True)
    corners = np.stack([faces.reshape(-1), place.reshape(-1)], axis=1) + 1
    lines = [
        f"# metres, Y up\no {name}\n",
        _lines("v %.6f %.6f %.6f\n", points),
        _lines("vt %.6f %.6f\n", whole[first] / 1e6),
        "s 1\n",
        _lines("f %d/%d %d/%d %d/%d\n", corners.reshape(-1, 6)),
    ]
    path = Path(path)
    temporary = path.with_name(path.name + ".part")
    temporary.write_text("".join(lines), encoding="utf-8", newline="\n")
    temporary.replace(path)


def _lines(form: str, rows: np.ndarray) -> str:
    return form * len(rows) % tuple(rows.ravel().tolist())
