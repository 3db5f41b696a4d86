"""A head's surface by implicit differentiable rendering under priors: Wang et al., Prior-Guided Multi-View 3D Head
Reconstruction. The loop below is its section III-F; equations are where their numbers stand."""

import dataclasses
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.parametrize import cached

from ... import device as devices
from ...checkpoint import Checkpoints
from ...contract import ReconstructHead
from ...errors import FieldError
from ...fit.place import umeyama
from ...protocol import Reporter
from ..priors.gather import Priors
from ..priors.views import HeadView
from . import losses as loss
from .cameras import Cameras
from .config import PUBLISHED, REDUCED, NeuralConfig, Weights
from .field import NeuralField
from .networks import Networks
from .scene import Picture, Sphere, picture_of, proxy_points, sphere_of
from .tracing import trace

SECONDS_BETWEEN_PREVIEWS, SHARE_OF_PREVIEWS = 60.0, 0.05
"""A preview that takes long, as on a processor, comes less often: all of them take about this share of the time."""
ARM = 0.3
"""How far before a camera, in radii of the sphere, points lie that tell how it turned."""


def config_of(request: ReconstructHead) -> NeuralConfig:
    """The published sizes, or those for trials on a processor, with the request's rounds, order, weights, cameras."""
    config = REDUCED if request.networks == "reduced" else PUBLISHED
    rounds = request.rounds or config.epochs
    config = dataclasses.replace(config, epochs=rounds, order=request.prior_order, cameras=request.cameras_move)
    return config.with_factors(request.weights)


def reconstruct(
    views: list[HeadView],
    priors: Priors,
    request: ReconstructHead,
    reporter: Reporter,
    kept: Checkpoints,
    preview: Callable[[NeuralField, float], None] = lambda field, share: None,
    config: NeuralConfig | None = None,
) -> NeuralField:
    """The head of some photographs as networks.

    Args:
        views: with labels and directions of hair as far as they take part.
        priors: which do.
        request: seed, device, order and weights of the priors, whether cameras move.
        reporter: told of every step.
        kept: where the fit goes on from when it was stopped.
        preview: called about once a minute with the field so far, and the share of the fit that is done.
        config: in place of the preset's.

    Raises:
        CaptureError: the masks and cameras do not fit together.
    """
    began, device = time.monotonic(), devices.choose(request.device)
    config = config or config_of(request)
    if device.type == "cpu" and config.width >= PUBLISHED.width:
        reporter.warning(
            "The published networks take weeks on a processor; stop and choose the preset standard, or a computer with "
            "a CUDA card."
        )
    torch.manual_seed(request.seed)
    sphere = sphere_of(views)
    pictures = [picture_of(view, sphere, device) for view in views]
    face = proxy_points(priors, views, sphere, request.seed).to(device)
    networks = Networks(config).to(device)
    cameras = Cameras(*_cameras(views, sphere)).to(device).requires_grad_(config.cameras)
    optimiser = torch.optim.Adam(
        [
            {"params": networks.parameters(), "lr": config.rate, "full": config.rate},
            {"params": cameras.parameters(), "lr": config.camera_rate, "full": config.camera_rate},
        ]
    )
    part = kept.part("networks")
    first, history = _resumed(part.state(), networks, cameras, optimiser)

    def field() -> NeuralField:
        return _field(networks, cameras, config, sphere, views, history, priors)

    reporter.stage("Fitting the networks", config.epochs * len(views))
    reporter.step(first * len(views))
    next_preview = time.monotonic() + SECONDS_BETWEEN_PREVIEWS
    for epoch in range(first, config.epochs):
        weights, alpha = config.weights_at(epoch), config.alpha_at(epoch)
        for group in optimiser.param_groups:
            group["lr"] = group["full"] * config.rate_at(epoch)
        # Drawn anew from the epoch's number, so that a fit that was stopped goes on as it would have.
        random = torch.Generator().manual_seed(1_000_003 * request.seed + epoch)
        sums: dict[str, Tensor] = {}
        for view in torch.randperm(len(views), generator=random).tolist():
            found = step_losses(networks, cameras, view, pictures[view], face, config, weights, alpha, random)
            # Equation 21.
            total = sum(getattr(weights, name) * value for name, value in found.items())
            optimiser.zero_grad(set_to_none=True)
            total.backward()
            if _finite(networks, cameras):
                optimiser.step()
            for name, value in found.items():
                sums[name] = sums.get(name, 0.0) + value.detach() / len(views)
            reporter.step()
        history.append({name: float(value) for name, value in sums.items()})
        part.save(lambda: _state(networks, cameras, optimiser, history))
        if (asked := time.monotonic()) > next_preview:
            try:
                preview(field(), (epoch + 1) / config.epochs)
            except FieldError as error:  # nothing to see yet
                reporter.log(str(error))
            took = time.monotonic() - asked
            next_preview = asked + max(SECONDS_BETWEEN_PREVIEWS, took / SHARE_OF_PREVIEWS)
            reporter.stage("Fitting the networks", config.epochs * len(views))
            reporter.step((epoch + 1) * len(views))
    result = field()
    result.report |= {"fit_seconds": round(time.monotonic() - began, 1), "device": devices.name(device)}
    return result


def step_losses(
    networks: Networks,
    cameras: Cameras,
    view: int,
    picture: Picture,
    face: Tensor,
    config: NeuralConfig,
    weights: Weights,
    alpha: float,
    random: torch.Generator,
) -> dict[str, Tensor]:
    """The losses of one step, by the names of their weights; those whose weight is 0 or that have nothing to say are
    left out.

    Args:
        view: number of the camera.
        picture: its pixels.
        face: (V, 3) points of the fitted face, or (0, 3).
        alpha: of equation 19.
        random: on the CPU.
    """
    surface = networks.surface
    chosen, lines = _drawn(picture, config, weights, random)
    c, v = cameras.rays(view, picture.pixels[chosen])
    # A view without a mask is compared where the surface is.
    mask = None if picture.inside is None else picture.inside[chosen]
    with cached():  # weights do not change along a ray
        traced = trace(surface.distance, c.detach(), v.detach(), config, mask, random)
    inside = traced.hit if mask is None else mask
    shown, count = traced.hit & inside, int(inside.sum())
    found: dict[str, Tensor] = {}

    # Equation 22: the first intersections, as functions of the surface's weights and the cameras.
    x = loss.differentiable_points(surface.distance, c[shown], v[shown], traced.t[shown])
    _, n, z = surface.with_normals(x)
    # Equations 5 and 17.
    rendered = networks.renderer(x, v[shown], n, z)
    found["rgb"] = loss.photometric(rendered, picture.colours[chosen][shown], count)
    # Equations 18 and 19.
    if mask is not None:
        least = surface.distance((c + traced.t[:, None] * v)[~shown])
        found["mask"] = loss.contour(least, inside[~shown], alpha, len(chosen))
    # Equation 20, everywhere and on the surface.
    anywhere = (2 * torch.rand(len(chosen) // 2, 3, generator=random) - 1).to(x.device)
    _, gradients, _ = surface.with_normals(torch.cat([anywhere, x.detach()]))
    found["eikonal"] = loss.eikonal(gradients)
    # Equation 14.
    if weights.proxy and len(face):
        some = torch.randint(len(face), (config.proxy_points,), generator=random).to(face.device)
        found["proxy"] = loss.proxy(surface.distance(face[some]))
    # Equation 15.
    if weights.semantics and picture.labels is not None:
        found["semantics"] = loss.semantic(networks.semantics(x), picture.labels[chosen][shown], count)
    # Equation 16, section III-E.
    if weights.direction and lines is not None:
        hair = torch.zeros_like(shown)
        hair[-len(lines) :] = True
        at, which = x[hair[shown]], lines[shown[-len(lines) :]]
        least_bent, _ = loss.curvature_direction(*loss.hessian(surface.distance, at))
        camera, lens = cameras.world_to_camera(view), cameras.intrinsics[view]
        projected = loss.projected_direction(at, least_bent, lens, camera)
        found["direction"] = loss.direction(projected, picture.lines[which], picture.confidence[which], len(lines))
    return found


def _drawn(
    picture: Picture, config: NeuralConfig, weights: Weights, random: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    """Which of a picture's pixels rays go through: some of its region and, once directions count, some of its hair;
    and for the latter, the last of them, their places among the picture's hair."""
    device = picture.pixels.device
    chosen = torch.randint(len(picture.pixels), (config.rays,), generator=random).to(device)
    if not (weights.direction and len(picture.hair)):
        return chosen, None
    lines = torch.randint(len(picture.hair), (config.hair_rays,), generator=random).to(device)
    return torch.cat([chosen, picture.hair[lines]]), lines


def _cameras(views: list[HeadView], sphere: Sphere) -> tuple[Tensor, Tensor]:
    lenses = np.stack([view.intrinsics for view in views])
    poses = np.stack([sphere.camera(view.world_to_camera) for view in views])
    return torch.from_numpy(lenses).float(), torch.from_numpy(poses).float()


def _finite(*learnt: torch.nn.Module) -> bool:
    """Whether a step may be taken: curvature near a crease of the surface can have no finite derivative."""
    gradients = [p.grad for module in learnt for p in module.parameters() if p.grad is not None]
    return bool(torch.stack([gradient.isfinite().all() for gradient in gradients]).all())


def _state(networks: Networks, cameras: Cameras, optimiser, history: list) -> dict:
    return {
        "networks": dict(networks.state_dict()), "cameras": dict(cameras.state_dict()),
        "optimiser": optimiser.state_dict(), "history": list(history),
    }  # fmt: skip


def _resumed(state: dict | None, networks: Networks, cameras: Cameras, optimiser) -> tuple[int, list]:
    """The first epoch that is left to do, and the losses of those before it."""
    if state is None:
        return 0, []
    networks.load_state_dict(state["networks"])
    cameras.load_state_dict(state["cameras"])
    optimiser.load_state_dict(state["optimiser"])
    return len(state["history"]), list(state["history"])


@torch.no_grad()
def _field(
    networks: Networks, cameras: Cameras, config: NeuralConfig, sphere: Sphere, views: list[HeadView],
    history: list[dict[str, float]], priors: Priors,
) -> NeuralField:  # fmt: skip
    """The networks where the capture's world has the head. Where cameras moved, they and the head may have wandered off
    together, which no picture tells: they are laid back on where the cameras began."""
    to_sphere = np.eye(4)
    to_sphere[:3, :3] /= sphere.radius
    to_sphere[:3, 3] = -sphere.centre / sphere.radius
    moved, room = {}, 0.0
    report: dict = {
        "epochs": len(history),
        "losses": {k: round(v, 5) for k, v in history[-1].items()} if history else {},
    }
    if config.cameras:
        ends = [cameras.world_to_camera(k).cpu().double().numpy() for k in range(len(views))]
        starts = cameras.start.cpu().double().numpy()
        back = umeyama(_arms(starts), _arms(ends), with_scale=False).matrix  # from where they began to where they are
        at_start = [end @ back for end in ends]
        to_sphere = back @ to_sphere
        for view, pose, start in zip(views, at_start, starts, strict=True):
            pose = pose @ np.linalg.inv(start)  # in the camera's own axes, lengths in radii
            pose[:3, 3] *= sphere.radius
            moved[view.name] = pose @ view.world_to_camera
        shifts = [1000 * float(np.linalg.norm(_centre(moved[v.name]) - v.camera.centre)) for v in views]
        # The box is of masks before cameras that were off by so much at the head.
        room = sphere.radius * max(np.linalg.norm((a - b)[:3, 3]) for a, b in zip(at_start, starts, strict=True))
        report["cameras_moved_mm"] = {v.name: round(s, 3) for v, s in zip(views, shifts, strict=True)}
    labelled = bool(history) and any("semantics" in epoch for epoch in history)
    return NeuralField(
        networks, config, to_sphere, sphere.low - room, sphere.high + room, labelled, moved, report, list(history)
    )  # fmt: skip


def _centre(world_to_camera: np.ndarray) -> np.ndarray:
    return -world_to_camera[:3, :3].T @ world_to_camera[:3, 3]


def _arms(cameras) -> np.ndarray:
    """(4 N, 3) each camera's centre and a point before it along each of its axes."""
    points = [_centre(camera) + ARM * arm for camera in cameras for arm in (np.zeros(3), *camera[:3, :3])]
    return np.array(points)
