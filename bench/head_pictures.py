"""Runs inside an environment that has bpy: a head model with a texture is photographed from a half circle.

head_pictures.py HEAD.npz TEXTURE VIEWS SIZE SAMPLES FOLDER
"""

import importlib
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from building import extension, headless

ARC = 180.0
"""Degrees from the first camera to the last, with the face in the middle."""
ELEVATIONS = (10.0, -2.0)
"""Degrees, by turns."""
BELOW_CHIN = 0.05
"""Metres below the chin at which pictures may end."""


def main(head: Path, texture: Path, views: int, size: int, samples: int, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="maquette-", ignore_cleanup_errors=True) as user:
        link = extension.link(Path(user))
        try:
            headless.enable(Path(user))
            photograph(head, texture, views, size, samples, folder)
        finally:
            extension.unlink(link)


def photograph(path: Path, texture: Path, views: int, size: int, samples: int, folder: Path) -> None:
    """Render the capture with its truth, as Ground Truth does, from cameras of our own."""
    import bpy

    def part(name):
        return importlib.import_module(f"{headless.MODULE}.{name}")

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    head = part("backend.formats.head").read_head(path)
    thing = part("addon.heads").add_head(bpy.context, head, name="Head")
    thing.data.materials.clear()
    thing.data.materials.append(part("addon.skin_material").skin_material(str(texture)))
    thing.data.polygons.foreach_set("material_index", np.zeros(len(head.faces), np.int32))
    render = part("addon.ground_truth.render")
    settings = part("backend.contract").RenderGroundTruth(views=views, size=size, samples=samples, surface=False)
    reporter = part("backend.protocol").Reporter(folder, part("addon.headless").print_event)
    subject = render.Subject.of([], thing)
    render.render_ground_truth(subject, settings, folder, reporter, views=half_circle(head, views, size, part))


def half_circle(head, views: int, size: int, part) -> list:
    """Cameras from one profile to the other, each as near as the head without its shoulders allows."""
    orbit = part("addon.ground_truth.orbit")
    chin = head.landmark_points()[:, 2].min() - BELOW_CHIN
    points = head.vertices[head.vertices[:, 2] > chin].astype(np.float64)
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    angles = np.radians(np.linspace(-ARC / 2, ARC / 2, views))
    return [
        orbit.fitted_camera(points, centre, angle, np.radians(ELEVATIONS[k % 2]), size)
        for k, angle in enumerate(angles)
    ]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:6]), Path(sys.argv[6]))
