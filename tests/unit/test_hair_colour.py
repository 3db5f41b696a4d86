"""Colours of fibres from the colours that pictures show of hair."""

import dataclasses

import numpy as np
import pytest

from backend.formats.capture import Camera, Capture, View, read_capture, write_capture
from backend.hair.colour import PHOTOGRAPHED, SINGLE_BOUNCE, fibre_colours, transport_of

FIBRES = {
    "black": (0.012, 0.010, 0.009), "brown": (0.085, 0.045, 0.022), "red": (0.240, 0.070, 0.016),
    "blond": (0.450, 0.280, 0.130),
}  # fmt: skip
SEEN = {
    1: {"black": (0.0650, 0.0607, 0.0580), "brown": (0.1238, 0.0992, 0.0765),
        "red": (0.1596, 0.1128, 0.0676), "blond": (0.1717, 0.1579, 0.1311)},
    None: {"black": (0.0713, 0.0654, 0.0621), "brown": (0.1844, 0.1268, 0.0881),
           "red": (0.3249, 0.1570, 0.0746), "blond": (0.4001, 0.3135, 0.2049)},
}  # fmt: skip
"""Middle colours of the strands of one groom, and of its renders' pixels in Cycles with one and twelve bounces."""


@pytest.mark.parametrize("bounces", SEEN)
@pytest.mark.parametrize("name", FIBRES)
def test_a_render_tells_the_colour_of_its_fibres(name, bounces):
    seen, fibre = np.array(SEEN[bounces][name]), np.array(FIBRES[name])
    found = transport_of(bounces).fibre(seen)
    assert np.abs(np.log(found / fibre)).max() < np.log(1.4)
    # What an artist sees at once is how strong the colour is: as it was seen, it would be far too dull.
    ratio = found[0] / found[2] / (fibre[0] / fibre[2])
    assert 0.75 < ratio < 1.6
    assert seen[0] / seen[2] < 0.9 * found[0] / found[2]


@pytest.mark.parametrize("transport", [SINGLE_BOUNCE, PHOTOGRAPHED])
def test_the_inverse_undoes_the_light(transport):
    fibre = np.random.default_rng(0).uniform(0.02, 0.8, (50, 3))
    assert np.allclose(transport.fibre(transport.seen(fibre)), fibre, rtol=1e-6)


def test_a_groom_has_the_colour_of_its_hair_and_strands_of_their_own():
    random = np.random.default_rng(0)
    hair = np.array(SEEN[None]["brown"])
    seen = 0.8 * hair * np.exp(random.normal(0, 0.2, (1000, 1)))
    found = fibre_colours(seen, hair, PHOTOGRAPHED)
    assert found.dtype == np.float32 and found.shape == (1000, 3)
    assert np.abs(np.log(np.median(found, 0) / FIBRES["brown"])).max() < np.log(1.2)
    # Lighter strands stay lighter.
    assert np.corrcoef(np.log(found.sum(1)), np.log(seen.sum(1)))[0, 1] > 0.95


@pytest.mark.parametrize("hair", [(0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.004, 0.003, 0.002)])
def test_hair_in_no_light_or_too_much_has_a_colour(hair):
    seen = np.repeat(np.array([hair]), 5, axis=0)
    for transport in (SINGLE_BOUNCE, PHOTOGRAPHED):
        found = fibre_colours(seen, np.array(hair), transport)
        assert np.isfinite(found).all() and (found >= 0).all() and (found <= 1).all()


def test_a_capture_tells_how_much_light_its_renderer_followed(tmp_path):
    image = tmp_path / "images" / "a.png"
    image.parent.mkdir()
    image.write_bytes(b"")
    view = View("a", image, Camera(8, 8, 9.0, 9.0, 4.0, 4.0, np.eye(4)))
    rendered = Capture(tmp_path, (view,), 1.0, "rendered", 1)
    write_capture(rendered)
    assert read_capture(tmp_path).light_bounces == 1
    write_capture(dataclasses.replace(rendered, light_bounces=None))
    assert read_capture(tmp_path).light_bounces is None
