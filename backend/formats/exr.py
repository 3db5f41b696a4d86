"""OpenEXR: reading the files that Cycles writes (scan lines, one part or several, uncompressed or ZIP), and writing.

A render's passes (depth, cryptomatte) come out of Blender this way in every version, while its own Python gives no
access to them. Layout: https://openexr.com/en/latest/OpenEXRFileLayout.html. NumPy and the standard library only.
"""

import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

_MAGIC = 20000630
_TILED, _DEEP, _MULTIPART = 0x200, 0x800, 0x1000
_LINES_PER_CHUNK = {0: 1, 2: 1, 3: 16}
"""By compression: none, ZIPS, ZIP."""
_PIXEL_TYPES = {0: np.dtype("<u4"), 1: np.dtype("<f2"), 2: np.dtype("<f4")}


@dataclass
class Part:
    """One part of a file: its channels as (H, W) arrays by name, and its attributes as raw bytes by name."""

    channels: dict[str, np.ndarray] = field(default_factory=dict)
    attributes: dict[str, bytes] = field(default_factory=dict)


def read_exr(path: Path) -> list[Part]:
    """Every part of an EXR file. Raises ValueError for a kind that is not read, or a file cut short."""
    data = Path(path).read_bytes()
    try:
        return _read(data)
    except (struct.error, IndexError, KeyError, zlib.error) as error:
        raise ValueError(f"{Path(path).name} is a broken or unusual EXR file ({error})") from error


def write_exr(path: Path, channels: dict[str, np.ndarray]) -> None:
    """Write one part of (H, W) float32 or float16 channels, ZIP, to a temporary name first."""
    names = sorted(channels)
    height, width = channels[names[0]].shape
    codes = {kind: code for code, kind in _PIXEL_TYPES.items()}
    kinds = [channels[name].dtype.newbyteorder("<") for name in names]
    listed = b"".join(
        name.encode() + b"\0" + struct.pack("<iIii", codes[np.dtype(kind)], 0, 1, 1) for name, kind in zip(names, kinds)
    )
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    header = struct.pack("<iI", _MAGIC, 2)
    for name, kind, value in (
        ("channels", "chlist", listed + b"\0"), ("compression", "compression", b"\3"), ("dataWindow", "box2i", window),
        ("displayWindow", "box2i", window), ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1)), ("screenWindowCenter", "v2f", struct.pack("<2f", 0, 0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1)),
    ):  # fmt: skip
        header += name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value
    chunks = []
    for first in range(0, height, _LINES_PER_CHUNK[3]):
        lines = range(first, min(first + _LINES_PER_CHUNK[3], height))
        raw = b"".join(channels[n][y].astype(kind).tobytes() for y in lines for n, kind in zip(names, kinds))
        packed = _zip(raw)
        data = packed if len(packed) < len(raw) else raw
        chunks.append(struct.pack("<ii", first, len(data)) + data)
    begin = len(header) + 1 + 8 * len(chunks)
    places = begin + np.cumsum([0, *(len(chunk) for chunk in chunks[:-1])])
    path = Path(path)
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(header + b"\0" + places.astype("<u8").tobytes() + b"".join(chunks))
    temporary.replace(path)


def _read(data: bytes) -> list[Part]:
    magic, version = struct.unpack_from("<iI", data, 0)
    if magic != _MAGIC or version & (_TILED | _DEEP):
        raise ValueError("not an EXR file of scan lines")
    multipart = bool(version & _MULTIPART)
    place, parts = 8, []
    while data[place]:
        attributes, place = _read_header(data, place)
        parts.append(Part(attributes=attributes))
        if not multipart:
            break
    place += multipart
    counts = [_chunk_count(part) for part in parts]
    chunks = np.frombuffer(data, "<u8", sum(counts), place)
    layouts = [_allocate(part) for part in parts]
    for chunk in chunks.tolist():
        part = struct.unpack_from("<i", data, chunk)[0] if multipart else 0
        _read_chunk(data, chunk + 4 * multipart, parts[part], *layouts[part])
    return parts


def _read_header(data: bytes, place: int) -> tuple[dict[str, bytes], int]:
    attributes = {}
    while data[place]:
        end = data.index(0, place)
        name = data[place:end].decode()
        end = data.index(0, end + 1)
        (size,) = struct.unpack_from("<i", data, end + 1)
        attributes[name] = data[end + 5 : end + 5 + size]
        place = end + 5 + size
    return attributes, place + 1


def _size(part: Part) -> tuple[int, int, int]:
    left, top, right, bottom = struct.unpack("<4i", part.attributes["dataWindow"])
    width, height = right - left + 1, bottom - top + 1
    if not (0 < width <= 65536 and 0 < height <= 65536):
        raise ValueError("an EXR file of no sensible size")
    return width, height, top


def _chunk_count(part: Part) -> int:
    _, height, _ = _size(part)
    return -(-height // _LINES_PER_CHUNK[part.attributes["compression"][0]])


def _allocate(part: Part) -> tuple[list[tuple[str, np.dtype]], int, int, int]:
    """Channels in the file's order with their types, width, first line and lines to a chunk."""
    width, height, top = _size(part)
    channels, listed, place = [], part.attributes["channels"], 0
    while listed[place]:
        end = listed.index(0, place)
        name = listed[place:end].decode()
        kind = _PIXEL_TYPES[struct.unpack_from("<i", listed, end + 1)[0]]
        channels.append((name, kind))
        part.channels[name] = np.zeros((height, width), kind)
        place = end + 17
    return channels, width, top, _LINES_PER_CHUNK[part.attributes["compression"][0]]


def _read_chunk(data: bytes, place: int, part: Part, channels, width: int, top: int, lines: int) -> None:
    first, size = struct.unpack_from("<ii", data, place)
    first -= top
    height = len(next(iter(part.channels.values())))
    lines = min(lines, height - first)
    line_bytes = width * sum(kind.itemsize for _, kind in channels)
    block = data[place + 8 : place + 8 + size]
    if size < lines * line_bytes:
        block = _unzip(block)
    place = 0
    for line in range(first, first + lines):
        for name, kind in channels:
            part.channels[name][line] = np.frombuffer(block, kind, width, place)
            place += width * kind.itemsize


def _unzip(block: bytes) -> bytes:
    # ZIP stores differences of neighbours, of the even bytes first and then the odd ones.
    stored = np.frombuffer(zlib.decompress(block), np.uint8)
    steps = stored.astype(np.int64)
    steps[1:] -= 128
    values = (np.cumsum(steps) & 255).astype(np.uint8)
    half = (len(values) + 1) // 2
    result = np.empty_like(values)
    result[0::2], result[1::2] = values[:half], values[half:]
    return result.tobytes()


def _zip(raw: bytes) -> bytes:
    values = np.frombuffer(raw, np.uint8)
    values = np.concatenate([values[0::2], values[1::2]]).astype(np.int64)
    steps = values.copy()
    steps[1:] = values[1:] - values[:-1] + 128
    return zlib.compress((steps & 255).astype(np.uint8).tobytes(), 4)
