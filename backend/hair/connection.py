"""Hair that no strand reached yet, traced where it was seen and led back to the scalp along strands that are there.

Growth from the roots drifts and bundles, so that fewer strands pass a place the farther it lies from the scalp.
"""

import numpy as np
import torch
from scipy.spatial import cKDTree

from ..formats.strands import Strands
from ..protocol import Reporter
from .growth import Medium, Traces, trace
from .presets import GrowthConfig
from .roots import Roots
from .shell import Shell


def uncovered_seeds(
    candidates: np.ndarray, strands: np.ndarray, gap: float, most: int, rng: np.random.Generator
) -> np.ndarray:
    """Indices of candidates (C, 3) farther than the gap (metres) from every strand point (N, L, 3), thinned evenly."""
    distance, _ = cKDTree(strands.reshape(-1, 3)).query(candidates, distance_upper_bound=gap, workers=-1)
    open_places = rng.permutation(np.flatnonzero(np.isinf(distance)))
    # One seed a cell of the gap's size: a traced strand covers what lies around it.
    cells = np.floor(candidates[open_places] / gap).astype(np.int64)
    _, first = np.unique(cells, axis=0, return_index=True)
    return rng.permutation(open_places[first])[:most]


def connect(
    seeds: np.ndarray,
    directions: np.ndarray,
    strands: np.ndarray,
    medium: Medium,
    config: GrowthConfig,
    reporter: Reporter,
) -> tuple[np.ndarray, np.ndarray]:
    """Strands through seeds.

    Each seed is traced towards the tip and towards the root; its root end then joins the strand beside it that runs
    most nearly the same way, by a Hermite curve, and follows that one's path to the scalp.

    Args:
        seeds: (S, 3) metres. directions: (S, 3) root to tip.
        strands: (N, L, 3) metres, the strands to join.

    Returns:
        strands (M, L, 3), and the host (M,) whose root each shares; seeds without a host are left out.
    """
    length = strands.shape[1]
    if not len(seeds):
        return np.zeros((0, length, 3), np.float32), np.zeros(0, np.int64)
    device = medium.tensors.device
    points = torch.from_numpy(seeds.astype(np.float32)).to(device)
    start = torch.from_numpy(directions.astype(np.float32)).to(device)
    forward = trace(points, start, medium, config, reporter)
    backward = trace(points, -start, medium, config, reporter)
    ends, end_directions = _ends(backward, -directions)
    host, place = _hosts(ends, -end_directions, strands, config, reporter)
    joined, kept_hosts = [], []
    for s in np.flatnonzero(host >= 0):
        parts = [
            _bridge(strands[host[s]], place[s], ends[s], -end_directions[s]),
            backward.points[s, : backward.counts[s]][::-1],
            forward.points[s, 1 : forward.counts[s]],
        ]
        joined.append(np.concatenate(parts))
        kept_hosts.append(host[s])
    if not joined:
        return np.zeros((0, length, 3), np.float32), np.zeros(0, np.int64)
    counts = np.array([len(p) for p in joined], np.int32)
    return Strands(np.concatenate(joined), counts).resampled(length), np.array(kept_hosts)


def _ends(traces: Traces, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows, last = np.arange(len(traces.counts)), traces.counts - 1
    ends = traces.points[rows, last]
    directions = ends - traces.points[rows, np.maximum(last - 3, 0)]
    length = np.linalg.norm(directions, axis=1, keepdims=True)
    return ends, np.where(length > 1e-6, directions / np.maximum(length, 1e-6), first)


def _hosts(
    ends: np.ndarray, directions: np.ndarray, strands: np.ndarray, config: GrowthConfig, reporter: Reporter
) -> tuple[np.ndarray, np.ndarray]:
    """For each root end (S, 3) with direction root to tip (S, 3): the strand to join (-1 for none) and where (S,)."""
    length = strands.shape[1]
    # Every third point is enough to find a host.
    index = np.arange(0, length - 1, 3)
    places = strands[:, index].reshape(-1, 3)
    tangents = (strands[:, index + 1] - strands[:, index]).reshape(-1, 3)
    tangents /= np.maximum(np.linalg.norm(tangents, axis=1, keepdims=True), 1e-9)
    # Hosts lie behind the end: the search is about a point a bridge's third upstream, so that the curve has room.
    distance, found = cKDTree(places).query(
        ends - 0.008 * directions, k=min(48, len(places)), distance_upper_bound=config.bridge, workers=-1
    )
    reporter.check()
    there = np.isfinite(distance)
    found = np.where(there, found, 0)
    offset = ends[:, None] - places[found]
    reach = np.linalg.norm(offset, axis=-1)
    along = (tangents[found] * directions[:, None]).sum(-1)
    ahead = (offset * directions[:, None]).sum(-1) / np.maximum(reach, 1e-6)
    # A bridge costs its length, its bend, and joining a strand that runs elsewhere.
    cost = reach + 0.012 * (1 - along) + 0.008 * (1 - ahead) + np.where(there & (reach > 1e-4), 0, np.inf)
    best = cost.argmin(1)
    rows = np.arange(len(ends))
    flat = found[rows, best]
    good = np.isfinite(cost[rows, best]) & (along[rows, best] > 0.3) & (reach[rows, best] < config.bridge)
    return np.where(good, flat // len(index), -1), index[flat % len(index)]


def _bridge(host: np.ndarray, place: int, end: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """(K, 3): the host up to a place, then a cubic Hermite curve towards the end, the end itself left out.

    The host's last stretch is drawn gradually towards the end, so that bridges do not leave it all at one point.
    """
    back = max(0, place - 4)
    tangent = host[min(back + 1, len(host) - 1)] - host[max(back - 1, 0)]
    tangent = tangent / max(np.linalg.norm(tangent), 1e-9)
    span = np.linalg.norm(end - host[back])
    steps = max(3, int(span / 0.0015))
    t = np.linspace(0, 1, steps, endpoint=False)[1:, None]
    h00, h10 = 2 * t**3 - 3 * t**2 + 1, t**3 - 2 * t**2 + t
    h01, h11 = -2 * t**3 + 3 * t**2, t**3 - t**2
    curve = h00 * host[back] + h10 * span * tangent + h01 * end + h11 * span * direction
    return np.concatenate([host[: back + 1], curve]).astype(np.float32)


def cover(
    strands: np.ndarray,
    roots: Roots,
    shell: Shell,
    medium: Medium,
    config: GrowthConfig,
    most: int,
    inset: float,
    rng: np.random.Generator,
    reporter: Reporter,
    rounds: int = 3,
) -> tuple[np.ndarray, Roots]:
    """Strands (M, L, 3) and their roots with uncovered hair connected, at most ``most`` of them.

    Args:
        inset: metres under the shell at which uncovered hair is looked for.

    Connected strands replace grown ones drawn at random where the number would be exceeded.
    """
    sure = shell.weights.numpy() > 0.05
    candidates = (shell.points - inset * shell.normals).numpy()[sure]
    allowed = int(config.connected_share * most)
    added, hosts = [], []
    everything = strands
    for _ in range(rounds):
        seeds = uncovered_seeds(candidates, everything, config.uncovered, max(1, allowed // rounds), rng)
        points = candidates[seeds]
        signed = medium.grid.sample(medium.vectors.cpu(), torch.from_numpy(points)).numpy()
        length = np.linalg.norm(signed, axis=1)
        known = length > 0.1
        new, host = connect(points[known], signed[known] / length[known, None], strands, medium, config, reporter)
        added.append(new)
        hosts.append(host)
        everything = np.concatenate([everything, new])
        reporter.step()
    added, hosts = np.concatenate(added), np.concatenate(hosts)
    kept = np.sort(rng.permutation(len(strands))[: max(most - len(added), 0)])
    order = np.concatenate([kept, hosts])
    return np.concatenate([strands[kept], added])[:most], roots.subset(order[:most])
