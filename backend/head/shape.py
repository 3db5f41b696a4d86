"""Where the template's vertices lie: rays onto the sculpted solid, then lids, lips and ears ring by ring."""

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.sparse import coo_matrix

from . import anatomy, ear
from .implicit import first_crossing, onto_surface
from .regions import hairline_height
from .template import BLOCKS, EYEBALL_ANGLES, EYEBALL_COLUMNS, LEFT_EYE, MOUTH, Template

# Half of the columns' angles about the vertical, degrees from the front: dense over the face, even over the scalp.
_COLUMN_ANGLES = PchipInterpolator([0, 3, 13, 21, 25, 36], [0, 6.4, 37.5, 79, 101, 180])
# Rows: origin of the rays on the midline (y, z) in mm, and their elevation in degrees in front, at the side, behind.
_ROWS = np.array([
    # row,  y,    z,  front, side, back
    [0, 10, 30, 33, 38, 34],
    [7, 10, 30, 0, 0, 0],
    [8, 10, 26.5, 0, 0, 0],
    [15, 10, 2, 0, 0, 0],
    [25, 10, -29, 0, 0, 0],
        [27, 10, -36, 0, 0, 0],
        [35, 10, -70, 0, 0, 0],
        [39, 10, -66, -19, -8, -12],
        [43, 15, -78, -27, -13, -18],
        [48, 25, -98, -50, -25, -32],
        [52, 30, -195, 0, 0, 0],
], float)  # fmt: skip


def place(template: Template) -> np.ndarray:
    """Vertices (V, 3) in mm of the mean head on a template."""
    field = anatomy.head_field
    vertices = np.zeros((template.vertex_count, 3))
    origins, directions = _grid_rays(template.grid.shape)
    hit = first_crossing(field, origins.reshape(-1, 3), directions.reshape(-1, 3)).reshape(origins.shape)
    vertices[template.grid[template.grid >= 0]] = hit[template.grid >= 0]
    _place_crown(template, field, vertices)
    fixed = np.zeros(len(vertices), bool)
    for name in ("left_eye", "mouth", "left_ear"):
        edge = np.array([template.grid[r, c % template.grid.shape[1]] for r, c in BLOCKS[name].loop])
        fixed[template.rings[name]] = True
        free = {"left_eye": _place_eye, "mouth": _place_mouth, "left_ear": _place_ear}[name](
            vertices, edge, template.rings[name]
        )
        fixed[free] = False
    _place_eyeball(vertices, template)
    for part in template.eyeballs.values():
        fixed[part] = True
    _mirror_left(vertices, template, fixed)
    fixed[template.grid[-1]] = True
    neighbours = _neighbours(template)
    _relax(vertices, template, neighbours, fixed, field)
    _snap_to_hairline(vertices, template, neighbours, fixed, field)
    return vertices


def _grid_rays(shape):
    rows, columns = shape
    half = columns // 2
    index = np.arange(columns)
    angle = np.radians(_COLUMN_ANGLES(np.minimum(index, columns - index)) * np.where(index <= half, 1, -1))
    y, z, front, side, back = (PchipInterpolator(_ROWS[:, 0], _ROWS[:, k])(np.arange(rows)) for k in range(1, 6))
    cosine = np.cos(angle)
    towards = np.where(cosine > 0, front[:, None], back[:, None])
    # Squared cosines make the elevation run smoothly from the front over the sides to the back.
    elevation = np.radians(side[:, None] + (towards - side[:, None]) * cosine**2)
    directions = np.stack([np.sin(angle) * np.cos(elevation), -cosine * np.cos(elevation), np.sin(elevation)], axis=-1)
    origins = np.stack(np.broadcast_arrays(0.0, y[:, None], z[:, None] + 0 * angle), axis=-1)
    return origins.copy(), directions


def _place_crown(template, field, vertices):
    crown = template.crown
    centre = np.array([0.0, 10.0, 30.0])
    inner = crown[1:-1, 1:-1]
    rows, columns = crown.shape
    s = np.linspace(0, 1, columns)[None, 1:-1, None]
    t = np.linspace(0, 1, rows)[1:-1, None, None]
    p = vertices[crown]
    # Coons' patch of its four edges, pushed out to the surface along rays from the middle of the head.
    blend = (1 - t) * p[:1, 1:-1] + t * p[-1:, 1:-1] + (1 - s) * p[1:-1, :1] + s * p[1:-1, -1:]
    corners = (1 - s) * (1 - t) * p[0, 0] + s * (1 - t) * p[0, -1] + (1 - s) * t * p[-1, 0] + s * t * p[-1, -1]
    dome = 4 * np.minimum(s, 1 - s) * np.minimum(t, 1 - t)
    rays = blend - corners + dome * [0, 0, 60.0] - centre
    rays = rays.reshape(-1, 3)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    vertices[inner.ravel()] = first_crossing(field, np.broadcast_to(centre, rays.shape), rays, near=50)


def _halves(block, upper, lower):
    """A closed loop for a block's rings from its upper and lower curve, each (half + 1, 3), first to last column."""
    return np.concatenate([upper[:-1], lower[:0:-1]])


def _onto_front(field, x, z):
    """Points on the face's front at the given x and z, (N, 3) mm."""
    origins = np.column_stack([x, np.full_like(x, -150.0), z])
    ray = np.broadcast_to([0.0, 1.0, 0.0], origins.shape)
    return first_crossing(lambda p: -field(p), origins, ray, near=5.0, far=130.0, step=1.0)


def _place_eye(vertices, edge, rings):
    field, centre, radius = anatomy.head_field, anatomy.EYE_CENTRE, anatomy.EYE_RADIUS
    half = LEFT_EYE.half
    s = np.linspace(0, 1, half + 1)
    upper_x, upper_z = anatomy.lid_margin(s, upper=True)
    lower_x, lower_z = anatomy.lid_margin(s, upper=False)
    x = _halves(LEFT_EYE, upper_x, lower_x)
    z = _halves(LEFT_EYE, upper_z, lower_z)
    margin = _onto_front(field, x, z)
    around = vertices[edge]
    for ring, weight in ((0, 0.36), (1, 0.66), (2, 0.86)):
        vertices[rings[ring]] = onto_surface(field, around + weight * (margin - around))
    vertices[rings[3]] = margin
    # The lid's edge is 1.5 mm thick; behind it the pocket follows the eyeball.
    outward = margin - centre
    reach = np.linalg.norm(outward, axis=1, keepdims=True)
    inner = centre + outward / reach * np.maximum(np.minimum(radius + 0.3, reach - 1.0), reach - 5.0)
    vertices[rings[4]] = inner
    azimuth = np.arctan2(inner[:, 2] - centre[2], inner[:, 0] - centre[0])
    for ring, (angle, gap) in ((5, (80.0, 1.0)), (6, (125.0, 1.2))):
        a = np.radians(angle)
        vertices[rings[ring]] = centre + (radius + gap) * np.column_stack(
            [np.sin(a) * np.cos(azimuth), np.full_like(azimuth, -np.cos(a)), np.sin(a) * np.sin(azimuth)]
        )
    return rings[:3]


def _place_mouth(vertices, edge, rings):
    field, half = anatomy.head_field, MOUTH.half
    s = np.linspace(-1, 1, half + 1)
    curves = [anatomy.lip_line(s, name) for name in ("upper border", "lower border", "parting")]
    (ux, uz), (lx, lz), (mx, mz) = curves
    border = _onto_front(field, _halves(MOUTH, ux, lx), _halves(MOUTH, uz, lz))
    parting = _onto_front(field, _halves(MOUTH, mx, mx), _halves(MOUTH, mz + 0.12, mz - 0.12))
    around = vertices[edge]
    for ring, weight in ((0, 0.4), (1, 0.75)):
        vertices[rings[ring]] = onto_surface(field, around + weight * (border - around))
    vertices[rings[2]] = border
    vertices[rings[3]] = onto_surface(field, 0.6 * border + 0.4 * parting + [0, -1.5, 0])
    vertices[rings[4]] = parting
    # The mouth stays shut: a flat pocket behind the lips, so that a jaw can open it.
    sign = np.r_[0.0, np.ones(half - 1), 0.0, -np.ones(half - 1)]
    for ring, (deep, gap, narrow) in ((5, (3.0, 0.3, 0.98)), (6, (8.0, 1.2, 0.94)), (7, (15.0, 2.5, 0.85))):
        vertices[rings[ring]] = parting * [narrow, 1, 1] + np.column_stack([0 * sign, 0 * sign + deep, gap * sign])
    return rings[:2]


def _place_ear(vertices, edge, rings):
    field = anatomy.head_field
    # Stations of the profile curves by the direction from the ear's middle, as the edge's own points see it.
    place = np.linspace(0, 12, len(edge), endpoint=False)
    for ring, (y, z, lift) in zip(rings, ear.rings(place)):
        origins = np.column_stack([np.full_like(y, 130.0), y, z])
        ray = np.broadcast_to([-1.0, 0.0, 0.0], origins.shape)
        skin = first_crossing(lambda p: -field(p), origins, ray, near=5.0, far=120.0, step=2.0)
        vertices[ring] = skin + np.column_stack([lift, 0 * lift, 0 * lift])
    return rings[:0]


def _place_eyeball(vertices, template):
    centre, radius = anatomy.EYE_CENTRE, anatomy.EYE_RADIUS
    azimuth = 2 * np.pi * np.arange(EYEBALL_COLUMNS) / EYEBALL_COLUMNS + np.pi / 2
    for ring, angle in zip(template.eyeballs["left"], EYEBALL_ANGLES):
        # The cornea stands out from the globe inside the limbus.
        out = radius + 0.9 * np.clip(1 - (angle / np.radians(30)) ** 2, 0, 1)
        vertices[ring] = centre + out * np.column_stack(
            [np.sin(angle) * np.cos(azimuth), np.full_like(azimuth, -np.cos(angle)), np.sin(angle) * np.sin(azimuth)]
        )
    front, back = template.eyeballs["left_poles"]
    vertices[front] = centre + [0, -radius - 0.9, 0]
    vertices[back] = centre + [0, radius, 0]


def _mirror_left(vertices, template, *masks):
    """Copy the left side (x > 0) to the right, and put the midline's vertices at x = 0."""
    mirror = template.mirror
    own = mirror == np.arange(len(mirror))
    vertices[own, 0] = 0.0
    for a in template.rings, template.eyeballs:
        for name, indices in a.items():
            if name.startswith("left"):
                vertices[mirror[indices]] = vertices[indices] * [-1, 1, 1]
                for mask in masks:
                    mask[mirror[indices]] = mask[indices]


def _neighbours(template):
    """(V, V) sparse, 1 where two vertices share an edge of a quad."""
    quads = template.quads
    pairs = np.concatenate([quads[:, [i, (i + 1) % 4]] for i in range(4)])
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    both = np.concatenate([pairs, pairs[:, ::-1]])
    near = coo_matrix((np.ones(len(both)), both.T), (template.vertex_count,) * 2).tocsr()
    near.data[:] = 1.0
    return near


def _relax(vertices, template, neighbours, fixed, field, rounds=24):
    """Even the free vertices out over the surface: half a step to the neighbours' mean, then back onto the solid."""
    degree = np.asarray(neighbours.sum(axis=1))
    free = np.flatnonzero(~fixed)
    for _ in range(rounds):
        mean = neighbours @ vertices / degree
        vertices[free] = onto_surface(field, vertices[free] + 0.5 * (mean[free] - vertices[free]), rounds=1)
        vertices[:] = (vertices + vertices[template.mirror] * [-1, 1, 1]) / 2
    vertices[free] = onto_surface(field, vertices[free], rounds=2)


def _snap_to_hairline(vertices, template, neighbours, fixed, field):
    """Put the vertices beside the hairline onto it, so that the scalp ends in a line and not in the grid's steps."""
    above = vertices[:, 2] - hairline_height(vertices)
    a, b = neighbours.nonzero()
    crossing = (above[a] > 0) != (above[b] > 0)
    a, b = a[crossing], b[crossing]
    along = above[a] / (above[a] - above[b])
    nearer = (along <= 0.5) & ~fixed[a]
    a, b, along = a[nearer], b[nearer], along[nearer]
    order = np.argsort(-along, kind="stable")  # the nearest crossing is written last
    target = vertices.copy()
    target[a[order]] = (vertices[a] + along[:, None] * (vertices[b] - vertices[a]))[order]
    moved = np.unique(a)
    target = (target + target[template.mirror] * [-1, 1, 1]) / 2
    for _ in range(3):
        target[moved] = onto_surface(field, target[moved], rounds=1)
        target[moved, 2] += 0.9 * (hairline_height(target[moved]) - target[moved, 2])
    vertices[moved] = target[moved]
