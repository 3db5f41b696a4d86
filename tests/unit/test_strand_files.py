"""Strand files: what is written is read back, and whatever is broken ends in a sentence."""

import struct
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from backend.errors import StrandFileError
from backend.formats.strand_files import SUPPORTED, read_strands, readable, writable, write_strands
from backend.formats.strands import Strands

RATBOY = Path(__file__).resolve().parents[3] / "shared" / "data" / "tressfx" / "Ratboy_mohawk.tfx"


def uneven_strands(count: int = 12, seed: int = 0) -> Strands:
    random = np.random.default_rng(seed)
    counts = random.integers(2, 30, count)
    return Strands(np.cumsum(random.normal(0, 0.01, (counts.sum(), 3)), axis=0), counts)


def same(a: Strands, b: Strands, tolerance=0.0) -> bool:
    return np.array_equal(a.counts, b.counts) and np.allclose(a.points, b.points, rtol=0, atol=tolerance)


def ct2hair(strands: Strands) -> bytes:
    parts = [struct.pack("<i", len(strands))]
    for a, b in zip(strands.offsets[:-1], strands.offsets[1:], strict=True):
        rows = np.hstack([strands.points[a:b], np.full((b - a, 4), 9.0)]).astype("<f4")
        parts += [struct.pack("<i", b - a), rows.tobytes()]
    return b"".join(parts)


def tressfx(points: np.ndarray) -> bytes:
    header = struct.pack("<f4I", 4.0, points.shape[0], points.shape[1], 160, 0).ljust(160, b"\0")
    return header + np.concatenate([points, np.ones((*points.shape[:2], 1))], axis=2).astype("<f4").tobytes()


def ascii_ply(strands: Strands) -> bytes:
    rows = ["{:.9g} {:.9g} {:.9g}".format(*p) for p in strands.points.tolist()]
    spans = zip(strands.offsets[:-1], strands.offsets[1:], strict=True)
    edges = [f"{i} {i + 1}" for first, end in spans for i in range(first, end - 1)]
    header = (
        f"ply\nformat ascii 1.0\nelement vertex {len(rows)}\nproperty float x\nproperty float y\nproperty float z\n"
        f"element edge {len(edges)}\nproperty int vertex1\nproperty int vertex2\nend_header\n"
    )
    return (header + "\n".join(rows + edges) + "\n").encode()


@pytest.mark.parametrize("ending", writable())
def test_what_is_written_is_read_back(tmp_path, ending):
    if ending.startswith(".usd"):
        pytest.importorskip("pxr")
    strands = uneven_strands()
    path = tmp_path / f"Grüße an Anna{ending}"
    write_strands(path, strands)
    assert same(read_strands(path), strands)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_usd_text_is_what_openusd_reads(tmp_path):
    usd = pytest.importorskip("pxr.Usd")
    from pxr import UsdGeom

    strands = uneven_strands()
    write_strands(tmp_path / "hair.usda", strands)
    stage = usd.Stage.Open(str(tmp_path / "hair.usda"))
    assert UsdGeom.GetStageUpAxis(stage) == "Z" and UsdGeom.GetStageMetersPerUnit(stage) == 1
    curves = UsdGeom.BasisCurves(stage.GetPrimAtPath("/Hair/Strands"))
    assert curves.GetTypeAttr().Get() == "linear" and len(curves.GetWidthsAttr().Get()) == 1
    assert same(read_strands(tmp_path / "hair.usda"), strands)


def test_usd_unit_axis_and_transform_are_believed(tmp_path):
    pytest.importorskip("pxr")
    (tmp_path / "y.usda").write_text(
        '#usda 1.0\n(\n metersPerUnit = 0.01\n upAxis = "Y"\n)\ndef Xform "A" {\n'
        ' double3 xformOp:translate = (100, 0, 0)\n uniform token[] xformOpOrder = ["xformOp:translate"]\n'
        ' def BasisCurves "B" {\n int[] curveVertexCounts = [2]\n point3f[] points = [(0, 0, 0), (0, 200, 0)]\n }\n}\n'
    )
    strands = read_strands(tmp_path / "y.usda", unit="mm", up="Z")
    np.testing.assert_allclose(strands.points, [[1, 0, 0], [1, 0, 2]], atol=1e-6)


def test_formats_that_are_only_read(tmp_path):
    strands = uneven_strands()
    (tmp_path / "hair.bin").write_bytes(ct2hair(strands))
    assert same(read_strands(tmp_path / "hair.bin"), strands)
    even = np.random.default_rng(1).normal(size=(5, 8, 3)).astype(np.float32)
    (tmp_path / "hair.tfx").write_bytes(tressfx(even))
    assert same(read_strands(tmp_path / "hair.tfx"), Strands.from_array(even))
    mono = struct.pack("<II", len(strands), len(strands.points))
    mono += strands.counts.astype("<u2").tobytes() + strands.points.tobytes()
    (tmp_path / "mono.hair").write_bytes(mono)
    assert same(read_strands(tmp_path / "mono.hair"), strands)
    np.savez(tmp_path / "difflocks.npz", positions=even)
    assert same(read_strands(tmp_path / "difflocks.npz"), Strands.from_array(even))
    yuksel = struct.pack("<4s4I", b"HAIR", 5, 40, 2, 7).ljust(128, b"\0") + even.tobytes()
    (tmp_path / "default.hair").write_bytes(yuksel)
    assert same(read_strands(tmp_path / "default.hair"), Strands.from_array(even))


def test_unit_and_up_axis(tmp_path):
    write_strands(tmp_path / "a.data", Strands(np.array([[0, 0, 0], [1, 2, 3]]), np.array([2])))
    read = read_strands(tmp_path / "a.data", unit="cm", up="Y")
    np.testing.assert_allclose(read.points[1], [0.01, -0.03, 0.02], atol=1e-7)


class TestPly:
    def test_ascii(self, tmp_path):
        strands = uneven_strands()
        (tmp_path / "a.ply").write_bytes(ascii_ply(strands))
        assert same(read_strands(tmp_path / "a.ply"), strands, 1e-7)

    def test_edges_in_any_order_are_chained(self, tmp_path):
        header = (
            "ply\nformat ascii 1.0\nelement vertex 7\nproperty float x\nproperty float y\nproperty float z\n"
            "element edge 5\nproperty int vertex1\nproperty int vertex2\nend_header\n"
        )
        rows = "\n".join(f"{i} 0 0" for i in range(7))
        (tmp_path / "a.ply").write_text(header + rows + "\n4 6\n0 2\n2 5\n5 1\n3 4\n")
        strands = read_strands(tmp_path / "a.ply")
        assert strands.counts.tolist() == [4, 3]
        assert strands.points[:, 0].tolist() == [0, 2, 5, 1, 3, 4, 6]

    def test_loops_and_branches(self, tmp_path):
        header = (
            "ply\nformat ascii 1.0\nelement vertex 5\nproperty float x\nproperty float y\nproperty float z\n"
            "element edge 4\nproperty int vertex1\nproperty int vertex2\nend_header\n"
        )
        rows = "\n".join(f"{i} 0 0" for i in range(5))
        said = []
        (tmp_path / "loop.ply").write_text(header + rows + "\n0 1\n1 2\n2 0\n3 4\n")
        assert len(read_strands(tmp_path / "loop.ply", warn=said.append)) == 1 and "closed loops" in said[0]
        (tmp_path / "branch.ply").write_text(header + rows + "\n0 1\n0 2\n0 3\n3 4\n")
        with pytest.raises(StrandFileError, match="branch"):
            read_strands(tmp_path / "branch.ply")

    def test_strand_numbers_big_endian_and_lists(self, tmp_path):
        rows = np.zeros(4, [("x", ">f4"), ("y", ">f4"), ("z", ">f4"), ("strand_id", ">i4")])
        rows["x"], rows["strand_id"] = range(4), [7, 3, 7, 3]
        header = "ply\nformat binary_big_endian 1.0\nelement vertex 4\n"
        header += "property float x\nproperty float y\nproperty float z\nproperty int strand_id\nend_header\n"
        (tmp_path / "a.ply").write_bytes(header.encode() + rows.tobytes())
        assert read_strands(tmp_path / "a.ply").points[:, 0].tolist() == [1, 3, 0, 2]
        header = "ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
        header += "element strand 2\nproperty list uchar int vertex_indices\nend_header\n"
        (tmp_path / "b.ply").write_text(header + "0 0 0\n1 0 0\n2 0 0\n3 0 0\n2 3 0\n2 1 2\n")
        assert read_strands(tmp_path / "b.ply").points[:, 0].tolist() == [3, 0, 1, 2]

    def test_a_point_cloud_is_no_hair(self, tmp_path):
        header = "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\n"
        (tmp_path / "a.ply").write_text(header + "end_header\n0 0 0\n")
        with pytest.raises(StrandFileError, match="joins them to strands"):
            read_strands(tmp_path / "a.ply")


class TestBroken:
    def test_bad_strands_are_dropped_and_counted(self, tmp_path):
        good = [[0, 0, 0], [0, 0, 1]]
        bad = [[[0, 0, 0], [np.nan, 0, 1]], [[0, 0, 0]], [[1, 1, 1]] * 3, [[0, 0, 0], [1e30, 0, 0]], []]
        parts = [struct.pack("<i", 2 + len(bad))]
        for strand in [good, *bad, good]:
            parts += [struct.pack("<i", len(strand)), np.array(strand, "<f4").tobytes()]
        (tmp_path / "a.data").write_bytes(b"".join(parts))
        said = []
        strands = read_strands(tmp_path / "a.data", warn=said.append)
        assert strands.counts.tolist() == [2, 2] and np.array_equal(strands.points, good * 2)
        assert said == [
            "5 of the 7 strands in a.data were dropped: 1 with coordinates that are no numbers, "
            "1 with points farther than 100 km away, 2 of fewer than two points, 1 of zero length."
        ]

    def test_nothing_left_is_an_error(self, tmp_path):
        np.savez(tmp_path / "a.npz", points=np.zeros((4, 3)), counts=[2, 2])
        with pytest.raises(StrandFileError, match=r"no strand left.*2 of zero length"):
            read_strands(tmp_path / "a.npz")
        (tmp_path / "b.data").write_bytes(struct.pack("<i", 0))
        with pytest.raises(StrandFileError, match="holds no strands"):
            read_strands(tmp_path / "b.data")

    @pytest.mark.parametrize(
        "name, data",
        [
            ("a.hair", struct.pack("<4s4I", b"HAIR", 2**32 - 1, 2**32 - 1, 3, 0).ljust(128, b"\0")),
            ("a.hair", struct.pack("<4s4I", b"HAIR", 2**32 - 1, 0, 2, 2**32 - 1).ljust(128, b"\0")),
            ("a.hair", b"HAIR"),
            ("a.data", struct.pack("<ii", 1, 2**31 - 1)),
            ("a.data", struct.pack("<ii", 2**31 - 1, 1)),
            ("a.data", struct.pack("<ii", -1, -1)),
            ("a.bin", struct.pack("<ii", 1, 10**8)),
            ("a.tfx", struct.pack("<f4I", 4.0, 2**32 - 1, 2**32 - 1, 160, 0).ljust(160, b"\0")),
            ("a.tfx", b"\0" * 160),
            ("a.ply", b"ply\nformat ascii 1.0\nelement vertex 9999999999999999999\nproperty float x\nproperty float y\n"
                      b"property float z\nend_header\n"),
            ("a.ply", b"not a ply"),
            ("a.npz", b"PK\3\4"),
            ("a.data", b""),
            ("a.npz", b""),
        ],
    )  # fmt: skip
    def test_absurd_sizes_are_noticed_before_they_are_allocated(self, tmp_path, name, data):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(StrandFileError, match=name):
            read_strands(tmp_path / name)

    def test_an_array_that_claims_more_than_is_stored(self, tmp_path):
        header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (9000000000000, 3), }"
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            header = header.ljust(117) + b"\n"
            archive.writestr("points.npy", b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header)
            archive.writestr("counts.npy", b"")
        with pytest.raises(StrandFileError, match=r"a\.npz"):
            read_strands(tmp_path / "a.npz")

    def test_pickles_are_not_opened(self, tmp_path):
        np.savez(tmp_path / "a.npz", points=np.array([{}], object), counts=np.array([1]))
        with pytest.raises(StrandFileError):
            read_strands(tmp_path / "a.npz")

    def test_unknown_endings_and_missing_files(self, tmp_path):
        with pytest.raises(StrandFileError, match=r"\.abc are not read.*\.npz"):
            read_strands(tmp_path / "a.abc")
        with pytest.raises(StrandFileError, match="no ending"):
            write_strands(tmp_path / "a", uneven_strands())
        with pytest.raises(StrandFileError, match="no file"):
            read_strands(tmp_path / "a.hair")
        with pytest.raises(StrandFileError, match="not written"):
            write_strands(tmp_path / "a.tfx", uneven_strands())

    def test_too_many_points_for_hair(self, tmp_path):
        long = Strands(np.random.default_rng(0).normal(size=(70_000, 3)), np.array([70_000]))
        with pytest.raises(StrandFileError, match="65,536"):
            write_strands(tmp_path / "a.hair", long)
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", [e for e in readable() if not e.startswith(".usd")] + [".ascii.ply"])
def test_whatever_the_bytes_only_a_sentence_comes_out(tmp_path, ending):
    """Cut and altered files, most of them in the header, where a changed byte does the most harm."""
    strands, path = uneven_strands(4, seed=3), tmp_path / f"a{ending}"
    special = {
        ".bin": ct2hair(strands),
        ".tfx": tressfx(np.random.default_rng(1).normal(size=(4, 8, 3))),
        ".ascii.ply": ascii_ply(strands),
    }
    if ending in special:
        path.write_bytes(special[ending])
    else:
        write_strands(path, strands)
    whole, random = path.read_bytes(), np.random.default_rng(7)
    refused = 0
    for trial in range(150):
        data = bytearray(whole)
        if trial % 3 == 0:
            del data[random.integers(0, len(data)) :]
        else:
            reach = min(len(data), 200) if trial % 3 == 1 else len(data)
            for at in random.integers(0, reach, random.integers(1, 8)):
                data[at] = random.choice([0, 1, 0x7F, 0x80, 0xFF, 0x39, random.integers(256)])
        path.write_bytes(data)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                read = read_strands(path)
        except StrandFileError as error:
            refused += 1
            assert "\n" not in str(error) and str(error).endswith((".", "'"))
        else:
            assert np.isfinite(read.points).all() and (read.counts >= 2).all()
    assert refused > 40


def test_every_format_is_for_people_too():
    assert all(kind.label and (kind.read or kind.write) for kind in SUPPORTED.values())


@pytest.mark.skipif(not RATBOY.is_file(), reason="the artist's TressFX hair is not here")
def test_an_artists_hair_converts(tmp_path):
    from backend.contract import ConvertStrands
    from backend.jobs.convert_strands import run
    from backend.protocol import SilentReporter

    reporter = SilentReporter(tmp_path)
    result = run(ConvertStrands(RATBOY, tmp_path / "mohawk.hair", "m", "Y"), reporter)
    dropped = [m["text"] for m in reporter.messages if m["type"] == "warning"]
    strands = read_strands(tmp_path / "mohawk.hair")
    assert len(strands) == result["strands"] and 2000 < len(strands) < 2228
    assert len(dropped) == 1 and "of zero length" in dropped[0]
    assert (strands.counts == 32).all() and np.isfinite(strands.points).all()
    lengths = strands.lengths()
    assert lengths.min() > 1e-5 and np.median(lengths) == pytest.approx(0.08, abs=0.001)  # in the file's unit
