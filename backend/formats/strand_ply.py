"""``.ply`` polylines: vertices with edges, with one list of vertices a strand, or with the strand's number at each."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..errors import StrandFileError
from .file_bytes import FileBytes
from .strands import Strands

TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}
POLYLINES = ("polyline", "strand", "line", "curve", "polylines", "strands", "lines", "curves")
STRAND_NUMBERS = ("strand_id", "strand", "strand_index", "curve_id", "hair_id")
LONGEST_HEADER = 1 << 16
LONGEST_STRAND = 100_000
"""Points. A longer chain of edges is no hair, and would take minutes to follow."""


def read_ply(path: Path, warn: Callable[[str], None]) -> tuple[np.ndarray, np.ndarray]:
    """(P, 3) points in the file's unit and axes, (N,) counts. Raises StrandFileError.

    Edges have no direction: a chain whose vertices are not in order begins at the end that comes first in the file.
    """
    file = FileBytes(path)
    elements = _elements(file)
    vertex = elements.get("vertex", {})
    if not {"x", "y", "z"} <= vertex.keys():
        raise StrandFileError(f"{file.name} has no vertices with x, y and z.")
    points = np.stack([_plain(file, vertex[axis]) for axis in "xyz"], axis=1)
    for name in POLYLINES:
        lists = [value for value in elements.get(name, {}).values() if isinstance(value, tuple)]
        if lists:
            return points[_indices(file, lists[0][1], len(points))], lists[0][0]
    if {"vertex1", "vertex2"} <= elements.get("edge", {}).keys():
        ends = [_plain(file, elements["edge"][name]) for name in ("vertex1", "vertex2")]
        order, counts = _chains(file, _indices(file, np.stack(ends, axis=1), len(points)), len(points), warn)
        return points[order], counts
    for name in STRAND_NUMBERS:
        if name in vertex:
            numbers = _plain(file, vertex[name])
            order = np.argsort(numbers, kind="stable")
            return points[order], np.unique(numbers, return_counts=True)[1]
    raise StrandFileError(f"{file.name} has points but nothing that joins them to strands: no edges, no strand_id.")


def write_ply(path: Path, strands: Strands) -> None:
    """Binary vertices and edges, root first, in metres, Z up; Blender and MeshLab read it."""
    joined = np.ones(max(len(strands.points) - 1, 0), bool)
    joined[strands.offsets[1:-1] - 1] = False
    first = np.flatnonzero(joined)
    header = (
        "ply\nformat binary_little_endian 1.0\ncomment hair strands, metres, Z up, root first\n"
        f"element vertex {len(strands.points)}\nproperty float x\nproperty float y\nproperty float z\n"
        f"element edge {len(first)}\nproperty int vertex1\nproperty int vertex2\nend_header\n"
    )
    with path.open("wb") as out:
        out.write(header.encode("ascii"))
        out.write(strands.points.astype("<f4", copy=False).tobytes())
        out.write(np.stack([first, first + 1], axis=1).astype("<i4").tobytes())


def _elements(file: FileBytes) -> dict[str, dict]:
    """Every element's properties by name: (n,) arrays, or (counts, values) of a list property."""
    end = file.data.find(b"end_header", 0, LONGEST_HEADER)
    if file.data[:3] != b"ply" or end < 0:
        raise StrandFileError(f"{file.name} is not a PLY file: it has no header.")
    newline = file.data.find(b"\n", end)
    body = len(file.data) if newline < 0 else newline + 1
    order, declared = None, []
    try:
        for line in file.data[:end].decode("ascii", "replace").splitlines():
            words = line.split()
            if words[:1] == ["format"]:
                order = ORDERS[words[1]]
            elif words[:1] == ["element"]:
                declared.append((words[1], int(words[2]), []))
            elif words[:1] == ["property"] and words[1] == "list":
                declared[-1][2].append((words[4], TYPES[words[3]], TYPES[words[2]]))
            elif words[:1] == ["property"]:
                declared[-1][2].append((words[2], TYPES[words[1]], None))
        if order is None or any(count < 0 for _, count, _ in declared):
            raise ValueError("no format, or a negative count")
    except (KeyError, IndexError, ValueError) as error:
        raise StrandFileError(f"{file.name} has a PLY header that cannot be read: {error}.") from None
    file.seek(body, "vertices")
    if not order:
        file = _ascii(file)
    # A name used twice by a hostile header would keep the last; only the reading order matters here.
    return {name: _element(file, order, count, properties) for name, count, properties in declared}


def _ascii(file: FileBytes) -> "FileBytes":
    """The body's words as numbers of eight bytes, so that both kinds are read alike."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # at a word that is no number
        try:
            numbers = np.fromstring(file.data[file.at :].decode("ascii", "replace"), np.float64, sep=" ")
        except ValueError:
            raise StrandFileError(f"{file.name} has words where numbers should be.") from None
    file.data, file.at = numbers.tobytes(), 0
    return file


def _element(file: FileBytes, order: str, count: int, properties: list) -> dict:
    # Two properties of one name cannot both be kept, and NumPy refuses them.
    if len({name for name, _, _ in properties}) != len(properties):
        raise StrandFileError(f"{file.name} names a property twice.")
    kind = [(f"p{i}", order + kind if order else "=f8") for i, (_, kind, _) in enumerate(properties)]
    if not properties:
        return {}
    if all(counted is None for _, _, counted in properties):
        rows = file.take(np.dtype(kind), count, "rows of an element")
        return {name: rows[f"p{i}"] for i, (name, _, _) in enumerate(properties)}
    if count > file.left:
        raise StrandFileError(f"{file.name} is truncated or its counts are wrong: {count:,} rows cannot be in it.")
    found = {name: ([], []) if counted else [] for name, _, counted in properties}
    for _ in range(count):
        for i, (name, _, counted) in enumerate(properties):
            if not counted:
                found[name].append(file.number(kind[i][1], "property"))
                continue
            length = file.number(order + counted if order else "=f8", "length of a list")
            if not 0 <= length <= file.left:
                raise StrandFileError(f"{file.name} has a list of {length:,} values, which it cannot hold.")
            found[name][0].append(int(length))
            found[name][1].append(file.take(kind[i][1], int(length), "values of a list"))
    empty = np.zeros(0)
    return {
        name: (np.array(found[name][0], np.int64), np.concatenate([empty, *found[name][1]])) if counted
        else np.array(found[name])
        for name, _, counted in properties
    }  # fmt: skip


def _plain(file: FileBytes, values) -> np.ndarray:
    if isinstance(values, tuple):
        raise StrandFileError(f"{file.name} has lists where single numbers should be.")
    return values.astype(values.dtype.newbyteorder("="))


def _indices(file: FileBytes, values: np.ndarray, vertices: int) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        fits = (values >= 0) & (values < vertices) & (values == np.floor(values))
    if not fits.all():
        raise StrandFileError(f"{file.name} joins vertices that it does not have; there are {vertices:,}.")
    return values.astype(np.int64)


def _chains(file: FileBytes, edges: np.ndarray, vertices: int, warn) -> tuple[np.ndarray, np.ndarray]:
    """Order of the vertices (P,) along the strands, and counts (N,). A vertex without an edge is a strand of one."""
    in_order = np.zeros(vertices, bool)
    follows = edges[:, 1] == edges[:, 0] + 1
    in_order[edges[follows, 0]] = True
    if follows.all():
        last = np.flatnonzero(~in_order)
        return np.arange(vertices), np.diff(last, prepend=-1)
    edges = np.unique(np.sort(edges[edges[:, 0] != edges[:, 1]], axis=1), axis=0)
    degree = np.bincount(edges.ravel(), minlength=vertices)
    if (degree > 2).any():
        raise StrandFileError(f"{file.name} has edges that branch, so they are no strands.")
    neighbours = np.full((vertices, 2), -1)
    both = np.concatenate([edges, edges[:, ::-1]])
    both = both[np.argsort(both[:, 0], kind="stable")]
    second = np.zeros(len(both), int)
    second[1:] = both[1:, 0] == both[:-1, 0]
    neighbours[both[:, 0], second] = both[:, 1]
    # All chains are walked at once, each from both its ends; the walk that began at the earlier end is kept.
    start = np.flatnonzero(degree <= 1)
    chain, here, before = np.arange(len(start)), start, np.full(len(start), -1)
    walked, last = [], start.copy()
    while len(here):
        if len(walked) > LONGEST_STRAND:
            raise StrandFileError(f"{file.name} has a strand of more than {LONGEST_STRAND:,} points.")
        walked.append((chain, here))
        last[chain] = here
        step = np.where(neighbours[here, 0] != before, neighbours[here, 0], neighbours[here, 1])
        on = step >= 0
        chain, here, before = chain[on], step[on], here[on]
    chain, order = (np.concatenate(parts) for parts in zip(*walked, strict=True)) if walked else (start, start)
    kept = (start <= last)[chain]
    chain, order = chain[kept], order[kept]
    if len(order) < vertices:
        warn(f"{vertices - len(order):,} points of {file.name} lie on closed loops and were left out.")
    along = np.argsort(chain, kind="stable")
    return order[along], np.unique(chain, return_counts=True)[1]
