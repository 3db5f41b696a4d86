"""Triangle meshes as binary PLY, which every program reads."""

from pathlib import Path

import numpy as np

from ..errors import HeadError


def write_ply(
    path: Path, vertices: np.ndarray, faces: np.ndarray, properties: dict[str, np.ndarray] | None = None
) -> None:
    """Write a mesh to a temporary name and rename it.

    Args:
        vertices: (V, 3), metres.
        faces: (F, 3) vertex indices.
        properties: name → (V,) numbers of the vertices, written as floats after their coordinates.
    """
    path = Path(path)
    properties = properties or {}
    columns = "".join(f"property float {name}\n" for name in ("x", "y", "z", *properties))
    header = (
        "ply\nformat binary_little_endian 1.0\n"
        f"element vertex {len(vertices)}\n{columns}"
        f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    rows = np.empty(len(faces), [("count", "u1"), ("corners", "<i4", 3)])
    rows["count"], rows["corners"] = 3, faces
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        file.write(header.encode("ascii"))
        file.write(np.column_stack([vertices, *properties.values()]).astype("<f4").tobytes())
        file.write(rows.tobytes())
    temporary.replace(path)


def read_ply_vertices(path: Path) -> dict[str, np.ndarray]:
    """The vertices' numbers of a binary PLY as we write them: property → (V,), such as "x" or "residual".

    Raises:
        HeadError: it is no such file, or is cut short.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise HeadError(f"{path.name} cannot be opened: {error.strerror or error}.") from error
    header, end, body = data.partition(b"end_header\n")
    lines = [line.split() for line in header.decode("ascii", "replace").splitlines()]
    kinds, count, element = [], 0, ""
    for words in lines:
        if words[:1] == ["element"] and len(words) == 3:
            element = words[1]
            if element == "vertex" and words[2].isdigit():
                count = int(words[2])
        elif words[:1] == ["property"] and element == "vertex":
            kinds.append((words[-1], _SCALARS.get(words[1], "")))
    binary = ["format", "binary_little_endian", "1.0"] in lines
    if not (end and binary and kinds and all(kind for _, kind in kinds)):
        raise HeadError(f"{path.name} is no PLY as Maquette writes them.")
    if count * np.dtype(kinds).itemsize > len(body):
        raise HeadError(f"{path.name} ends before its {count:,} vertices do.")
    vertices = np.frombuffer(body, kinds, count)
    return {name: vertices[name].copy() for name, _ in kinds}


_SCALARS = {"float": "<f4", "float32": "<f4", "double": "<f8", "int": "<i4", "uchar": "u1", "uint8": "u1"}
