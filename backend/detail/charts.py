"""Which triangles of a head make a chart of the custom layout: where its seams run.

HeadCraft (Fig. 4) moves the seam from the back of the head to the face's border, so that scalp and face are apart and
of similar size. Here the border starts at the bottom of the neck, rises to an ear, follows the hairline to the other
ear and goes down again: the face's chart has the front of the neck, the scalp's the back of it. Ears, the linings
of mouth and eye sockets, and the halves of the eyeballs are charts of their own.
"""

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components, dijkstra, maximum_flow
from scipy.spatial import cKDTree

from ..errors import HeadError
from .smoothing import neighbours

SCALP, FACE = "scalp", "face"
_SLACK = 0.01
"""Metres that a seam may stray from a region's border to run smoothly."""
_EDGES = 1.7
"""Lengths of the mesh's own edges there that it may always stray: a coarser mesh has no other way to run smoothly."""


def charts(vertices: np.ndarray, faces: np.ndarray, regions: dict[str, np.ndarray]) -> tuple[np.ndarray, list[str]]:
    """Part a head into charts.

    Args:
        vertices: (V, 3) metres, Z up, looking along -Y.
        faces: (F, 3)
        regions: "scalp" and "face" at least; "left_ear", "right_ear", "mouth_pocket" where the head has them.

    Returns:
        (F,) the chart of each triangle, and the charts' names; every chart is one connected piece.

    Raises:
        HeadError: there is no scalp or face.
    """
    for name in (SCALP, FACE):
        if not len(regions.get(name, ())):
            raise HeadError(f"The head has no {name} region, which the layout is made from; say where its {name} is.")
    vertices = np.asarray(vertices, np.float64)
    links = adjacency(faces)
    pieces = connected_components(_graph(links, len(faces)), directed=False)[1]
    main = np.bincount(pieces).argmax()
    named = np.full(len(faces), "", dtype="U32")

    skin = pieces == main
    named[skin] = FACE
    balls = []
    for piece in np.unique(pieces[~skin]):
        mine = np.flatnonzero(pieces == piece)
        balls.append(_ball(vertices, faces, mine))
        side = "left" if balls[-1][0][0] > np.median(vertices[:, 0]) else "right"
        named[mine] = np.where(_front_half(vertices, faces, mine), f"{side}_eye_front", f"{side}_eye_back")
    for side, (centre, radius) in zip(("left", "right"), sorted(balls, key=lambda b: -b[0][0])):
        named[skin & _socket(vertices, faces, skin, links, centre, radius)] = f"{side}_socket"
    for side in ("left", "right"):
        ear = _within(faces, regions.get(f"{side}_ear", ())) & (named == FACE)
        named[_clean(vertices, faces, links, ear, named == FACE, slack=0.004)] = f"{side}_ear"
    pocket = _within(faces, regions.get("mouth_pocket", ())) & (named == FACE)
    pocket = _clean(vertices, faces, links, pocket, named == FACE, slack=0.002)
    if pocket.any():
        upper = _clean(vertices, faces, links, _upper_half(vertices, faces, pocket), pocket, slack=0.003)
        named[upper], named[pocket & ~upper] = "upper_mouth", "lower_mouth"
    rest = named == FACE
    named[_clean(vertices, faces, links, _behind(vertices, faces, regions, rest), rest)] = SCALP

    names = [SCALP, FACE, *sorted(set(named.tolist()) - {SCALP, FACE})]
    label = np.array([names.index(n) for n in named])
    return _one_piece_each(vertices, faces, links, label), names


def adjacency(faces: np.ndarray) -> np.ndarray:
    """(E, 4) of every edge with two triangles: both triangles and both vertices."""
    start, end = faces.ravel().astype(np.int64), np.roll(faces, -1, axis=1).ravel().astype(np.int64)
    key = np.minimum(start, end) * (faces.max() + 1) + np.maximum(start, end)
    order = np.argsort(key, kind="stable")
    same = np.flatnonzero(key[order][1:] == key[order][:-1])
    one, two = order[same], order[same + 1]
    return np.column_stack([one // 3, two // 3, start[one], end[one]])


def _graph(links: np.ndarray, count: int):
    return coo_matrix((np.ones(len(links)), (links[:, 0], links[:, 1])), (count, count)).tocsr()


def _within(faces: np.ndarray, members) -> np.ndarray:
    """(F,) triangles that have all their corners among these vertices."""
    inside = np.zeros(faces.max() + 1, bool)
    inside[np.asarray(members, int)] = True
    return inside[faces].all(axis=1)


def _ball(vertices, faces, mine):
    """Centre (3,) and radius of the sphere nearest to a piece."""
    points = vertices[np.unique(faces[mine])]
    system = np.column_stack([2 * points, np.ones(len(points))])
    solution = np.linalg.lstsq(system, np.sum(points**2, axis=1), rcond=None)[0]
    return solution[:3], float(np.sqrt(solution[3] + solution[:3] @ solution[:3]))


def _front_half(vertices, faces, mine):
    """(K,) triangles of an eyeball's front, down to a circle of latitude a little behind its equator, out of sight."""
    points = np.unique(faces[mine])
    start, end = faces[mine].ravel(), np.roll(faces[mine], -1, axis=1).ravel()
    graph = coo_matrix((np.ones(len(start)), (start, end)), (len(vertices),) * 2).tocsr()
    # Whole edges are counted from the foremost point, so that the parting follows a circle where the ball has them.
    pole = points[vertices[points, 1].argmin()]
    rings = dijkstra(graph, directed=False, indices=pole, unweighted=True)
    ring = rings[points].astype(int)
    depth = np.bincount(ring, vertices[points, 1]) / np.maximum(np.bincount(ring), 1)
    equator = (vertices[points, 1].min() + vertices[points, 1].max()) / 2
    last = int(np.argmax(depth > equator + 0.1 * np.ptp(vertices[points, 1])))
    return rings[faces[mine]].max(axis=1) <= last


def _socket(vertices, faces, skin, links, centre, radius):
    """(F,) skin near an eyeball that looks at it: the lining behind the lids."""
    corners = vertices[faces]
    middle = corners.mean(axis=1)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    out = middle - centre
    lining = skin & (np.linalg.norm(out, axis=1) < 1.45 * radius) & (np.einsum("fc,fc->f", normal, out) < 0)
    return _clean(vertices, faces, links, lining, skin, slack=0.0015)


def _upper_half(vertices, faces, pocket):
    """(F,) triangles nearer, along the surface, to the upper half of the mouth's opening than to the lower."""
    mine = faces[pocket]
    start, end = mine.ravel(), np.roll(mine, -1, axis=1).ravel()
    length = np.linalg.norm(vertices[start] - vertices[end], axis=1) + 1e-9
    graph = coo_matrix((length, (start, end)), (len(vertices),) * 2).tocsr()
    opening = np.intersect1d(np.unique(mine), np.unique(faces[~pocket]))
    left, right = vertices[opening[vertices[opening, 0].argmax()]], vertices[opening[vertices[opening, 0].argmin()]]
    along = (vertices[opening, 0] - right[0]) / max(left[0] - right[0], 1e-9)
    # The lips touch where the mouth is shut, so the halves are told by the order around the opening: the surface of
    # the upper one faces down.
    corners = vertices[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2]
    facing = np.zeros(len(vertices))
    np.add.at(facing, mine.ravel(), np.repeat(normal[pocket], 3))
    edge = np.minimum(along, 1 - along) < 0.02
    upper, lower = opening[(facing[opening] < 0) & ~edge], opening[(facing[opening] >= 0) & ~edge]
    result = np.zeros(len(faces), bool)
    if len(upper) and len(lower):
        near = [dijkstra(graph, directed=False, indices=part, min_only=True) for part in (upper, lower)]
        result[pocket] = near[0][mine].sum(axis=1) < near[1][mine].sum(axis=1)
    return result


def _behind(vertices, faces, regions, rest):
    """(F,) what goes with the scalp: the scalp itself, and skin below it that lies behind the ears."""
    middle = vertices[faces].mean(axis=1)
    scalp, face = cKDTree(vertices[regions[SCALP]]), cKDTree(vertices[regions[FACE]])
    result = _within(faces, regions[SCALP])
    below = rest & ~result & ~_within(faces, regions[FACE])
    ears = [regions[k] for k in ("left_ear", "right_ear") if len(regions.get(k, ()))]
    if ears:
        lobes = np.array([vertices[ear][vertices[ear, 2].argmin()] for ear in ears]).mean(axis=0)
        # Below, the border ends where the neck's open edge is widest.
        _, border = neighbours(faces, len(vertices))
        edge = np.flatnonzero(border & (vertices[:, 2] < lobes[2] - 0.03))
        if len(edge):
            sides = edge[np.abs(vertices[edge, 0]) > 0.9 * np.abs(vertices[edge, 0]).max()]
            foot = vertices[sides].mean(axis=0)
        else:
            foot = lobes - [0, 0, 0.1]
        down = ((lobes[2] - middle[:, 2]) / max(lobes[2] - foot[2], 1e-6)).clip(0, 1)
        back = middle[:, 1] > lobes[1] + down * (foot[1] - lobes[1])
    else:
        back = scalp.query(middle)[0] < face.query(middle)[0]
    return rest & (result | (below & back))


def _clean(vertices, faces, links, inside, among, slack=None):
    """(F,) nearly the same triangles with a short border, in one piece without islands, as a least cut.

    The cut's length is weighed against what it gets wrong, which is little within ``slack`` metres of the border, by
    default as many as the mesh needs to run smoothly (Boykov and Kolmogorov's construction; SciPy's maximum flow).
    """
    if not inside.any() or not (among & ~inside).any():
        return inside & among
    kept = among[links[:, 0]] & among[links[:, 1]]
    across = kept & (inside[links[:, 0]] != inside[links[:, 1]])
    apart = np.linalg.norm(vertices[links[:, 2]] - vertices[links[:, 3]], axis=1)
    slack = slack or max(_SLACK, _EDGES * float(np.median(apart[across])))
    middle = vertices[faces].mean(axis=1)
    corners = vertices[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    mine, others = np.flatnonzero(among & inside), np.flatnonzero(among & ~inside)
    depth = np.full(len(faces), 0.0)
    depth[mine], depth[others] = (cKDTree(middle[b]).query(middle[a])[0] for a, b in ((mine, others), (others, mine)))
    unit = 1e-7  # metres of a cut, in whole numbers
    trust = area / slack * (depth / slack) ** 2 / unit
    trust = trust.clip(1, 1e8).astype(np.int64)
    a, b = links[kept, 0], links[kept, 1]
    length = (apart[kept] / unit).astype(np.int64) + 1
    source, sink = len(faces), len(faces) + 1
    rows = np.concatenate([a, b, np.full(len(mine), source), others])
    columns = np.concatenate([b, a, mine, np.full(len(others), sink)])
    capacity = np.concatenate([length, length, trust[mine], trust[others]]).astype(np.int32)
    network = coo_matrix((capacity, (rows, columns)), (len(faces) + 2,) * 2).tocsr()
    left = network - maximum_flow(network, source, sink).flow
    left.data[left.data < 0] = 0
    left.eliminate_zeros()
    reached = breadth_first_order(left, source, return_predecessors=False)
    result = np.zeros(len(faces) + 2, bool)
    result[reached] = True
    return result[: len(faces)] & among


def _one_piece_each(vertices, faces, links, label):
    """Charts of one piece each: what is cut off from a chart's largest piece joins the neighbour it touches most."""
    for _ in range(4):
        same = label[links[:, 0]] == label[links[:, 1]]
        piece = connected_components(_graph(links[same], len(faces)), directed=False)[1]
        sizes = np.bincount(piece)
        largest = {k: sizes[piece[label == k]].max(initial=0) for k in np.unique(label)}
        stray = np.array([sizes[p] < largest[k] for p, k in zip(piece, label)])
        if not stray.any():
            break
        length = np.linalg.norm(vertices[links[:, 2]] - vertices[links[:, 3]], axis=1)
        for p in np.unique(piece[stray]):
            mine = piece == p
            touching = mine[links[:, 0]] != mine[links[:, 1]]
            outside = np.where(mine[links[touching, 0]], links[touching, 1], links[touching, 0])
            if len(outside):
                label = label.copy()
                label[mine] = np.bincount(label[outside], length[touching]).argmax()
    return label
