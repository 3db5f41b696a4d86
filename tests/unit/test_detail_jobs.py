"""Baking, applying and transferring detail, and layouts by an artist's seam, as jobs on files."""

import json
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree

from backend.contract import ApplyDetail, BakeDetail, MakeLayout, TransferDetail, check
from backend.detail.charts import adjacency
from backend.detail.dense import dense_head
from backend.detail.displacement_map import seam_jump
from backend.detail.given import given_displacement
from backend.errors import HeadError
from backend.fit.model import model_to_fit
from backend.formats.coefficients import Coefficients, Similarity, write_coefficients
from backend.formats.dense_mesh import DenseMesh, read_dense_mesh, write_dense_mesh
from backend.formats.detail import Detail, write_detail
from backend.formats.displacement import RANGE, read_displacement, write_displacement
from backend.formats.layout import BUILT_IN_LAYOUT, read_layout
from backend.formats.mesh_ply import write_ply
from backend.jobs import apply_detail, bake_detail, make_layout, transfer_detail
from backend.protocol import SilentReporter


@pytest.fixture(scope="module")
def dense():
    return dense_head(model_to_fit("built-in"))


@pytest.fixture(scope="module")
def person(dense):
    rng, pose = np.random.default_rng(8), np.zeros((5, 3))
    pose[1], pose[2, 0] = (0.1, 0.3, 0), 0.2
    return Coefficients.of(
        dense.model, identity=rng.normal(size=30), expression=rng.uniform(0, 0.4, 10), pose=pose,
        similarity=Similarity(100.0, np.array([[0, 0, 1.0], [1, 0, 0], [0, 1, 0]]), np.array([3.0, 150, 7])),
    )  # fmt: skip


def volume(dense, height=0.03, waves=60):
    """(W, 3) a displacement as hair makes it, a little of it on the face too."""
    rest = dense.rest()
    out = rest - [0, 0.01, 0.02]
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    scalp = 1 / (1 + np.exp(-(rest[:, 2:] - 0.06) / 0.01))
    return out * height * scalp + 0.001 * np.sin(waves * rest[:, [1, 2, 0]])


@pytest.fixture
def registered(dense, tmp_path):
    """A folder as register-scan leaves it."""
    folder = tmp_path / "anna"
    folder.mkdir()
    model = dense.model
    moved = volume(dense)
    write_detail(folder / "registered.npz", Detail(moved, np.ones(len(moved), bool), model.name, model.hash, "x"))
    return folder


def run(job, request, folder):
    folder.mkdir(parents=True, exist_ok=True)
    return job.run(request, SilentReporter(folder))


def errors(found, wanted):
    return 1000 * np.linalg.norm(found - wanted, axis=1)


@pytest.mark.parametrize(
    ("layout", "frame", "mean", "most"),
    [("custom", "object", 0.005, 0.1), ("custom", "tangent", 0.05, 2), ("standard", "object", 0.05, 1)],
)
def test_a_map_gives_back_the_registration(dense, person, registered, tmp_path, layout, frame, mean, most):
    write_coefficients(registered / "coefficients.npz", person)
    asked = BakeDetail(source=registered / "registered.npz", size=512, frame=frame, layout=layout)
    result = run(bake_detail, asked, tmp_path / "map")
    report = json.loads((tmp_path / "map" / "report.json").read_text())
    assert result["round_trip_mm"] < mean and report["round_trip_mm"]["p99.9"] < most
    assert result["clipped_vertices"] == 0
    given = read_displacement(tmp_path / "map" / result["map"])
    assert given.layout == (dense.layout_hash if layout == "custom" else dense.standard_hash) and given.frame == frame
    if frame == "object":
        assert report["seam_jump_mm"]["mean"] < 0.05
    else:
        # Hair stands off the head: along the normal, which is green.
        red, green, blue = np.abs(given.values[:256, :256]).mean(axis=(0, 1))
        assert green > 3 * max(red, blue)
    # Applied to the person that it was registered on.
    asked = ApplyDetail(map=tmp_path / "map" / result["map"], coefficients=registered / "coefficients.npz")
    run(apply_detail, asked, tmp_path / "head")
    wanted = dense.displaced(volume(dense), person.identity, person.expression, person.pose)
    assert errors(read_dense_mesh(tmp_path / "head" / "mesh.npz").vertices, wanted).mean() < 0.05


def test_an_exr_holds_what_a_png_cuts(dense, tmp_path):
    rest, moved = dense.rest(), volume(dense)
    top = np.exp(-np.sum((rest - rest[rest[:, 2].argmax()]) ** 2, axis=1) / 0.05**2)
    moved += top[:, None] * [0, 0, 0.2]
    given = Detail(moved, np.ones(len(moved), bool), dense.model.name, dense.model.hash)
    write_detail(tmp_path / "pony.npz", given)
    cut = run(bake_detail, BakeDetail(source=tmp_path / "pony.npz", size=256), tmp_path / "png")
    whole = run(bake_detail, BakeDetail(source=tmp_path / "pony.npz", size=256, format="exr"), tmp_path / "exr")
    assert cut["clipped_vertices"] == (np.abs(moved) > RANGE).any(axis=1).sum() > 100
    assert whole["clipped_vertices"] == 0
    back = given_displacement(tmp_path / "exr" / "displacement.exr", dense)
    assert np.abs(back).max() > 0.2 > RANGE and errors(back, moved).mean() < 0.2


def test_a_sculpted_mesh_is_baked_for_the_head_at_rest(dense, person, tmp_path):
    moved = volume(dense)
    posed = dense.displaced(moved, person.identity, person.expression, person.pose)
    write_coefficients(tmp_path / "coefficients.npz", person)
    write_dense_mesh(tmp_path / "mesh.npz", DenseMesh(posed, dense.faces, dense.uv, dense.layout_hash))
    write_ply(tmp_path / "registered.ply", person.similarity.apply(posed), dense.faces)
    for name in ("mesh.npz", "registered.ply"):
        result = run(bake_detail, BakeDetail(source=tmp_path / name, size=512), tmp_path / "map")
        back = given_displacement(tmp_path / "map" / result["map"], dense)
        assert errors(back, moved).mean() < 0.05, name


def test_detail_of_a_smoothed_head_goes_back_on_one(dense, person, registered, tmp_path):
    smooth, moved = dense_head(dense.model, smooth=True), volume(dense)
    lying = np.linalg.norm(smooth.rest() - dense.rest(), axis=1)
    assert lying[dense.regions["ears"]].max() == 0 and 2e-5 < lying[dense.regions["scalp"]].mean() < 1e-3
    write_detail(tmp_path / "smooth.npz", Detail(moved, np.ones(len(moved), bool), **smooth.said))
    write_coefficients(tmp_path / "coefficients.npz", person)
    run(bake_detail, BakeDetail(source=tmp_path / "smooth.npz", size=256), tmp_path / "map")
    asked = ApplyDetail(map=tmp_path / "map" / "displacement.png", coefficients=tmp_path / "coefficients.npz")
    run(apply_detail, asked, tmp_path / "head")
    made = read_dense_mesh(tmp_path / "head" / "mesh.npz")
    wanted = smooth.displaced(moved, person.identity, person.expression, person.pose)
    assert made.smoothed and errors(made.vertices, wanted).mean() < 0.1
    # Sculpted on, it is baked from the smoothed head again.
    (tmp_path / "head" / "coefficients.npz").write_bytes((tmp_path / "coefficients.npz").read_bytes())
    run(bake_detail, BakeDetail(source=tmp_path / "head" / "mesh.npz", size=256), tmp_path / "again")
    again = given_displacement(tmp_path / "again" / "displacement.png", smooth)
    assert errors(again, moved).mean() < 0.2
    with pytest.raises(HeadError, match="register both alike"):
        asked = TransferDetail(hair=tmp_path / "smooth.npz", face=registered / "registered.npz", size=256)
        run(transfer_detail, asked, tmp_path / "both")
    with pytest.raises(HeadError, match="was smoothed before"):
        given_displacement(tmp_path / "smooth.npz", dense)


def test_a_head_opens_in_any_program(dense, registered, tmp_path):
    result = run(apply_detail, ApplyDetail(map=registered / "registered.npz"), tmp_path / "out")
    wanted = dense.rest() + volume(dense)
    mesh = trimesh.load(tmp_path / "out" / result["obj"], process=False)
    turned = np.stack([mesh.vertices[:, 0], -mesh.vertices[:, 2], mesh.vertices[:, 1]], axis=1)
    assert len(mesh.faces) == len(dense.faces) and cKDTree(turned).query(wanted)[0].max() < 2e-6
    assert len(mesh.visual.uv) == len(turned) and 0 <= mesh.visual.uv.min() < mesh.visual.uv.max() <= 1
    ply = trimesh.load(tmp_path / "out" / result["ply"], process=False)
    np.testing.assert_allclose(ply.vertices, wanted, atol=1e-6)


def test_one_wears_anothers_hair(dense, registered, tmp_path):
    model, other = dense.model, volume(dense, 0.005, 200)
    write_detail(tmp_path / "ben.npz", Detail(other, np.ones(len(other), bool), model.name, model.hash))
    # A map is taken with what was painted on it, a registration is baked first.
    run(bake_detail, BakeDetail(source=registered / "registered.npz", size=256), tmp_path / "map")
    asked = TransferDetail(hair=tmp_path / "map" / "displacement.png", face=tmp_path / "ben.npz", size=256)
    result = run(transfer_detail, asked, tmp_path / "out")
    found = given_displacement(tmp_path / "out" / result["map"], dense)
    uses = np.zeros((dense.vertex_count, len(dense.layout.names)), bool)
    uses[dense.faces.ravel(), np.repeat(dense.chart, 3)] = True
    seam = cKDTree(dense.rest()[uses.sum(axis=1) > 1])
    inside = seam.query(dense.rest())[0] > 0.05
    scalp, face = inside & uses[:, 0], inside & uses[:, 1]
    assert scalp.sum() > 5000 and face.sum() > 5000
    assert errors(found[scalp], volume(dense)[scalp]).mean() < 0.1
    assert errors(found[face], other[face]).mean() < 0.1
    jump = 1000 * seam_jump(read_displacement(tmp_path / "out" / "displacement.png").values, dense.faces, dense.uv)
    assert jump.mean() < 0.05 and result["seam_jump_mm"] == pytest.approx(jump.mean(), abs=0.005)
    assert read_dense_mesh(tmp_path / "out" / "mesh.npz").vertices.shape == (dense.vertex_count, 3)


def test_a_painted_map_is_repaired_when_asked(dense, registered, tmp_path):
    run(bake_detail, BakeDetail(source=registered / "registered.npz", size=256), tmp_path / "map")
    path = tmp_path / "map" / "displacement.png"
    given = read_displacement(path)
    painted = given.values.copy()
    painted[:, :128] += 0.004  # the left half, the scalp's
    write_displacement(path, replace(given, values=painted))
    result = run(bake_detail, BakeDetail(source=path, size=256), tmp_path / "same")
    np.testing.assert_array_equal(
        read_displacement(tmp_path / "same" / result["map"]).values, read_displacement(path).values
    )
    run(bake_detail, BakeDetail(source=path, size=256, repair=True), tmp_path / "mended")
    before, after = (
        json.loads((tmp_path / name / "report.json").read_text())["seam_jump_mm"] for name in ("same", "mended")
    )
    assert before["mean"] > 2 and after["mean"] < 0.05
    with pytest.raises(HeadError, match="Only a map's seam"):
        run(bake_detail, BakeDetail(source=registered / "registered.npz", repair=True), tmp_path / "x")


def test_an_artists_seam_makes_a_layout_to_bake_in(dense, registered, tmp_path):
    # The face's border, and besides a slit up the back of the head, which opens the scalp into a long strip.
    own, vertices = read_layout(BUILT_IN_LAYOUT), dense.coarse()
    inner = adjacency(dense.model.faces)
    inner = inner[(own.chart[inner[:, :2]] == 0).all(axis=1), 2:]
    behind = (np.abs(vertices[inner][..., 0]) < 1e-4) & (vertices[inner][..., 1] > 0.03)
    np.save(tmp_path / "seam.npy", np.concatenate([own.seam[::-1], inner[behind.all(axis=1)]]))
    result = run(make_layout, MakeLayout(seam=tmp_path / "seam.npy"), tmp_path / "own")
    assert result["hash"] != dense.layout_hash and result["used"] > 0.4 and result["flipped"] == 0
    assert result["stretch"] < 1.2 and (tmp_path / "own" / "layout.png").stat().st_size > 10_000
    # A map in it belongs to no other.
    layout = tmp_path / "own" / "layout.npz"
    asked = BakeDetail(source=registered / "registered.npz", size=256, layout=str(layout))
    made = run(bake_detail, asked, tmp_path / "map")
    assert made["round_trip_mm"] < 0.05 and made["layout"] == result["hash"]
    path = tmp_path / "map" / "displacement.png"
    with pytest.raises(HeadError, match="another UV layout"):
        run(apply_detail, ApplyDetail(map=path), tmp_path / "head")
    run(apply_detail, ApplyDetail(map=path, layout=layout), tmp_path / "head")


def test_what_does_not_fit_is_said_in_a_sentence(dense, registered, tmp_path):
    bake = lambda path, **settings: run(bake_detail, BakeDetail(source=path, size=256, **settings), tmp_path / "x")  # noqa: E731
    with pytest.raises(HeadError, match="There is no nothing"):
        bake(tmp_path / "nothing.npz")
    moved = volume(dense)
    write_detail(tmp_path / "a.npz", Detail(moved, np.ones(len(moved), bool), "else", "0123456789abcdef"))
    with pytest.raises(HeadError, match="belongs to the head model else"):
        bake(tmp_path / "a.npz")
    write_detail(tmp_path / "b.npz", Detail(moved[:9], np.ones(9, bool), dense.model.name, dense.model.hash))
    with pytest.raises(HeadError, match="register the scan again"):
        bake(tmp_path / "b.npz")
    write_ply(tmp_path / "c.ply", moved[:9], np.array([[0, 1, 2]]))
    with pytest.raises(HeadError, match="must keep the vertices"):
        bake(tmp_path / "c.ply")
    (tmp_path / "d.npz").write_bytes(b"what")
    with pytest.raises(HeadError, match="cannot be read"):
        bake(tmp_path / "d.npz")
    with pytest.raises(HeadError, match="cannot be opened"):
        bake(registered / "registered.npz", layout="nowhere.npz")
    run(bake_detail, BakeDetail(source=registered / "registered.npz", size=256), tmp_path / "map")
    path = tmp_path / "map" / "displacement.png"
    given = read_displacement(path)
    write_displacement(path, replace(given, model="else", model_hash="0123456789abcdef"))
    for job, request in (
        (apply_detail, ApplyDetail(map=path)),
        (transfer_detail, TransferDetail(hair=path, face=path)),
    ):
        with pytest.raises(HeadError, match="belongs to the head model else"):
            run(job, request, tmp_path / "x")
    np.save(tmp_path / "seam.npy", np.zeros((3, 3)))
    with pytest.raises(HeadError, match="cannot be read as a seam"):
        run(make_layout, MakeLayout(seam=tmp_path / "seam.npy"), tmp_path / "x")
    assert check(BakeDetail, {"source": "a.npz", "size": 2048, "format": "exr"}).size == 2048
