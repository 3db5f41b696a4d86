"""The scene that the way from photographs to a capture is measured on: a real head's scan with painted skin and
synthetic hair, in a room, photographed from all around by a hand-held camera."""

import hashlib
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from backend.errors import CaptureError
from backend.formats.capture import Camera, read_capture
from backend.formats.mesh_ply import write_ply
from backend.formats.strands import write_npz
from backend.hair.styles import SCENES, make_hairstyle
from building import environments

from .blender import in_blender
from .hair_scenes import CHECKOUT
from .painted_scan import painted_scan, read_fitted, read_scan

RINGS = (4.0, 29.0)
"""Degrees of elevation of the two rounds that the photographer walks."""
FOCAL = 1.44
"""In the picture's longer side: a telephone's second lens, 52 mm on full frame."""
DISTANCE = 0.74
FOCAL_IS_OFF = 1.05
"""What the EXIF says is this much longer than the lens."""
QUALITY = 85
_SEED = 9
FILM_DIAGONAL = 43.2666
"""Millimetres across full frame."""


@dataclass(frozen=True)
class Photographs:
    """How the scene is photographed.

    Attributes:
        width, height: pixels.
        samples: of the render, a pixel.
        blurred: frames of the video beside each sharp one.
    """

    views: int = 36
    width: int = 600
    height: int = 800
    samples: int = 16
    strands: int = 40_000
    blurred: int = 2


@dataclass(frozen=True)
class Scene:
    """What was rendered: ``photos`` as an artist would bring them, ``video``, ``turntable``, the person before a camera
    that stands still, with photos/ and masks/, and ``truth``, a whole capture with the same names, masks, labels,
    landmarks and true strands."""

    photos: Path
    video: Path
    turntable: Path
    truth: Path


def scene_of(photographs: Photographs, folder: Path | None = None) -> Scene:
    """The scene's files, rendered now if they never were, in the user's cache or a folder.

    Raises:
        CaptureError, HeadError: the scan is not there, or rendering fails.
    """
    folder = folder or environments.cache() / "bench" / f"photos-{_key(photographs)}"
    scene = Scene(folder / "photos", folder / "h264.mp4", folder / "turntable", folder / "truth")
    if not (scene.truth / "transforms.json").is_file():
        _render(photographs, folder, scene.truth)
    if not scene.video.is_file():
        _hand_over(scene, photographs)
    if not scene.turntable.is_dir():
        _turn(scene, folder / "making" / "wall_0.png")
    return scene


def cameras_around(photographs: Photographs, middle: np.ndarray) -> list[Camera]:
    """Cameras on two rounds about a point, held by hand: none quite level, aimed or at the same distance."""
    rng, found = np.random.default_rng(_SEED), []
    per_ring = -(-photographs.views // len(RINGS))
    for number in range(photographs.views):
        ring, step = divmod(number, per_ring)
        azimuth = np.radians(360 * (step + 0.5 * ring) / per_ring) + rng.normal(0, 0.03)
        elevation = np.radians(RINGS[ring]) + rng.normal(0, 0.03)
        back = np.array([np.sin(azimuth) * np.cos(elevation), -np.cos(azimuth) * np.cos(elevation), np.sin(elevation)])
        eye = middle + back * DISTANCE * (1 + rng.normal(0, 0.03))
        aim = middle + rng.normal(0, 0.008, 3)
        forward = (aim - eye) / np.linalg.norm(aim - eye)
        right = np.cross(forward, [np.sin(rng.normal(0, 0.03)), 0, 1])
        right /= np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3, :3] = np.stack([right, np.cross(right, forward), -forward], axis=1)
        pose[:3, 3] = eye
        focal = FOCAL * max(photographs.width, photographs.height)
        found.append(
            Camera(photographs.width, photographs.height, focal, focal, photographs.width / 2, photographs.height / 2,
                   pose)
        )  # fmt: skip
    return found


def _render(photographs: Photographs, folder: Path, truth: Path) -> None:
    painted = painted_scan(folder.parent / "painted-scan")
    fitted, groom = read_fitted(painted), SCENES["layered"]
    print("Growing the hair.", flush=True)
    hair = make_hairstyle(fitted, groom.style, photographs.strands, groom.seed)
    making = folder / "making"
    making.mkdir(parents=True, exist_ok=True)
    write_npz(making / "strands.npz", hair.strands)
    points = np.concatenate([hair.strands.points, fitted.landmark_points()])
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    cameras = [
        asdict(camera) | {"camera_to_world": camera.camera_to_world.tolist()}
        for camera in cameras_around(photographs, middle)
    ]
    scene = {
        "mesh": str(painted.mesh), "fitted": str(painted.fitted), "strands": str(making / "strands.npz"),
        "colour": groom.colour, "walls": [str(path) for path in _walls(making)], "cameras": cameras,
        "samples": photographs.samples, "seed": 1, "out": str(truth),
    }  # fmt: skip
    (making / "scene.json").write_text(json.dumps(scene), encoding="utf-8")
    print(f"Rendering {len(cameras)} photographs into {folder}.", flush=True)
    _make_in_blender("capture_scene_in_blender.py", making / "scene.json")
    scan = read_scan()
    write_ply(truth / "ground_truth" / "scan.ply", scan.vertices, scan.faces)


def _make_in_blender(script: str, *words: Path) -> None:
    if in_blender(CHECKOUT / "bench" / script, *words, stdout=sys.stderr).returncode:
        raise CaptureError("The photographs could not be rendered; what the renderer said is above.")


def _walls(folder: Path, size: int = 1400) -> list[Path]:
    """Pictures of patches, discs and grain of many sizes, one a wall."""
    rng, paths = np.random.default_rng(_SEED), []
    for number in range(4):
        picture = np.full((size, size, 3), rng.uniform(60, 150, 3), np.float32)
        for radius, count in ((180, 30), (70, 160), (24, 900), (9, 4000)):
            for x, y in rng.uniform(0, size, (count, 2)):
                colour = rng.uniform(20, 200, 3)
                extent = rng.uniform(0.3, 1.0, 2) * radius
                if rng.random() < 0.5:
                    corners = (int(x - extent[0]), int(y - extent[1])), (int(x + extent[0]), int(y + extent[1]))
                    cv2.rectangle(picture, *corners, colour.tolist(), -1)
                else:
                    cv2.circle(picture, (int(x), int(y)), int(extent[0]), colour.tolist(), -1)
        picture = cv2.GaussianBlur(picture + rng.normal(0, 10, picture.shape), (0, 0), 1.2)
        paths.append(folder / f"wall_{number}.png")
        cv2.imwrite(str(paths[-1]), np.clip(picture, 0, 255).astype(np.uint8))
    return paths


def _hand_over(scene: Scene, photographs: Photographs) -> None:
    """The bare JPEGs with a wrong focal length in their EXIF, and the video."""
    from PIL import Image

    scene.photos.mkdir(exist_ok=True)
    frames = []
    for view in read_capture(scene.truth).views:
        with Image.open(view.image) as picture:
            picture = picture.convert("RGB")
        camera, exif = view.camera, Image.Exif()
        diagonal = np.hypot(camera.width, camera.height)
        exif[0x010F], exif[0x0110] = "Maquette", "Rendered"
        film = FILM_DIAGONAL * camera.fx / diagonal * FOCAL_IS_OFF
        exif.get_ifd(0x8769).update({0x920A: film / 6, 0xA405: round(film)})
        picture.save(scene.photos / f"{view.name}.jpg", quality=QUALITY, exif=exif)
        frames.append(np.asarray(picture)[..., ::-1])
    _write_video(scene.video, frames, photographs.blurred)


def _write_video(path: Path, frames: list[np.ndarray], blurred: int) -> None:
    """Every sharp frame between others that were shaken, in H.264 by Blender's encoder: OpenCV's wheels have none."""
    rng, number = np.random.default_rng(_SEED), 0
    with tempfile.TemporaryDirectory(prefix="maquette-") as folder:
        for frame in frames:
            for place in range(blurred + 1):
                shown = frame if place == blurred // 2 else _shaken(frame, rng)
                cv2.imwrite(str(Path(folder) / f"{number:05d}.png"), shown)
                number += 1
        partial = path.with_name("video.part.mp4")
        _make_in_blender("video_in_blender.py", Path(folder), partial)
    partial.replace(path)


def _turn(scene: Scene, wall: Path) -> None:
    """The person of each photograph, cut out by the true masks, before one and the same picture; light and all."""
    partial = scene.turntable.with_name("turntable.part")
    for name in ("photos", "masks"):
        (partial / name).mkdir(parents=True, exist_ok=True)
    views = read_capture(scene.truth).views
    height, width = views[0].camera.height, views[0].camera.width
    behind = cv2.resize(cv2.imread(str(wall)), (max(height, width),) * 2)[:height, :width]
    for view in views:
        picture, mask = cv2.imread(str(view.image)), cv2.imread(str(view.masks["person"]), cv2.IMREAD_GRAYSCALE)
        share = mask[..., None] / 255
        picture = np.round(picture * share + behind * (1 - share)).astype(np.uint8)
        cv2.imwrite(str(partial / "photos" / f"{view.name}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        cv2.imwrite(str(partial / "masks" / f"{view.name}.png"), mask)
    partial.replace(scene.turntable)


def _shaken(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The frame as it blurs along one direction."""
    size = max(5, frame.shape[1] // 60) | 1
    kernel = np.zeros((size, size), np.float32)
    cv2.line(kernel, (0, int(rng.integers(size))), (size - 1, int(rng.integers(size))), 1.0)
    return cv2.filter2D(frame, -1, kernel / kernel.sum())


def _key(photographs: Photographs) -> str:
    digest = hashlib.sha256(repr((asdict(photographs), RINGS, FOCAL, DISTANCE, _SEED)).encode())
    for name in ("painted_scan.py", "capture_scene_in_blender.py"):
        digest.update((CHECKOUT / "bench" / name).read_bytes())
    return digest.hexdigest()[:12]
