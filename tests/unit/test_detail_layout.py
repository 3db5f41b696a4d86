"""The custom UV layout of the built-in head, maps baked into it, and displacements that follow a pose."""

import json

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from backend.detail import frames
from backend.detail.displacement_map import bake, repair_seam, sample_at_vertices, seam_jump
from backend.detail.layout import distortion, make_layout
from backend.detail.packing import covered
from backend.detail.subdivision import subdivide
from backend.detail.texels import places
from backend.errors import HeadError
from backend.formats.displacement import RANGE, DisplacementMap, read_displacement, write_displacement
from backend.formats.exr import read_exr
from backend.formats.head import BUILT_IN_HEAD, read_head
from backend.formats.layout import BUILT_IN_LAYOUT, read_layout


@pytest.fixture(scope="module")
def head():
    return read_head(BUILT_IN_HEAD)


@pytest.fixture(scope="module")
def layout():
    return read_layout(BUILT_IN_LAYOUT)


@pytest.fixture(scope="module")
def dense(head, layout):
    """Vertices (W, 3), triangles, UVs per corner of the head after two rounds."""
    step = subdivide(head.faces, len(head.vertices), 2)
    return step.dense(head.vertices).astype(np.float64), step.faces, step.corner_values(layout.uv)


def hair(vertices):
    """A displacement such as hair makes: locks of 20 mm with a few centimetres of volume above, smooth elsewhere."""
    x, _, z = vertices.T
    out = vertices - [0, 0.01, 0.02]
    out = out / np.linalg.norm(out, axis=1, keepdims=True)
    volume = 0.03 / (1 + np.exp(-(z - 0.05) / 0.012))
    locks = 1 + 0.1 * np.sin(2 * np.pi * x / 0.02 + 3 * np.sin(40 * z))
    return out * (volume * locks)[:, None] + 0.002 * np.sin(60 * vertices[:, [1, 2, 0]])


def test_nothing_is_turned_over_or_overlaps(layout):
    a, b = layout.uv[:, 1] - layout.uv[:, 0], layout.uv[:, 2] - layout.uv[:, 0]
    area = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).astype(np.float64) / 2
    assert area.min() > 0
    # Where triangles lay on one another, they would cover less than their areas together.
    seen = covered(layout.uv, 1024).mean()
    assert area.sum() == pytest.approx(seen, rel=2e-3)
    assert covered(layout.uv, 256).mean() > 0.5


def test_charts_lie_where_they_should(head, layout):
    assert layout.names[:2] == ("scalp", "face")
    scalp, face = (layout.uv[layout.chart == k] for k in (0, 1))
    assert scalp[..., 0].max() < 0.5 < face[..., 0].min()
    share = [covered(part, 512).mean() for part in (scalp, face)]
    assert 0.7 < share[0] / share[1] < 1.4
    masks = np.stack([covered(layout.uv[layout.chart == k], 512) for k in range(len(layout.names))])
    for k, mask in enumerate(masks):
        others = np.delete(masks, k, axis=0).any(axis=0)
        others[0], others[-1], others[:, 0], others[:, -1] = True, True, True, True
        assert distance_transform_edt(~others)[mask].min() >= 2 * 8 - 1, layout.names[k]
    inside = np.isin(head.faces, head.regions["scalp"]).all(axis=1)
    assert (layout.chart[inside] == 0).mean() > 0.97
    # A face upright and not mirrored: the person's left is right of the middle, the forehead above the chin.
    middle = head.vertices[head.faces].mean(axis=1)[layout.chart == 1]
    centre = face.mean(axis=1)
    assert np.corrcoef(middle[:, 0], centre[:, 0])[0, 1] > 0.9 and np.corrcoef(middle[:, 2], centre[:, 1])[0, 1] > 0.9


def test_distortion_is_low(head, layout):
    for k in (0, 1):
        part = layout.chart == k
        found = distortion(head.vertices, head.faces[part], layout.uv[part], np.zeros(part.sum(), int))
        assert found.flipped == 0 and found.energy < 5 and found.stretch < 1.5 and found.area < 0.4


def test_the_smallest_triangles_have_texels(head, layout):
    a, b = layout.uv[:, 1] - layout.uv[:, 0], layout.uv[:, 2] - layout.uv[:, 0]
    texels = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).astype(np.float64) / 2 * 1024**2
    sides = np.diff(head.vertices[head.faces].astype(np.float64), axis=1)
    tiny = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1) / 2 < 5e-7
    # Folds of ears, lids and lips: of half a square millimetre a triangle has 1.4 texels in proportion.
    assert tiny.sum() > 50 and np.median(texels[tiny]) > 2 and texels.min() > 0.3


def test_a_map_gives_back_what_was_registered(layout, dense, tmp_path):
    vertices, faces, uv = dense
    moved = hair(vertices)
    far = vertices[:, 2].argmax()
    moved[far] = [0.3, 0, 0]
    baked = bake(moved, faces, uv, 1024, layout=layout.hash, model="m", model_hash="h")
    assert baked.clipped == 1 and 0.05 < np.abs(baked.values).max() < 1.5 * RANGE
    write_displacement(tmp_path / "d.png", baked)
    back = read_displacement(tmp_path / "d.png")
    assert np.abs(back.values - baked.values).max() < 2 * RANGE / 65535
    assert (back.frame, back.clipped, back.layout, back.model) == ("object", 1, layout.hash, "m")
    assert json.loads((tmp_path / "d.png.json").read_text())["range"] == [-RANGE, RANGE]
    error = 1000 * np.linalg.norm(sample_at_vertices(back.values, faces, uv, len(vertices)) - moved, axis=1)
    error = np.delete(error, np.unique(faces[(faces == far).any(axis=1)]))
    assert error.mean() < 0.005 and np.percentile(error, 99.9) < 0.1
    jump = 1000 * seam_jump(back.values, faces, uv)
    assert jump.mean() < 0.01 and jump.max() < 0.05


def test_the_repair_closes_the_seam_and_leaves_the_rest(layout, dense):
    _, faces, uv = dense
    rng = np.random.default_rng(4)
    size = 256
    coarse = rng.normal(0, 0.01, (9, 9, 3))
    rows = np.linspace(0, 7.999, size)
    i, s = rows.astype(int), (rows % 1)[:, None, None]
    lines = coarse[i] * (1 - s) + coarse[i + 1] * s
    values = lines[:, i] * (1 - s[None, :, 0]) + lines[:, i + 1] * s[None, :, 0]
    inside = covered(uv, size)
    before = seam_jump(values, faces, uv)
    mended = repair_seam(values, inside, faces, uv)
    assert np.median(before) > 0.005
    after = seam_jump(mended, faces, uv)
    assert after.mean() < 2e-5 and np.percentile(after, 95) < 5e-5
    found = places(faces, uv)
    seam = found.uv[found.on_seam]
    at = np.ones((size, size), bool)
    at[((1 - seam[:, 1]) * size).astype(int), (seam[:, 0] * size).astype(int)] = False
    far = inside & (distance_transform_edt(at) > 12)
    np.testing.assert_allclose(mended[far], values[far], atol=1e-9)


def test_a_map_as_exr_holds_metres(tmp_path):
    values = np.random.default_rng(5).normal(size=(40, 40, 3)).astype(np.float32)
    write_displacement(tmp_path / "d.exr", DisplacementMap(values, "tangent"))
    part = read_exr(tmp_path / "d.exr")[0]
    np.testing.assert_array_equal(np.stack([part.channels[c] for c in "RGB"], axis=-1), values)


def test_bad_maps_are_refused_in_a_sentence(tmp_path):
    with pytest.raises(HeadError, match="JSON beside it"):
        read_displacement(tmp_path / "none.png")
    write_displacement(tmp_path / "d.png", DisplacementMap(np.zeros((20, 20, 3), np.float32)))
    (tmp_path / "d.png.json").write_text("[]")
    with pytest.raises(HeadError, match="cannot be read"):
        read_displacement(tmp_path / "d.png")
    with pytest.raises(HeadError, match="not finite"):
        bake(np.full((3, 3), np.nan), np.array([[0, 1, 2]]), np.zeros((1, 3, 2)), 32)


def test_a_rotated_head_has_rotated_frames(dense):
    vertices, faces, uv = dense
    angle = 0.7
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    basis, edged = frames.tangent_frames(vertices, faces, uv), frames.edged_tangents(vertices, faces, uv)
    found = frames.tangent_frames(vertices @ turn.T + [0.1, 0, 0.2], faces, uv, edged)
    np.testing.assert_allclose(found, turn @ basis, atol=1e-7)
    np.testing.assert_allclose(
        np.einsum("vji,vjk->vik", basis, basis), np.eye(3)[None].repeat(len(basis), 0), atol=1e-9
    )
    assert np.linalg.det(basis).min() > 0.999


def test_regions_that_are_missing_are_asked_for(head):
    with pytest.raises(HeadError, match="no scalp region"):
        make_layout(head.vertices, head.faces, {"face": head.regions["face"]})


def test_an_artists_seam_is_followed(head, layout):
    # The program's own border as an artist's marks gives the same charts.
    found = make_layout(head.vertices, head.faces, head.regions, seam=layout.seam)
    assert found.names[:2] == ("scalp", "face") and found.hash == layout.hash
    with pytest.raises(HeadError, match="seam"):
        make_layout(head.vertices, head.faces, head.regions, seam=np.zeros((0, 2), int))
    with pytest.raises(HeadError, match="list of the head's own edges"):
        make_layout(head.vertices, head.faces, head.regions, seam=np.array([[0, 10**6]]))
