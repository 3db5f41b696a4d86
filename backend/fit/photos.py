"""The proxy fit to photographs: Wang, Guo, Yang and Zhang, "Prior-Guided Multi-View 3D Head Reconstruction", III-C.

One identity, expression and albedo for all photographs, a light and a camera for each, found by Adam in stages. What
differs from the paper, and why:

- Colours are compared at points of the surface, one a triangle, where a z-buffer says that they are seen, and read from
  the pictures bilinearly. The same sum as equation 8, over points weighted by the pixels that they cover rather than
  over pixels, has the same gradients without a rasteriser to differentiate, and takes some 50 ms a step on one core.
- What such points cannot tell, where the head ends, comes from the outline of the skin's masks, where there are any.
- It starts from the landmarks' Gauss-Newton solution rather than from zero.
- Terms are weighted by their noise, so that the sum is what makes a head improbable: landmarks and outlines in pixels,
  colours in linear light, each with Cauchy's robust cost.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..formats.flame_model import FlameModel
from ..geometry.raster import rasterise
from .albedo import Albedo, linear
from .lighting import harmonics, lights_of
from .photo_landmarks import ROBUST, Marks, prior
from .photo_outline import Outlines, outline_misses
from .photo_unknowns import Stage, Unknowns
from .photo_views import PhotoView


@dataclass(frozen=True)
class Phase:
    """A stage of the fit.

    Attributes:
        name: as artists read it.
        steps: of Adam.
        blur: pixels, standard deviation of the pictures' smoothing.
        shape: head and cameras move, not only light and colours.
        free_colours: every point takes the colour that its photographs agree on, so that the term asks whether they
            agree, and not whether the head looks like the basis of albedo.
    """

    name: str
    steps: int
    blur: float
    shape: bool = True
    free_colours: bool = False


PHASES = (
    Phase("Finding light and colours", 40, 2.0, shape=False),
    Phase("Fitting smoothed photographs", 100, 3.0),
    Phase("Fitting photographs", 160, 1.0, free_colours=True),
)
RATE = 0.05
"""Adam's, of unknowns measured in their own units; falls to a tenth within a stage."""
UNITS = {
    "identity": 1.0, "expression": 0.5, "joints": 0.1, "turn": 0.02, "shift": 0.003, "size": 0.02,
    "camera_turn": 0.02, "camera_shift": 0.003, "albedo": 1.0, "light": 0.3,
}  # fmt: skip
REFRESH = 25
"""Steps after which visibility, outline partners and noise are found anew."""
PHOTO, OUTLINE = 400.0, 40.0
"""Independent observations that a view's colours and its outline count for; neighbouring ones err together."""
OUTLINE_NOISE, OUTLINE_REACH = 0.7, 12.0
"""Pixels."""
LEAST_COLOUR_NOISE, MOST_COLOUR_NOISE = 0.01, 0.15
"""Of linear light."""
GRAZING = 0.2
"""Cosine of the angle to the camera below which a point's colour is not used."""
FREE_COLOUR = 0.1
"""Linear light: how far a point's own colour is expected to lie from the basis of albedo."""
BURNT_OUT = 252
RASTER_SIDE = 256


@dataclass(eq=False)
class Colours:
    """What is seen besides the shape.

    Attributes:
        albedo: (K, 3) coefficients of the basis, standard deviations.
        light: (J, 9, 3) spherical harmonics in the world's axes.
        free: (S, 3) what each point's colour differs by from the basis, or None.
    """

    albedo: Tensor
    light: Tensor
    free: Tensor | None = None


class PhotoFit:
    """The fit's terms over given photographs.

    Args:
        stage: float32.
        model: the head's.
        views: in the stage's order.
        marks: their landmarks.
        noise: of landmarks, pixels.
        faces, weights: (S,), (S, 3) surface points.
        allowed: (S,) bool, points that may be used where masks do not say what is skin.
        albedo: at the points.
        open_border: (K,) vertices of the model's lower end.
    """

    def __init__(
        self, stage: Stage, model: FlameModel, views: list[PhotoView], marks: Marks, noise: float,
        faces: np.ndarray, weights: np.ndarray, allowed: np.ndarray, albedo: Albedo, open_border: np.ndarray,
    ):  # fmt: skip
        self.stage, self.views, self.marks, self.noise, self.allowed = stage, views, marks, noise, allowed
        self.model_faces = model.faces.astype(np.int64)
        kind = {"dtype": stage.centre.dtype, "device": stage.centre.device}
        self.kind = kind
        self.faces = torch.from_numpy(self.model_faces).to(kind["device"])
        self.corners = self.faces[torch.from_numpy(faces).to(kind["device"])]
        self.weights = torch.from_numpy(weights).to(**kind)[..., None]
        self.mean = torch.from_numpy(albedo.mean).to(**kind)
        self.modes = torch.from_numpy(albedo.modes).to(**kind)
        self.height = max(view.image.shape[0] for view in views)
        self.width = max(view.image.shape[1] for view in views)
        self.linear = [linear(view.image.astype(np.float32) / 255).astype(np.float32) for view in views]
        self.usable = [self._usable(view) for view in views]
        self.outlines = Outlines(views, self.model_faces, open_border)
        self.colour_noise = MOST_COLOUR_NOISE

    def run(
        self, x: Unknowns, free: tuple[str, ...], phases: tuple[Phase, ...] = PHASES,
        begin: Callable[[str, int], None] = lambda name, steps: None, tick: Callable[[], None] = lambda: None,
    ) -> tuple[Unknowns, Colours]:  # fmt: skip
        """Find head, cameras, light and colours.

        Args:
            x: where to start.
            free: names of the shape's unknowns that are looked for.
            begin, tick: called when a stage begins, and after each step.
        """
        x = x.to(**self.kind)
        colours = Colours(torch.zeros(len(self.modes), 3, **self.kind), torch.zeros(len(self.views), 9, 3, **self.kind))
        for phase in phases:
            begin(phase.name, phase.steps)
            x, colours = self._phase(x, colours, free if phase.shape else (), phase, tick)
        return x, colours

    def _phase(self, x: Unknowns, colours: Colours, free: tuple[str, ...], phase: Phase, tick):
        pictures = self.pictures(phase.blur)
        leaves = {name: (getattr(x, name) / UNITS[name]).requires_grad_() for name in free}
        leaves["albedo"] = (colours.albedo / UNITS["albedo"]).requires_grad_()
        leaves["light"] = (colours.light / UNITS["light"]).requires_grad_()
        adam = torch.optim.Adam(leaves.values(), lr=RATE, betas=(0.9, 0.98))
        for step in range(phase.steps):
            if step % REFRESH == 0:
                self.refresh(x, pictures, colours)
                if step == 0:
                    colours.light = self.lights(x, pictures, colours)
                    with torch.no_grad():
                        leaves["light"].copy_(colours.light / UNITS["light"])
            for group in adam.param_groups:
                group["lr"] = RATE * (0.1 + 0.45 * (1 + np.cos(np.pi * step / phase.steps)))
            values = {name: leaf * UNITS[name] for name, leaf in leaves.items()}
            state = Unknowns(*(values.get(part.name, getattr(x, part.name)) for part in fields(Unknowns)))
            seen = Colours(values["albedo"], values["light"])

            # E = w_ph E_photo + w_l E_land + w_r E_reg, equation 7, and the outline's term.
            head = self.stage.head(state)
            world = self.stage.world(state, head)
            energy = PHOTO * self.photo(state, world, pictures, seen, phase.free_colours)
            energy = energy + seen.albedo.square().sum()
            if free:
                energy = energy + self.landmarks(state, head) + self.outline(state, world)
                energy = energy + prior(self.stage, state).square().sum()
            adam.zero_grad()
            energy.backward()
            adam.step()
            x = state.to(**self.kind)
            colours = Colours(seen.albedo.detach(), seen.light.detach(), seen.free)
            tick()
        # The step that has just been made counts too.
        values = {name: (leaf * UNITS[name]).detach() for name, leaf in leaves.items()}
        x = Unknowns(*(values.get(part.name, getattr(x, part.name)) for part in fields(Unknowns)))
        return x, Colours(values["albedo"], values["light"], colours.free)

    def photo(self, x: Unknowns, world: Tensor, pictures: Tensor, colours: Colours, free: bool = False) -> Tensor:
        """E_photo, equation 8: over views, the mean robust difference of colours seen and made (equation 6)."""
        points = (world[self.corners] * self.weights).sum(dim=1)
        seen = self.colours_at(x, points, pictures)
        basis = harmonics(self.normals(world))
        shading = torch.einsum("sb,jbc->jsc", basis, colours.light)
        albedo = self.albedo(colours)
        missing = seen - albedo * shading
        if free:
            # The ridge regression of each point's own colour, in closed form: what is left is what views disagree on.
            trust = self.seen[..., None] * self.inlier[..., None]
            pull = (self.colour_noise / FREE_COLOUR) ** 2 * self.seen.sum(dim=0).mean() / len(self.views)
            own = (trust * shading * missing).sum(dim=0) / ((trust * shading.square()).sum(dim=0) + pull)
            missing = missing - own * shading
            colours.free = own.detach()
        square = missing.square().sum(dim=-1) / self.colour_noise**2
        return (self.seen * _cauchy(square, 3.0)).sum()

    def landmarks(self, x: Unknowns, head: Tensor) -> Tensor:
        """E_land, equation 9, over the noise's variance."""
        misses = self.marks.misses(self.stage, x, head)
        return _cauchy((misses / (self.noise * self.marks.looseness[:, None])).square().sum(dim=1), ROBUST).sum()

    def outline(self, x: Unknowns, world: Tensor) -> Tensor:
        """How far the head's edges lie from the skin's outline."""
        if self.partners is None:
            return world.new_zeros(())
        *partners, share = self.partners
        misses = outline_misses(self.stage, x, world, *partners)
        return OUTLINE * (share * _cauchy((misses / OUTLINE_NOISE).square(), 3.0)).sum()

    def albedo(self, colours: Colours) -> Tensor:
        """(S, 3) equation 2."""
        return self.mean + self.modes.T @ colours.albedo

    def vertex_normals(self, world: Tensor) -> Tensor:
        """(V, 3) unit normals, weighted by area."""
        a, b, c = world[self.faces].unbind(dim=1)
        cross = torch.linalg.cross(b - a, c - a)
        sums = torch.zeros_like(world).index_add(0, self.faces.reshape(-1), cross.repeat_interleave(3, dim=0))
        return F.normalize(sums, dim=1)

    def normals(self, world: Tensor) -> Tensor:
        """(S, 3) unit normals at the points, blended from those of vertices."""
        return F.normalize((self.vertex_normals(world)[self.corners] * self.weights).sum(dim=1), dim=1)

    def colours_at(self, x: Unknowns, points: Tensor, pictures: Tensor) -> Tensor:
        """(J, S, 3) linear RGB that the pictures (J, 3, H, W) have where points (S, 3) of the world fall."""
        pixels = self.stage.project(self.stage.camera_points(x, points))
        size = pixels.new_tensor([self.width, self.height])
        where = (pixels / size * 2 - 1).clamp(-2, 2)[:, None]
        return F.grid_sample(pictures, where, padding_mode="border", align_corners=False)[:, :, 0].transpose(1, 2)

    def pictures(self, blur: float) -> Tensor:
        """(J, 3, H, W) linear light, smoothed, each in the upper left of a common size."""
        stack = np.zeros((len(self.views), self.height, self.width, 3), np.float32)
        for page, picture in zip(stack, self.linear, strict=True):
            height, width = picture.shape[:2]
            page[:height, :width] = cv2.GaussianBlur(picture, (0, 0), blur) if blur else picture
        return torch.from_numpy(stack).permute(0, 3, 1, 2).contiguous().to(**self.kind)

    @torch.no_grad()
    def lights(self, x: Unknowns, pictures: Tensor, colours: Colours) -> Tensor:
        """(J, 9, 3) in closed form, of what the points show and their albedo."""
        world = self.stage.world(x, self.stage.head(x))
        seen = self.colours_at(x, (world[self.corners] * self.weights).sum(dim=1), pictures)
        basis, albedo = harmonics(self.normals(world)), self.albedo(colours)
        weights = self.seen
        for _ in range(3):
            light = lights_of(albedo, basis, seen, weights)
            missing = seen - albedo * torch.einsum("sb,jbc->jsc", basis, light)
            weights = self.seen / (1 + missing.square().sum(dim=-1) / (3 * self.colour_noise) ** 2)
        return light

    @torch.no_grad()
    def refresh(self, x: Unknowns, pictures: Tensor, colours: Colours) -> None:
        """Find anew what is seen, which edges lie on the outlines, and how noisy the colours are."""
        stage = self.stage
        world = stage.world(x, stage.head(x))
        local = stage.camera_points(x, world).cpu().double()
        points = (world[self.corners] * self.weights).sum(dim=1)
        before = stage.camera_points(x, points).cpu().double().numpy()
        at = stage.project(torch.from_numpy(before).to(**self.kind)).cpu().double().numpy()
        pixels = stage.project(local.to(**self.kind)).cpu().double().numpy()
        face_normals = self.normals(world)
        turned = torch.einsum("jkl,sl->jsk", stage.cameras(x), face_normals).cpu().double().numpy()
        a, b, c = world[self.corners].unbind(dim=1)
        area = torch.linalg.cross(b - a, c - a).norm(dim=1).cpu().double().numpy() / 2
        slack = 0.004 * stage.placement.scale
        seen, partners = [], []
        for j, view in enumerate(self.views):
            scale = min(1.0, RASTER_SIDE / max(view.image.shape[:2]))
            size = tuple(max(1, round(n * scale)) for n in view.image.shape[1::-1])
            drawn = rasterise(pixels[j] * scale, local[j, :, 2].numpy(), self.model_faces, size)
            distance = np.linalg.norm(before[j], axis=1)
            cosine = -(turned[j] * before[j]).sum(axis=1) / np.maximum(distance, 1e-9)
            weight = drawn.seen(at[j] * scale, before[j, :, 2], slack) * (cosine > GRAZING)
            x_, y_ = np.floor(np.nan_to_num(at[j])).astype(int).T
            rows, columns = view.image.shape[:2]
            weight = weight * self.usable[j][y_.clip(0, rows - 1), x_.clip(0, columns - 1)]
            if view.skin is None:
                weight = weight * self.allowed
            # The pixels that a point's triangle covers.
            weight = weight * area * cosine.clip(0) / np.maximum(before[j, :, 2], 1e-6) ** 2
            seen.append(weight / max(weight.sum(), 1e-12))
            if j in self.outlines.lines:
                found = self.outlines.match(j, pixels[j], drawn, scale, OUTLINE_REACH)
                if found is not None:
                    count = len(found[0])
                    share = np.full(count, 1 / len(self.outlines.lines[j][0]))
                    partners.append((found[0], np.full(count, j), *found[1:], share))
        self.seen = torch.from_numpy(np.stack(seen)).to(**self.kind)
        self.partners = None
        if partners:
            edges, view, *rest = (torch.from_numpy(np.concatenate(part)) for part in zip(*partners))
            device = self.kind["device"]
            self.partners = edges.to(device), view.to(device), *(part.to(**self.kind) for part in rest)
        missing = self.colours_at(x, points, pictures)
        if bool(colours.light.any()):
            shading = torch.einsum("sb,jbc->jsc", harmonics(face_normals), colours.light)
            missing = missing - (self.albedo(colours) + (0 if colours.free is None else colours.free)) * shading
            used = missing[self.seen > 0].abs()
            if len(used):
                noise = 1.4826 * float(used.median())
                self.colour_noise = min(max(noise, LEAST_COLOUR_NOISE), MOST_COLOUR_NOISE)
        self.inlier = 1 / (1 + missing.square().sum(dim=-1) / (3 * self.colour_noise) ** 2)
        if not bool(colours.light.any()):
            self.inlier = torch.ones_like(self.seen)

    def outline_distances(self, x: Unknowns, world: Tensor) -> dict[int, np.ndarray]:
        """View → pixels between its outline and the head's edges there."""
        if self.partners is None:
            return {}
        *partners, _ = self.partners
        misses, view = outline_misses(self.stage, x, world, *partners).abs().cpu().numpy(), partners[1].cpu().numpy()
        return {int(j): misses[view == j] for j in np.unique(view)}

    def colour_errors(self, x: Unknowns, world: Tensor, pictures: Tensor, colours: Colours) -> Tensor:
        """(J, S) root mean square difference of each point's colour, linear light; ``seen`` says where it counts."""
        seen = self.colours_at(x, (world[self.corners] * self.weights).sum(dim=1), pictures)
        shading = torch.einsum("sb,jbc->jsc", harmonics(self.normals(world)), colours.light)
        albedo = self.albedo(colours) + (0 if colours.free is None else colours.free)
        return (seen - albedo * shading).square().mean(dim=-1).sqrt()

    def _usable(self, view: PhotoView) -> np.ndarray:
        """(H, W) float32 how much each pixel may be trusted to show skin's colour, as far as masks say. Where a picture
        is burnt out, there is none to read."""
        usable = (view.image.max(axis=2) < BURNT_OUT).astype(np.float32)
        if view.skin is not None:
            usable *= cv2.erode((view.skin > 0.9).astype(np.uint8), np.ones((3, 3), np.uint8))
        elif view.hair is not None:
            usable *= cv2.dilate(view.hair, np.ones((5, 5), np.uint8)) < 0.1
        return usable


def _cauchy(square: Tensor, width: float) -> Tensor:
    """Cauchy's robust cost of squared deviations, the square itself where they are small against a width."""
    return width**2 * torch.log1p(square / width**2)
