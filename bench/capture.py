"""From bare JPEGs or a video to hair and a head: cameras, metres and masks found here, beside the true ones."""

import argparse
import json
import shutil
from pathlib import Path

import cv2
import numpy as np

from backend.evaluate.strands import evaluate
from backend.formats.capture import read_capture
from backend.formats.capture_landmarks import Seen, read_capture_landmarks, write_capture_landmarks
from backend.formats.mesh_ply import write_ply
from backend.formats.strands import Strands, read_npz

from .capture_scene import Photographs, Scene, scene_of
from .capture_score import camera_errors, mask_agreement, on_truth
from .head import backend
from .head_measure import measure, on_face, truth_of
from .head_scenes import close

HELP = "Photographs in: cameras, metres and masks found from bare pictures, and hair and head from all of that."
STEPS = ("photographs", "video", "turntable", "few", "many", "large", "place", "masks", "unclicked", "hair", "head")
CLICKED = ("view_000", "view_002", "view_016")
"""Views from the front and either side that the artist clicks in."""
LANDMARKS = (
    "right eye 1", "right eye 4", "left eye 1", "left eye 4", "nose bridge 1", "nose bridge 4", "nose base 3",
    "outer lip 1", "outer lip 7", "jaw 9",
)  # fmt: skip
CLICK_NOISE = 1.0
"""Pixels, standard deviation, that a click misses its place by."""
FEW = ("view_000", "view_001", "view_018")
MANY, MANY_SIDE = 200, 800
"""Pictures, and pixels of their longer side: each of the photographs several times, with other noise."""
LARGE, LARGE_SIDE = 4, 7680
"""Likewise of pictures in 8K."""
VIEWS = 12
"""Of the scene's, that say what of a head is seen."""
NOISE = 4.0
"""Of 255, standard deviation."""
CAMERAS = ("photographs", "video", "turntable", "few", "many", "large")
"""Steps that end in cameras."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``bench capture``."""
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS), help="Only these, in this order.")
    parser.add_argument("--scene", type=Path, metavar="DIR", help="Folder of a scene that is rendered already.")
    parser.add_argument("--hair-preset", default="standard", help="Of the step hair. Default: standard.")
    parser.add_argument("--head-preset", default="standard", help="Of the step head. Default: standard.")


def run(options: argparse.Namespace) -> None:
    """Render what is not in the cache, go the whole way, measure, and write results.json and results.md."""
    options.out.mkdir(parents=True, exist_ok=True)
    scene = scene_of(Photographs(), options.scene)
    file = options.out / "results.json"
    results = json.loads(file.read_text()) if file.is_file() else {}
    for step in (step for step in STEPS if step in options.steps):
        print(step, flush=True)
        results[step] = globals()[f"_{step}"](scene, options)
        print(f"  {json.dumps(results[step])}", flush=True)
        file.write_text(json.dumps(results, indent=1))
        (options.out / "results.md").write_text(table(results), encoding="utf-8")
    print(f"Results in {options.out / 'results.md'}")


def _photographs(scene: Scene, options: argparse.Namespace) -> dict:
    return _imported(scene.photos, options.out / "photographs", scene)


def _video(scene: Scene, options: argparse.Namespace) -> dict:
    views, frames = len(read_capture(scene.truth).views), Photographs().blurred + 1
    names = {f"frame_{k:05d}": f"view_{k // frames:03d}" for k in range(views * frames)}
    return _imported(scene.video, options.out / "video", scene, "--frames", views, names=names)


def _turntable(scene: Scene, options: argparse.Namespace) -> dict:
    return _imported(scene.turntable / "photos", options.out / "turntable", scene, "--masks", scene.turntable / "masks")


def _few(scene: Scene, options: argparse.Namespace) -> dict:
    pictures = options.out / "few-pictures"
    pictures.mkdir(exist_ok=True)
    for name in FEW:
        shutil.copyfile(scene.photos / f"{name}.jpg", pictures / f"{name}.jpg")
    return _imported(pictures, options.out / "few", scene)


def _many(scene: Scene, options: argparse.Namespace) -> dict:
    """What 200 pictures cost."""
    pictures, names = _enlarged(scene, options.out / "many-pictures", MANY, MANY_SIDE)
    return _imported(pictures, options.out / "many", scene, names=names)


def _large(scene: Scene, options: argparse.Namespace) -> dict:
    """What pictures in 8K cost whose working copies are as large."""
    pictures, names = _enlarged(scene, options.out / "large-pictures", LARGE, LARGE_SIDE)
    return _imported(pictures, options.out / "large", scene, "--side", 0, names=names)


def _enlarged(scene: Scene, folder: Path, count: int, side: int) -> tuple[Path, dict[str, str]]:
    """A folder of so many pictures, and what each shows: neighbours first, and then again from the beginning."""
    folder.mkdir(exist_ok=True)
    rng, photos, names = np.random.default_rng(0), sorted(scene.photos.glob("*.jpg")), {}
    for number in range(count):
        photo = photos[number % len(photos)]
        picture = cv2.imread(str(photo))
        scale = side / max(picture.shape)
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        noise = np.empty(picture.shape, np.int16)
        cv2.setRNGSeed(int(rng.integers(2**31)))
        cv2.randn(noise, 0, NOISE)
        name = f"{photo.stem}_{number // len(photos)}"
        cv2.imwrite(str(folder / f"{name}.jpg"), cv2.add(picture, noise, dtype=cv2.CV_8U))
        names[name] = photo.stem
    return folder, names


def _place(scene: Scene, options: argparse.Namespace) -> dict:
    """Clicked landmarks in three views, and metres by the head that is fitted to them."""
    capture = options.out / "photographs" / "capture"
    _click(scene.truth, capture)
    seconds, processor = backend("place-capture", capture, "--out", options.out / "place")
    found, true = read_capture(capture), read_capture(scene.truth)
    place = on_truth(found, true)
    turn = np.degrees(np.arccos(np.clip((np.trace(place.rotation) - 1) / 2, -1, 1)))
    return {
        "scale_percent": 100 * (1 / place.scale - 1), "turn_degrees": float(turn),
        "shift_mm": float(1000 * np.linalg.norm(place.apply(np.zeros((1, 3))))), **_spent(seconds, processor),
    }  # fmt: skip


def _masks(scene: Scene, options: argparse.Namespace) -> dict:
    return _masked(options.out / "photographs" / "capture", options.out / "masks", scene)


def _unclicked(scene: Scene, options: argparse.Namespace) -> dict:
    """Masks of the same pictures and cameras, where nobody clicked a landmark."""
    clicked, capture = options.out / "photographs" / "capture", options.out / "unclicked" / "capture"
    shutil.rmtree(capture, ignore_errors=True)
    shutil.copytree(clicked / "images", capture / "images")
    shutil.copyfile(clicked / "transforms.json", capture / "transforms.json")
    return _masked(capture, options.out / "unclicked" / "job", scene)


def _masked(capture: Path, job: Path, scene: Scene) -> dict:
    spent = _spent(*backend("make-masks", capture, "--out", job))
    return mask_agreement(read_capture(capture), read_capture(scene.truth)) | spent


def _hair(scene: Scene, options: argparse.Namespace) -> dict:
    true = read_npz(scene.truth / "ground_truth" / "strands.npz")
    results = {}
    # The head that gave the capture its metres; beside it the one that was fitted to the scan itself.
    ways = (
        ("found", options.out / "photographs" / "capture", options.out / "place" / "head.npz"),
        ("true", scene.truth, scene.truth / "ground_truth" / "head.npz"),
    )
    for name, capture, head in ways:
        folder = options.out / f"hair-{name}"
        words = ("--head", head, "--preset", options.hair_preset, "--out", folder)
        spent = _spent(*backend("reconstruct-hair", capture, *words))
        strands = read_npz(folder / "strands.npz")
        place = on_truth(read_capture(capture), read_capture(scene.truth))
        laid = Strands(place.apply(strands.points).astype(np.float32), strands.counts)
        rows = [row for row in evaluate(laid, true).as_dict()["rows"] if row["sign"] == "undirected"]
        results[name] = {f"{row['millimetres']:g}/{row['degrees']:g}": round(row["f_score"], 1) for row in rows} | spent
    return results


def _head(scene: Scene, options: argparse.Namespace) -> dict:
    """Hair and all: the truth is the scan and its strands, closed into one surface, where two photographs see it."""
    close(scene.truth / "ground_truth", "scan.ply")
    truth, results = truth_of(scene.truth, "surface.ply", fewest=2, below_chin=0.0), {}
    face = on_face(truth, scene.truth)
    for name, capture in (("found", options.out / "photographs" / "capture"), ("true", scene.truth)):
        folder = options.out / f"head-{name}"
        spent = _spent(*backend("reconstruct-head", capture, "--preset", options.head_preset, "--out", folder))
        mesh, faces = _vertices(folder / "head.ply")
        place = on_truth(read_capture(capture), read_capture(scene.truth))
        write_ply(folder / "laid.ply", place.apply(mesh), faces)
        figures = measure(folder / "laid.ply", truth, scene.truth, VIEWS)["visible"]
        bare = measure(folder / "laid.ply", truth, scene.truth, VIEWS, face)["visible"]
        results[name] = figures | {f"face_{key}": bare[key] for key in ("mean", "median", "p95")} | spent
    return results


def _imported(source: Path, folder: Path, scene: Scene, *words, names: dict[str, str] | None = None) -> dict:
    shutil.rmtree(folder, ignore_errors=True)
    capture = folder / "capture"
    seconds, processor = backend("import-photos", source, *words, "--capture", capture, "--out", folder / "job")
    report = json.loads((capture / "report.json").read_text())
    kept = {key: report[key] for key in ("pictures", "registered", "points", "error_pixels", "peak_memory_mb")}
    errors = camera_errors(read_capture(capture), read_capture(scene.truth), names)
    return kept | errors | _spent(seconds, processor)


def _click(truth: Path, capture: Path) -> None:
    """What an artist would click in the found capture's pictures, a little beside the true places."""
    marks, rng, clicked = read_capture_landmarks(truth), np.random.default_rng(0), {}
    true, found = ({view.name: view.camera for view in read_capture(c).views} for c in (truth, capture))
    for view in CLICKED:
        lens, pinhole, clicked[view] = true[view], found[view], {}
        for name in LANDMARKS:
            mark = marks[view].get(name)
            if mark is not None and mark.visible:
                x = (mark.x - lens.cx) / lens.fx * pinhole.fx + pinhole.cx + rng.normal(0, CLICK_NOISE)
                y = (mark.y - lens.cy) / lens.fy * pinhole.fy + pinhole.cy + rng.normal(0, CLICK_NOISE)
                clicked[view][name] = Seen(x, y)
    write_capture_landmarks(capture, clicked)


def _vertices(path: Path) -> tuple[np.ndarray, np.ndarray]:
    import trimesh

    mesh = trimesh.load(path, process=False)
    return np.asarray(mesh.vertices), np.asarray(mesh.faces)


def _spent(seconds: float, processor: float) -> dict:
    return {"seconds": round(seconds, 1), "processor_s": round(processor, 1)}


def table(results: dict) -> str:
    """What was measured, to read."""
    lines = ["# Photographs in", "", "Rendered photographs of a real scan with painted skin and synthetic hair.", ""]
    cameras = [(name, results[name]) for name in CAMERAS if name in results]
    if cameras:
        lines += ["| pictures | placed | centres, mm, mean | worst | focal, % | points | px | MB | processor s |"]
        lines += ["|---|---|---|---|---|---|---|---|---|"]
        for name, row in cameras:
            lines.append(
                f"| {name} | {row['registered']} of {row['pictures']} | {row['centre_mm_mean']:.2f} |"
                f" {row['centre_mm_worst']:.2f} | {row['focal_percent']:+.2f} | {row['points']} |"
                f" {row['error_pixels']:.2f} | {row['peak_memory_mb']} | {row['processor_s']:.0f} |"
            )
    if "place" in results:
        row = results["place"]
        lines += ["", f"Metres by a fitted head: {row['scale_percent']:+.1f} %, turned by {row['turn_degrees']:.1f}°."]
    for step, what in (("masks", "with landmarks in three"), ("unclicked", "without a landmark")):
        if step not in results:
            continue
        row = results[step]
        words = ", ".join(f"{kind} {row[kind]:.3f} (worst {row[kind + '_worst']:.3f})" for kind in ("person", "hair"))
        lines += ["", f"Masks made here, {what}, intersection over union: {words}."]
    for step, what in (("hair", "Hair, F-score at mm/degrees"), ("head", "Head, mm")):
        for name, row in results.get(step, {}).items():
            figures = ", ".join(f"{key} {value}" for key, value in row.items() if isinstance(value, (int, float)))
            lines += ["", f"{what}, {name} cameras and masks: {figures}."]
    return "\n".join(lines) + "\n"
