"""How long the built-in head takes to be fitted to scans of random people of it."""

import time

import numpy as np

from backend.contract import BUILT_IN
from backend.fit.model import model_to_fit, named_points, skin
from backend.fit.scan import Scan, ScanSurface
from backend.fit.scan_fit import fit_scan, start
from backend.fit.shape import Parameters, Shape
from backend.fit.surfaces import MovingSurface
from backend.formats.flame_model import scheme_68
from backend.formats.landmarks import Landmarks3D
from backend.geometry.surface import Surface
from backend.protocol import Reporter


def scan_fits(count: int, folder) -> list[dict]:
    """A row a person: milliseconds from scan and 51 landmarks in memory to the fitted head, and how far off it is."""
    model = model_to_fit(BUILT_IN)
    shape, points, outer = Shape(model), named_points(model), skin(model)
    return [_fit(shape, points, outer, seed, Reporter(folder, lambda *_, **__: None)) for seed in range(count)]


def _fit(shape: Shape, points: dict, outer: np.ndarray, seed: int, reporter: Reporter) -> dict:
    model, names = shape.model, scheme_68()[17:]
    nobody = shape.zero()
    identity = np.random.default_rng(seed).normal(size=shape.identity_count)
    vertices = shape.vertices(Parameters(identity, nobody.expression, nobody.pose))
    marks = np.stack([points[name][1] @ vertices[model.faces[points[name][0]]] for name in names])
    landmarks = Landmarks3D(names, marks)
    began = time.perf_counter(), time.process_time()
    _, place = start(model, landmarks)
    head = MovingSurface(model.faces)
    head.move(place.apply(shape.vertices(nobody)))
    scan = Scan(vertices, model.faces.astype(np.int64), None, "scan")
    surface = ScanSurface(scan, 1.0, marks.mean(axis=0), lambda at: head.normals_at(*head.nearest(at)[1:]))
    fit = fit_scan(shape, surface, landmarks, place, False, reporter)
    spent = {"ms": 1e3 * (time.perf_counter() - began[0]), "cpu_ms": 1e3 * (time.process_time() - began[1])}
    there, _, _ = Surface(fit.place.apply(fit.vertices), model.faces).nearest(vertices[outer])
    away = float(np.linalg.norm(there - vertices[outer], axis=1).mean())
    return {"row": f"built-in head fitted to a scan, person {seed + 1}"} | spent | {"mean_distance_m": away}
