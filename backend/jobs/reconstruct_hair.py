"""Strands from a capture, as Neural Haircut's two stages, in minutes on a processor.

    capture → orientation maps → hull → shell → field → strands → connection → refinement

Each step is one module of backend/hair; this file reads as the method section. The capture's ground_truth/ is never
opened. ``kept`` keeps what each costly step gave, so that a job that was stopped goes on from the last of them.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from .. import device as devices
from ..capture.images import load_views
from ..capture.upright import upright_turn
from ..checkpoint import Checkpoints, fingerprint
from ..contract import ReconstructHair
from ..errors import CaptureError
from ..formats.capture import Capture, read_capture
from ..formats.capture_landmarks import FILE as LANDMARKS
from ..formats.head import BUILT_IN_HEAD, Head, read_head, write_head
from ..formats.job_folder import write_json
from ..formats.strands import Strands, write_npz
from ..geometry.surface import Surface
from ..hair import connection, curls, field, growth, hull, orientation, refine, roots, shading, shell, sign, visibility
from ..hair.colour import fibre_colours, hair_colour, strand_colours, transport_of
from ..hair.presets import PRESETS, Preset
from ..hair.report import StageClock, write_losses, write_orientation
from ..hair.views import HairView
from ..head.align import align_head
from ..head.landmarked import landmarked_head
from ..head.scale import SCALE_FILE, SCALE_SOURCE, fit_scale
from ..protocol import Reporter
from .check_capture import check_before

STAGES = ("hull", "shell", "growth", "connection", "all")
"""What ``request.stages`` runs, each with all before it; every one of them ends with strands, so that it can be scored.

- hull: volume from the masks alone, directions by plain closed form on its surface, strands that follow the field.
- shell: hollows that the pictures show dark are drawn in; directions by the consistency of the pictures' lines: views
  and neighbours vote, and lines that disagree (they show other hair, behind or in front) lose their say.
- growth: strands with inertia that slide along hair and head instead of leaving, forgiven at the hairline; curls, where
  the pictures show them, wind about axes.
- connection: hair that no strand reached is traced and led back to the scalp.
- all: refinement by gradient descent on the strands.
"""

PREVIEW_STRANDS = 3000
FEWEST_PLACES = 100
"""Seen places on the shell under which curls are not measured."""


def run(request: ReconstructHair, reporter: Reporter) -> dict:
    """Write strands.npz, head.npz, report.json, losses.json/png and orientation/ to the job's folder."""
    preset, last = PRESETS[request.preset], STAGES.index(request.stages)
    device = devices.choose(request.device)
    clock = StageClock(reporter)
    rng = np.random.default_rng(request.seed)

    clock.stage("load", "Reading the photographs")
    capture = read_capture(request.capture)
    if capture.metres_per_unit is None and request.metres_per_unit:
        capture = capture.in_metres(request.metres_per_unit, request.scale_source)
    loaded = load_views(
        capture,
        request.views or preset.most_views,
        largest_side=preset.image_side,
        warn=reporter.warning,
        tick=lambda done, total: reporter.step(),
    )
    views = [HairView.from_loaded(view) for view in loaded]
    check_before(capture, reporter)
    kept = Checkpoints(reporter, _fingerprint(request, capture, preset, device), rng, clock)

    clock.stage("head", "Laying the head")
    head, fitted = kept("head", lambda: _head(request, capture, views, reporter))
    if fitted:
        views = [view.scaled(fitted) for view in views]
    write_head(reporter.folder / "head.npz", head)
    # Hair hangs: all that follows takes +Z for up, and a capture's world may lie on its side.
    turn = upright_turn([view.world_to_camera.numpy() for view in views])
    head, views = head.turned(turn), [view.turned(turn) for view in views]

    def placed(strands: np.ndarray) -> np.ndarray:
        return (strands @ turn).astype(np.float32)

    skull = Surface(head.vertices, head.faces)

    clock.stage("orientation", "Finding hair directions in the photographs", len(views))
    maps = kept("orientation", lambda: _orientation(views, preset, reporter))

    clock.stage("hull", "Carving the hair's volume", 2 * len(views))
    volumes = kept("hull", lambda: hull.visual_hull(views, skull, preset.volume, reporter))

    clock.stage("shell", "Finding directions in space", 2)
    skin = hull.head_samples(skull)
    seen = _Seen(views, maps, skin, preset)
    robust = last >= STAGES.index("shell")
    if robust:
        covered, depth = seen.depths(volumes), preset.volume.visible
        volumes = kept("hollows", lambda: shading.hollowed(volumes, views, covered, depth, preset.shading, reporter))
    visible = kept("shell", lambda: _shell(volumes, seen, preset, robust, reporter))
    if not (visible.weights > 0.05).any():
        raise CaptureError(
            "No direction of hair can be seen in the photographs; they may be blurred, overexposed or too small. Take"
            " sharper, larger ones."
        )

    clock.stage("field", "Carrying directions through the hair", 3)
    scalp = roots.scalp_faces(head, skull, volumes)
    # More than asked for, because some find no hair to grow in.
    rooted = roots.spread_roots(skull, scalp, int(preset.growth.surplus * request.strands), request.seed)
    # Axes bend no faster than a curl is wide, so every second node carries them.
    coarse = volumes.coarser()
    axes = kept("axes", lambda: curls.axis_field(coarse, rooted.points, preset.field, reporter))
    reporter.step()
    winding, depths = None, seen.depths(volumes)
    if last >= STAGES.index("growth"):
        medium = growth.Medium.of(axes, coarse, device)
        winding = kept("curls", lambda: _curls(medium, visible, seen, depths, preset, rng, reporter))
    if winding is not None:
        # Axes keep within the hair's surface by most of a radius, so that the curls fill it.
        medium = medium.drawn_in(preset.curls.inset * winding.radius)
    else:
        directions = kept("field", lambda: _directions(visible, volumes, rooted, axes, preset, reporter))
        medium = growth.Medium.of(directions, volumes, device)

    clock.stage("growth", "Growing strands")
    plain = last < STAGES.index("growth")
    strands, rooted = kept("growth", lambda: _grown(rooted, medium, plain, request, preset, rng, reporter))

    def wound(axes: np.ndarray) -> np.ndarray:
        if winding is None:
            return axes
        return curls.wind(axes, winding, preset.curls, np.random.default_rng(request.seed))

    _preview(placed(wound(strands)), "growth", reporter)

    if last >= STAGES.index("connection"):
        clock.stage("connection", "Connecting the hair that no strand reached", 3)
        inset = preset.curls.inset * winding.radius if winding else 0.0
        reach = (preset.growth, request.strands, inset)
        strands, rooted = kept(
            "connection", lambda: connection.cover(strands, rooted, visible, medium, *reach, rng, reporter)
        )
    if winding is not None:
        clock.stage("curls", "Winding the curls")
        strands = wound(strands)
    strands = refine.keep_out_of_head(strands, skull, preset.growth.head_gap)
    if last >= STAGES.index("connection"):
        _preview(placed(strands), "connection", reporter)

    history: list[dict[str, float]] = []
    if last >= STAGES.index("all") and preset.refine.steps:
        clock.stage("refinement", "Fitting the strands to the photographs", preset.refine.steps)
        pictures = refine.Pictures.of(views, maps, depths, device)
        fit = preset.refine
        if winding is not None:
            # The field knows only the axes of curls, and pictures do not tell one turn from the next: what is left to
            # fit is where the hair is.
            fit = dataclasses.replace(fit, orientation=0.0, image_orientation=0.0)
            medium = medium.drawn_in(0.0)
        strands, history = refine.refine(
            strands, medium, visible, pictures, preset.volume.visible, fit, request.seed, reporter,
            preview=lambda now: _preview(placed(now), "refinement", reporter, keep=False), kept=kept.part("refinement"),
        )  # fmt: skip
        strands = refine.keep_out_of_head(strands, skull, preset.growth.head_gap)
    write_losses(reporter.folder, history)

    clock.stage("colour", "Reading the strands' colours")
    seen = strand_colours(strands, views, depths, preset.volume.visible, reporter)
    colours = fibre_colours(seen, hair_colour(views), transport_of(capture.light_bounces))
    extra = {"root_face": rooted.faces, "root_barycentric": rooted.barycentric, "colour": colours}
    uv = rooted.uv(head)
    if uv is not None:
        extra["root_uv"] = uv
    write_npz(reporter.folder / "strands.npz", Strands.from_array(placed(strands)), **extra)
    clock.close()
    report = {
        "strands": len(strands),
        "points": request.points,
        "views": [view.name for view in views],
        "metres_per_unit": fitted or capture.metres_per_unit or 1.0,
        "scale_source": SCALE_SOURCE if fitted else capture.scale_source,
        "preset": request.preset,
        "last_stage": request.stages,
        "device": devices.name(device),
        **clock.report(),
        "settings": preset.settings(),
    }
    write_json(reporter.folder / "report.json", report)
    kept.remove()
    result = {"strands": "strands.npz", "head": "head.npz", "report": "report.json", "count": len(strands)}
    return result | ({"scale": SCALE_FILE} if fitted else {})


def _head(
    request: ReconstructHair, capture: Capture, views: list[HairView], reporter: Reporter
) -> tuple[Head, float | None]:
    """The head asked for, or the built-in one laid onto the landmarks or else into the masks, and the metres in the
    capture's unit where the head had to tell them.

    A head that is given stands where it stands and is as large as it is, so a capture in an unknown unit is then taken
    to be in metres, as the head is.
    """
    if request.head is not None:
        return read_head(request.head, request.scalp, request.unit, request.up), None
    head = read_head(BUILT_IN_HEAD, request.scalp)
    landmarked = landmarked_head(capture, reporter)
    if landmarked is not None:
        fitted, metres_per_unit = landmarked
        return (fitted if request.scalp is None else fitted.with_scalp(head.scalp)), metres_per_unit
    if capture.metres_per_unit is not None:
        return align_head(head, views, reporter), None
    alignment, metres_per_unit = fit_scale(head, views, reporter, average=True)
    return head.transformed(alignment.matrix), metres_per_unit


def _fingerprint(request: ReconstructHair, capture: Capture, preset: Preset, device: torch.device) -> str:
    """All that a checkpoint of this job depends on."""
    pictures = [path for view in capture.views for path in (view.image, *view.masks.values())]
    heads = [path for path in (request.head or BUILT_IN_HEAD, request.scalp) if path is not None]
    files = [capture.folder / "transforms.json", capture.folder / LANDMARKS, *pictures, *heads]
    return fingerprint(dataclasses.asdict(request), preset.settings(), devices.name(device), files=files)


def _orientation(views: list[HairView], preset: Preset, reporter: Reporter) -> list[orientation.OrientationMap]:
    maps = []
    for view in views:
        maps.append(orientation.orientation_map(view.image, view.hair, preset.orientation))
        write_orientation(reporter.folder / "orientation", view, maps[-1])
        reporter.step()
    return maps


@dataclass(eq=False)
class _Seen:
    """The pictures' word about any surface points."""

    views: list[HairView]
    maps: list[orientation.OrientationMap]
    skin: torch.Tensor
    preset: Preset

    def depths(self, volumes: hull.Volumes) -> list[visibility.DepthMap]:
        """Each view's first surface of hair and head."""
        points, _ = shell.hair_surface(volumes)
        occluders = torch.cat([torch.from_numpy(points), self.skin])
        return [visibility.depth_map(occluders, view, volumes.grid.spacing) for view in self.views]

    def lines(self, points, normals, depths, visible) -> shell.Lines:
        """What the best views say about points (P, 3) with normals (P, 3), seen up to ``visible`` metres deep."""
        return shell.lines_at(points, normals, self.views, self.maps, depths, visible, self.preset.shell)


def _shell(volumes: hull.Volumes, seen: _Seen, preset: Preset, robust: bool, reporter: Reporter) -> shell.Shell:
    points, normals = shell.hair_surface(volumes)
    around = shell.neighbourhood(points, normals, 2.5 * volumes.grid.spacing)
    points, normals = torch.from_numpy(points), torch.from_numpy(normals)
    lines = seen.lines(points, normals, seen.depths(volumes), preset.volume.visible)
    reporter.step()
    if robust:
        directions, weights = shell.robust_directions(lines, around, preset.shell, reporter)
    else:
        directions, weights = shell.plain_directions(lines)
    reporter.step()
    return shell.Shell(points, normals, around, directions, weights)


def _curls(
    medium: growth.Medium,
    visible: shell.Shell,
    seen: _Seen,
    depths: list[visibility.DepthMap],
    preset: Preset,
    rng: np.random.Generator,
    reporter: Reporter,
) -> curls.Curls | None:
    """The curls that the pictures show along the axes of a medium; None for hair without."""
    sure = np.flatnonzero(visible.weights.numpy() > 0)
    if len(sure) < FEWEST_PLACES:
        return None
    places = visible.points[rng.permutation(sure)[: preset.curls.points]]
    found, _ = curls.measure(
        places, medium, seen.views, seen.maps, depths, preset.volume.visible, preset.curls, reporter
    )
    if found is not None:
        reporter.log(f"Curls of {1000 * found.radius:.1f} mm radius and {1000 * found.pitch:.0f} mm pitch.")
    return found


def _directions(
    visible: shell.Shell,
    volumes: hull.Volumes,
    rooted: roots.Roots,
    axes: field.DirectionField,
    preset: Preset,
    reporter: Reporter,
) -> field.DirectionField:
    """The shell's directions carried through the hair, root to tip."""
    directions = field.diffuse(
        visible, volumes, rooted.points, rooted.normals, axes.vectors(), axes.grid, preset.field, reporter
    )
    reporter.step()
    sign.sign_field(directions, volumes, rooted.points, preset.field, reporter)
    reporter.step()
    return directions


def _grown(
    rooted: roots.Roots,
    medium: growth.Medium,
    plain: bool,
    request: ReconstructHair,
    preset: Preset,
    rng: np.random.Generator,
    reporter: Reporter,
) -> tuple[np.ndarray, roots.Roots]:
    """Strands (N, L, 3) of the roots that found hair, and those roots (N,); at most as many as were asked for."""
    traces = growth.grow(rooted, medium, preset.growth, reporter, plain=plain)
    grown = _long_enough(traces, preset)
    strands, lost = traces.subset(grown).resampled(request.points), rooted.subset(~grown)
    rooted = rooted.subset(grown)
    if not plain:
        more, roots_of_more = growth.adopted(strands, rooted, lost, preset.growth.adopt)
        strands, rooted = np.concatenate([strands, more]), rooted.joined(roots_of_more)
    chosen = np.sort(rng.permutation(len(strands))[: request.strands])
    return strands[chosen], rooted.subset(chosen)


def _long_enough(traces: growth.Traces, preset: Preset) -> np.ndarray:
    """(N,) bool: the shortest traces found no hair around them. Raises CaptureError where none did."""
    length = traces.counts * preset.growth.step
    kept = length > max(preset.growth.shortest, preset.growth.stunted * float(np.median(length)))
    kept = kept if kept.any() else traces.counts > 1
    if not kept.any():
        raise CaptureError(
            "No strand could grow: the hair in the pictures does not lie on the head's scalp. Check that the head lies"
            " where the pictures show it."
        )
    return kept


def _preview(strands: np.ndarray, name: str, reporter: Reporter, keep: bool = True) -> None:
    """Some of the strands, for the artist to look at, and with keep all of them as strands_NAME.npz."""
    every = max(1, len(strands) // PREVIEW_STRANDS)
    path = Path(reporter.folder) / f"preview_{name}.npz"
    write_npz(path, Strands.from_array(strands[::every]))
    if keep:
        write_npz(Path(reporter.folder) / f"strands_{name}.npz", Strands.from_array(strands))
    reporter.preview("strands", path)
