"""The whole of a ground truth, from objects in Blender to a capture folder."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import bpy
import numpy as np

from ...backend.contract import RenderGroundTruth
from ...backend.errors import CaptureError
from ...backend.formats.capture import Camera, Capture, View, write_capture
from ...backend.formats.head import Head
from ...backend.formats.png import write_png
from ...backend.formats.strands import Strands
from ...backend.protocol import Reporter
from .. import cameras, groom
from ..heads import head_from_object
from ..strands_scene import strands_from_object
from .labels import CLASSES, Labeller
from .landmarks import landmarks_2d, landmarks_3d
from .orbit import orbit_cameras
from .passes import BOUNCES, configure, render_view
from .studio import studio
from .truth import write_surface, write_truth

_PARTS = ("images", "masks", "depth", "labels", "ground_truth", "orientation", "undistorted", "landmarks.json")
_UNFINISHED = ".rendering"
"""File in a capture's folder while, or since, a render of it was broken off."""


@dataclass(frozen=True)
class Subject:
    """What is rendered: hair (Curves objects), a head (a mesh object), or both; its evaluated geometry; and what stands
    around it, which is in the pictures and in no mask."""

    hair: list[bpy.types.Object]
    head_object: bpy.types.Object | None
    strands: Strands | None
    head: Head | None
    scenery: list[bpy.types.Object] = field(default_factory=list)

    @classmethod
    def of(cls, hair: list[bpy.types.Object], head: bpy.types.Object | None) -> "Subject":
        """Evaluate objects as they are rendered. Raises CaptureError where there is nothing to see."""
        if not hair and head is None:
            raise CaptureError("There is nothing to render; choose hair curves, a head mesh, or both.")
        strands = None
        if hair:
            with groom.full_density(*hair):
                depsgraph = bpy.context.evaluated_depsgraph_get()
                found = [strands_from_object(thing, depsgraph) for thing in hair]
            strands = Strands(np.concatenate([s.points for s in found]), np.concatenate([s.counts for s in found]))
            if not len(strands):
                raise CaptureError(f"{hair[0].name} has no strands to render.")
        return cls(hair, head, strands, head_from_object(head) if head else None)

    @property
    def objects(self) -> list[bpy.types.Object]:
        return [*self.hair, *([self.head_object] if self.head_object else []), *self.scenery]

    def frame_points(self) -> np.ndarray:
        """(N, 3) that pictures are fitted to: the hair and the face, so that hair is large and the shoulders go."""
        if self.strands is None:
            return self.head.vertices
        face = self.head.landmark_points() if self.head else np.zeros((0, 3), np.float32)
        return np.concatenate([self.strands.points, face])

    def all_points(self) -> np.ndarray:
        """(N, 3) of everything."""
        parts = [self.strands.points if self.strands else None, self.head.vertices if self.head else None]
        return np.concatenate([part for part in parts if part is not None])


def render_ground_truth(
    subject: Subject,
    settings: RenderGroundTruth,
    folder: Path,
    reporter: Reporter,
    *,
    views: list[Camera] | None = None,
    own: bpy.types.Scene | None = None,
    backend_python: str = "",
) -> Capture:
    """Render a capture into a folder, which may be new, empty, or hold an earlier capture that is replaced.

    Args:
        views: cameras to render from; a ring of ``settings.views`` around the subject where None.
        own: scene whose light is used where the settings say so.
        backend_python: interpreter that makes the outer surface; none is made without it.

    Raises:
        CaptureError, Cancelled.
    """
    own = own or bpy.context.scene
    views = views if views is not None else orbit_cameras(subject.frame_points(), settings.views, settings.size)
    _clear(folder)
    write_truth(folder / "ground_truth", subject.strands, subject.head)
    labeller = Labeller(subject.head) if subject.head and subject.head.regions else None
    landmarks = {"scheme": "68", "points": landmarks_3d(subject.head), "views": {}} if _has_landmarks(subject) else None
    shot = []
    with studio(subject.objects, subject.all_points(), settings, own) as (scene, thing):
        configure(scene, settings, reporter.warning)
        reporter.stage("Rendering views", len(views))
        for number, camera in enumerate(views):
            name = f"view_{number:03d}"
            cameras.set_camera(thing, camera)
            cameras.set_resolution(scene, camera)
            view = View(name, folder / "images" / f"{name}.png", camera)
            depth, coverage = render_view(scene, view.image, folder / f".{name}.exr")
            hair = _coverage_of(subject.hair, coverage, depth.shape)
            head = _coverage_of([subject.head_object] if subject.head_object else [], coverage, depth.shape)
            if subject.scenery:
                depth = np.where(hair + head > 0, depth, 0)
            _write_maps(folder, name, subject, depth, hair, head)
            if labeller:
                write_png(folder / "labels" / f"{name}.png", labeller.labels(camera, hair, head))
            if landmarks is not None:
                landmarks["views"][name] = landmarks_2d(subject.head, camera, depth)
            shot.append(view)
            reporter.preview("view", view.image)
            reporter.step(number + 1)
    if labeller:
        _write_json(folder / "labels" / "classes.json", {str(n): name for n, name in enumerate(CLASSES)})
    if landmarks is not None:
        _write_json(folder / "landmarks.json", landmarks)
    if settings.surface and backend_python:
        reporter.stage("Closing the outer surface")
        write_surface(folder / "ground_truth", backend_python, reporter)
    # Last, so that a folder with cameras is a whole capture.
    capture = Capture(folder, tuple(shot), 1.0, "rendered", BOUNCES)
    write_capture(capture)
    (folder / _UNFINISHED).unlink()
    return capture


def _clear(folder: Path) -> None:
    """Make the folder ready: what we rendered there before goes; anybody else's pictures are never touched."""
    marker = folder / _UNFINISHED
    if any((folder / name).exists() for name in ("transforms.json", *_PARTS)):
        if not marker.exists() and not _rendered(folder / "transforms.json"):
            raise CaptureError(f"{folder} holds pictures that were not rendered here; choose another, empty folder.")
        (folder / "transforms.json").unlink(missing_ok=True)
        for name in _PARTS:
            if (folder / name).is_dir():
                shutil.rmtree(folder / name, ignore_errors=True)
            else:
                (folder / name).unlink(missing_ok=True)
    for name in ("images", "depth"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    marker.touch()


def _rendered(transforms: Path) -> bool:
    try:
        return json.loads(transforms.read_text(encoding="utf-8"))["scale_source"] == "rendered"
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _has_landmarks(subject: Subject) -> bool:
    return subject.head is not None and bool(subject.head.landmarks)


def _coverage_of(things: list[bpy.types.Object], coverage: dict[str, np.ndarray], shape) -> np.ndarray:
    return np.clip(sum((coverage[t.name] for t in things if t.name in coverage), np.zeros(shape, np.float32)), 0, 1)


def _write_maps(folder: Path, name: str, subject: Subject, depth, hair: np.ndarray, head: np.ndarray) -> None:
    np.save(folder / "depth" / f"{name}.npy", depth)
    masks = {"person": np.clip(hair + head, 0, 1)}
    masks |= {"hair": hair} if subject.hair else {}
    masks |= {"bust": head} if subject.head_object else {}
    for kind, mask in masks.items():
        write_png(folder / "masks" / kind / f"{name}.png", np.round(mask * 255).astype(np.uint8))


def _write_json(path: Path, values: dict) -> None:
    path.write_text(json.dumps(values, indent=1), encoding="utf-8")
