"""Landmarks on a scan: empties that are parented to it, each with the name of its landmark.

An artist's own empties count too, if they are parented to the scan and named as a landmark file would name them.
"""

from collections.abc import Mapping
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix, Vector

from ..backend.errors import LandmarkError
from ..backend.formats.head import BUILT_IN_HEAD, read_head
from ..backend.formats.landmarks import Landmarks3D, guess_unit, read_landmarks, write_landmarks
from .flame_rig import rig_of
from .job_marks import marked
from .landmark_guide import NEEDED, known_name, label
from .visibility import evaluable, world_matrix

ROLE = "landmark"
NAME = "maquette_landmark"
"""Custom property of an empty of ours: its landmark, whatever the object is called."""
SCAN_OF = "maquette_scan_of"
"""Property of a scan: the jobs that were asked to lay a head on it."""
SIZE = 0.008
"""Radius of a landmark's sphere, in largest dimensions of its scan."""
FARTHEST = 0.03
"""Largest dimensions of the scan that landmarks of a file may lie off its surface, on average, to be believed."""


def is_scan(thing: bpy.types.Object | None) -> bool:
    """A mesh that a head may be fitted to: not a head of ours."""
    return thing is not None and thing.type == "MESH" and rig_of(thing) is None and not thing.get("maquette_job")


def scan_of(context: bpy.types.Context) -> bpy.types.Object | None:
    """The scan that the panel is about: the chosen one, else the active object, where it or its parent is a mesh."""
    chosen = context.scene.maquette.fit.scan
    if chosen is not None and chosen.name in context.scene.objects:
        return chosen
    active = context.active_object
    if active is not None and active.get("maquette_role") == ROLE:
        active = active.parent
    return active if is_scan(active) and active.name in context.scene.objects else None


def scan_asked(job_id: str, name: str = "") -> bpy.types.Object | None:
    """The scan that a job was asked for, renamed or not; else the mesh of a name; None where both are gone."""
    found = marked(SCAN_OF, job_id) or bpy.context.scene.objects.get(name)
    return found if found is not None and found.type == "MESH" else None


def landmarks_on(scan: bpy.types.Object) -> dict[str, bpy.types.Object]:
    """Landmark's name → its empty."""
    found = {}
    for thing in scan.children:
        if thing.type == "EMPTY":
            name = str(thing.get(NAME, "")) if thing.get("maquette_role") == ROLE else known_name(thing.name)
            if name:
                found.setdefault(name, thing)
    return found


def places_on(scan: bpy.types.Object) -> dict[str, Vector]:
    """Landmark's name → where it is in the scan's own coordinates."""
    inverse = scan.matrix_world.inverted_safe()
    # What was just placed has no evaluated matrix yet; an artist's own may have been parented in any way.
    return {
        name: thing.location.copy() if thing.get("maquette_role") == ROLE else inverse @ thing.matrix_world.translation
        for name, thing in landmarks_on(scan).items()
    }


def positions_on(scan: bpy.types.Object) -> dict[str, Vector]:
    """Landmark's name → where it is in the world."""
    at = scan.matrix_world
    return {name: at @ place for name, place in places_on(scan).items()}


def place_landmark(scan: bpy.types.Object, name: str, position: Vector) -> bpy.types.Object:
    """Put a landmark where it is said, in the scan's own coordinates, and make it first if there is none."""
    thing = landmarks_on(scan).get(name)
    if thing is None:
        thing = bpy.data.objects.new(label(name), None)
        thing[NAME], thing["maquette_role"] = name, ROLE
        thing.empty_display_type = "SPHERE"
        thing.empty_display_size = SIZE * _largest_dimension(scan)
        collection = next(iter(scan.users_collection), bpy.context.scene.collection)
        collection.objects.link(thing)
    thing.parent = scan
    thing.matrix_parent_inverse = Matrix.Identity(4)
    thing.location = position
    return thing


def remove_landmark(scan: bpy.types.Object, name: str) -> None:
    """Take a landmark away, if it is there."""
    thing = landmarks_on(scan).get(name)
    if thing is not None:
        bpy.data.objects.remove(thing)


def point_on_scan(scan: bpy.types.Object, origin: Vector, direction: Vector) -> Vector | None:
    """Where a ray of the world meets a scan as it is shown, in the scan's own coordinates; None where it does not."""
    evaluated = scan.evaluated_get(bpy.context.evaluated_depsgraph_get())
    inverse = scan.matrix_world.inverted_safe()
    start = inverse @ origin
    toward = (inverse @ (origin + direction) - start).normalized()
    hit, position, _, _ = evaluated.ray_cast(start, toward)
    return position if hit else None


def load_landmarks(scan: bpy.types.Object, path: Path) -> tuple[int, str]:
    """Put a file's landmarks on a scan: how many, and in whose coordinates they were found to be.

    A file is in the coordinates of the scan's own file, which Blender may have turned or scaled since. So they are
    taken as the mesh's own, as the world's, and turned from Y up, whichever lies closest to the surface.

    Raises:
        LandmarkError: it cannot be read, or its points lie nowhere near the scan.
    """
    read = read_landmarks(path)
    inverse = np.array(_inverse(scan))
    turned = np.array(Matrix.Rotation(np.pi / 2, 4, "X"))
    ways = {
        "the scan's own coordinates": np.eye(4),
        "the scene's coordinates": inverse,
        "coordinates with Y up": turned,
        "the scene's coordinates with Y up": inverse @ turned,
    }
    tried = {way: read.points @ matrix[:3, :3].T + matrix[:3, 3] for way, matrix in ways.items()}
    off = {way: _mean_distance(scan, points) for way, points in tried.items()}
    best = min(off, key=off.get)
    if not off[best] < FARTHEST * _largest_dimension(scan):
        raise LandmarkError(
            f"The landmarks of {path.name} lie nowhere near '{scan.name}'; are they another scan's, or in another unit?"
        )
    for name, point in zip(read.names, tried[best].tolist(), strict=True):
        place_landmark(scan, name, Vector(point))
    return len(read.names), best


def save_landmarks(scan: bpy.types.Object, path: Path) -> int:
    """Write a scan's landmarks in its own coordinates, as its file has them; how many."""
    there = places_on(scan)
    write_landmarks(path, _landmarks(there))
    return len(there)


def world_landmarks(scan: bpy.types.Object) -> Landmarks3D:
    """A scan's landmarks in the scene's coordinates. Raises LandmarkError where they are too few."""
    there = positions_on(scan)
    if len(there) < NEEDED:
        raise LandmarkError(f"'{scan.name}' has {len(there)} landmarks; place at least {NEEDED} on it.")
    return _landmarks(there)


def guessed_unit(scan: bpy.types.Object) -> tuple[float, str] | None:
    """Metres in one unit of the scene, by the size of the face on a scan, and the unit's name or ""; None where too
    little is known."""
    there = positions_on(scan)
    try:
        return guess_unit(_landmarks(there), mean_face()) if len(there) >= NEEDED else None
    except LandmarkError:
        return None


def mean_face() -> Landmarks3D:
    """The 68 points of the built-in head, metres."""
    global _face
    if _face is None:
        head = read_head(BUILT_IN_HEAD)
        _face = Landmarks3D(tuple(head.landmarks), head.landmark_points())
    return _face


_face: Landmarks3D | None = None


def _landmarks(there: Mapping[str, Vector]) -> Landmarks3D:
    return Landmarks3D(tuple(there), np.array([tuple(position) for position in there.values()]).reshape(-1, 3))


def _largest_dimension(scan: bpy.types.Object) -> float:
    """Of a scan in its own coordinates."""
    corners = np.array(scan.bound_box)
    return float(np.ptp(corners, axis=0).max()) or 1.0


def _inverse(scan: bpy.types.Object) -> Matrix:
    matrix = world_matrix(scan)
    if abs(matrix.determinant()) < 1e-30:
        raise LandmarkError(f"'{scan.name}' is scaled to nothing; give it a size first.")
    return matrix.inverted()


def _mean_distance(scan: bpy.types.Object, points: np.ndarray) -> float:
    """Of points in the scan's own coordinates from its surface."""
    with evaluable(scan) as depsgraph:
        evaluated = scan.evaluated_get(depsgraph)
        distances = []
        for point in map(Vector, points.tolist()):
            found, near, _, _ = evaluated.closest_point_on_mesh(point)
            distances.append((near - point).length if found else np.inf)
    return float(np.mean(distances))
