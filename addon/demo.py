"""The whole way once, without a window: a bust with hair, rendered, reconstructed, measured, pictured and animated."""

import argparse
import json
import os
import subprocess
import time
from pathlib import Path

import bpy
import numpy as np

from ..backend.contract import RenderGroundTruth
from ..backend.errors import MaquetteError, RequestError
from ..backend.formats.arkit_csv import read_arkit_csv
from ..backend.formats.capture import Camera, Capture
from ..backend.formats.flame_files import read_flame_model
from ..backend.formats.head import BUILT_IN_HEAD, read_head, write_head
from ..backend.formats.job_folder import write_json
from ..backend.formats.strands import read_npz
from . import cameras, demo_face, flame_arkit, groom
from .demo_detail import DetailDemo
from .demo_head import HeadDemo
from .flame_animation import keyframe
from .flame_rig import BUILT_IN, add_flame_head
from .ground_truth.orbit import orbit_cameras
from .ground_truth.render import Subject, render_ground_truth

ROOT = Path(__file__).resolve().parents[1]
COLOUR = (0.16, 0.065, 0.024)
"""Of the demo's hair, linear Rec. 709."""
SHOWN = (0, 2, 4)
"""Views of the contact sheet."""


class Demo:
    """The demo's steps in their order; each leaves its files in the folder."""

    def __init__(self, options: argparse.Namespace, reporter):
        self.options, self.reporter, self.folder = options, reporter, reporter.folder
        self.began, self.seconds = time.monotonic(), {}
        self.settings = RenderGroundTruth(
            views=options.views, size=options.size, samples=options.samples, seed=1, surface=False
        )

    def run(self) -> dict:
        """Returns what metrics.json holds."""
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
        self._step("1/10 Growing wavy hair on the built-in head", self._grow)
        self._step(f"2/10 Rendering {self.options.views} views with their truth", self._render)
        self._step("3/10 Reconstructing strands from the pictures", self._reconstruct)
        self._step("4/10 Comparing them with the truth", self._evaluate)
        self._step("5/10 Rendering the reconstruction from the same cameras", self._picture)
        self._step("6/10 Reconstructing the surface of head and hair from the same pictures", self._surface)
        self._step("7/10 Keyframing the face, with hair that follows it", self._animate)
        self._step("8/10 Registering a synthetic scan, and baking its displacements", self._register)
        self._step("9/10 Keyframing the face below them", self._move)
        metrics = self.scores | {
            "seconds": self.seconds | {"all": round(time.monotonic() - self.began, 1)},
            "reconstruction": json.loads((self.folder / "reconstruction" / "report.json").read_text()),
        }
        write_json(self.folder / "metrics.json", metrics)
        self._step("10/10 Contact sheet and demo.blend", self._sheet)
        return metrics

    def _step(self, title: str, step) -> None:
        print(f"[{time.monotonic() - self.began:5.0f} s] {title}", flush=True)
        began = time.monotonic()
        step()
        self.seconds[step.__name__.strip("_")] = round(time.monotonic() - began, 1)

    def _grow(self) -> None:
        strands = ["--strands", str(self.options.strands), "--style", self.options.style]
        self._backend("make-hairstyle", *strands, "--seed", "7", "--out", self.folder / "hairstyle")
        self.head = read_head(BUILT_IN_HEAD)
        write_head(self.folder / "head.npz", self.head)
        model = read_flame_model(BUILT_IN_HEAD)
        self.rig = add_flame_head(bpy.context, model, name="Bust", file=BUILT_IN)
        flame_arkit.set_table(self.rig, flame_arkit.table_for(model, BUILT_IN_HEAD))
        self.head_object = self.rig.mesh
        strands = read_npz(self.folder / "hairstyle" / "strands.npz")
        # As hair is: no two strands of one shade.
        shade = np.exp(np.random.default_rng(7).normal(0.0, 0.2, (len(strands), 1)))
        colour = (np.array(COLOUR) * shade).astype(np.float32)
        self.truth = groom.add_groom(
            bpy.context, strands, self.head_object, name="Truth", colour=colour, guide_count=0
        ).hair
        self.truth["maquette_role"] = "truth"

    def _render(self) -> None:
        subject = Subject.of([self.truth], self.head_object)
        self.capture: Capture = render_ground_truth(subject, self.settings, self.folder / "capture", self.reporter)
        self.unseen: Camera = orbit_cameras(subject.frame_points(), 7, self.options.size)[1]

    def _reconstruct(self) -> None:
        out = self.folder / "reconstruction"
        self._backend(
            "reconstruct-hair", self.folder / "capture", "--head", self.folder / "head.npz",
            "--preset", self.options.preset, "--strands", str(self.options.strands), "--out", out,
        )  # fmt: skip
        strands = read_npz(out / "strands.npz")
        with np.load(out / "strands.npz", allow_pickle=False) as file:
            colour = file["colour"]
        self.grown = groom.add_groom(bpy.context, strands, self.head_object, name="Reconstruction", colour=colour)

    def _evaluate(self) -> None:
        answer = self._backend(
            "evaluate-strands", self.folder / "reconstruction" / "strands.npz",
            self.folder / "capture" / "ground_truth" / "strands.npz", "--out", self.folder / "evaluation", "--json",
        )  # fmt: skip
        self.scores = json.loads(answer)
        for row in self._undirected():
            place = f"{row['millimetres']:g} mm, {row['degrees']:g} degrees"
            print(f"    within {place}: F {row['f_score']:.1f} %", flush=True)

    def _picture(self) -> None:
        self.truth.hide_render = True
        shown = [self.capture.views[i].camera for i in SHOWN]
        self._render_from("pictures", [self.grown.hair], [*shown, self.unseen])
        self._render_from("unseen", [self.truth], [self.unseen])

    def _render_from(self, name: str, hair: list[bpy.types.Object], views: list[Camera]) -> None:
        render_ground_truth(
            Subject.of(hair, self.head_object), self.settings, self.folder / name, self.reporter, views=views
        )

    def _surface(self) -> None:
        self.surface = HeadDemo(self.folder / "surface", self.settings, self.reporter)
        views = self.capture.views
        self.surface.reconstruct(self.folder / "capture", self.head_object, views[SHOWN[0]].camera, self.unseen)

    def _animate(self) -> None:
        """Key a recording as the button does, and picture some of its frames."""
        scene, face = bpy.context.scene, self.folder / "face.csv"
        demo_face.write_recording(face)
        scene.render.fps = demo_face.RATE
        keyframe(bpy.context, self.rig, read_arkit_csv(face).motion(flame_arkit.table_of(self.rig), self.rig.joints))
        scene.frame_start, scene.frame_end = 1, 1 + round(demo_face.RATE * demo_face.SECONDS)
        camera = orbit_cameras(self._face_points(), 1, self.options.size)[0]
        for number, seconds in enumerate(demo_face.SHOWN):
            scene.frame_set(1 + round(demo_face.RATE * seconds))
            self._render_from(f"frames/{number}", [self.grown.hair], [camera])
        scene.frame_set(1)

    def _register(self) -> None:
        self.detail = DetailDemo(self.folder / "detail", self.settings, self.reporter, self._backend)
        self.detail.register()

    def _move(self) -> None:
        self.detail.animate()

    def _face_points(self) -> np.ndarray:
        """(N, 3) that the strip's camera sees: the head down to the chin."""
        vertices = self.head.vertices
        return vertices[vertices[:, 2] > self.head.landmark_points()[:, 2].min() - 0.02]

    def _sheet(self) -> None:
        def picture(part: str, number: int) -> str:
            return str(self.folder / part / "images" / f"view_{number:03d}.png")

        rows = []
        for row, number in enumerate(SHOWN):
            name = self.capture.views[number].name
            orientation = str(self.folder / "reconstruction" / "orientation" / f"{name}.png")
            pictures = [picture("capture", number), orientation, picture("pictures", row)]
            rows.append({"label": f"{name}, one of the {self.options.views} given", "pictures": pictures})
        text = ["F-score (undirected)"]
        text += [f"{r['millimetres']:g} mm, {r['degrees']:g} deg: {r['f_score']:.1f} %" for r in self._undirected()]
        text += ["", f"{len(self.truth.data.curves):,} true strands", f"{len(self.grown.hair.data.curves):,} found"]
        last = {"label": "a view that was not given", "pictures": [picture("unseen", 0), None, picture("pictures", 3)]}
        title = f"Maquette demo, rendered hair, preset {self.options.preset}"
        columns = ["photograph (the truth, rendered)", "hair direction found", "reconstruction"]
        write_json(self.folder / "sheet.json", {
            "title": title, "columns": columns, "rows": [*rows, last | {"text": "\n".join(text)}],
            "strips": [{
                "label": "surface of head and hair from these pictures: bare, painted with them, and from a new side",
                "pictures": self.surface.pictures,
            }, {
                "label": "the head's sliders and bones keyframed from ARKit weights; the reconstructed hair follows",
                "pictures": [picture(f"frames/{number}", 0) for number in range(len(demo_face.SHOWN))],
            }, {
                "label": "a synthetic scan, a head registered to it, its displacements with contrast, it in motion",
                "pictures": self.detail.pictures,
            }],
        })  # fmt: skip
        self._python("backend.evaluate.contact_sheet", self.folder / "sheet.json", self.folder / "contact_sheet.png")
        self._save()

    def _save(self) -> None:
        """Truth, reconstruction, guides and cameras as a file to open; the truth is hidden, one click away."""
        scene = bpy.context.scene
        made = bpy.data.collections.new("Cameras")
        scene.collection.children.link(made)
        for view in self.capture.views:
            cameras.add_camera(view.name, view.camera, made)["maquette_role"] = "camera"
        scene.camera = made.objects[0]
        cameras.set_resolution(scene, self.capture.views[0].camera)
        self.truth.hide_set(True)
        bpy.ops.wm.save_as_mainfile(filepath=str(self.folder / "demo.blend"), compress=True)

    def _undirected(self) -> list[dict]:
        return [row for row in self.scores["rows"] if row["sign"] == "undirected"]

    def _backend(self, *arguments) -> str:
        return self._python("backend", *arguments)

    def _python(self, module: str, *arguments) -> str:
        """Run a module of the backend in its own process; its progress is shown, its answer returned."""
        interpreter = os.environ.get("MAQUETTE_BACKEND_PYTHON")
        if not interpreter:
            raise RequestError(
                "The demo needs the backend's Python in MAQUETTE_BACKEND_PYTHON; `build.py demo` sets it."
            )
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONHOME"} | {"PYTHONPATH": str(ROOT)}
        command = [interpreter, "-P", "-m", module, *map(str, arguments)]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        if done.returncode:
            raise MaquetteError(f"The demo stops: {arguments[0]} did not succeed; its own words are above.")
        return done.stdout


def demo(arguments: list[str]) -> None:
    """``demo``: run it from a shell."""
    from ..backend.protocol import Reporter
    from .headless import print_event

    parser = argparse.ArgumentParser(
        prog="demo", description=__doc__, epilog="example: python build.py demo --out out/demo"
    )
    parser.add_argument("--out", type=Path, default=Path("out/demo"), metavar="DIR", help="Default: out/demo.")
    parser.add_argument("--preset", choices=("draft", "standard"), default="draft", help="Default: draft.")
    parser.add_argument("--style", default="wavy", help="Hairstyle. Default: wavy.")
    parser.add_argument(
        "--strands", type=int, default=15_000, help="True strands, and strands to grow. Default: 15000."
    )
    parser.add_argument("--views", type=int, default=14, help="Pictures to render. Default: 14.")
    parser.add_argument("--size", type=int, default=360, help="Their width and height in pixels. Default: 360.")
    parser.add_argument("--samples", type=int, default=16, help="Samples a pixel. Default: 16.")
    options = parser.parse_args(arguments)
    if options.views <= max(SHOWN):
        raise RequestError(f"The demo shows view {max(SHOWN)}, so it needs at least {max(SHOWN) + 1} views.")
    folder = options.out.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    Demo(options, Reporter(folder, print_event)).run()
    print(f"Look at {folder / 'contact_sheet.png'}, open {folder / 'demo.blend'}")
