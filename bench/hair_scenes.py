"""The bench's captures: made once, kept in the user's cache under a key of everything that shapes them."""

import hashlib
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from backend.errors import CaptureError
from backend.formats.head import BUILT_IN_HEAD, read_head
from backend.formats.strands import Strands, write_npz
from backend.hair.styles import SCENES, make_hairstyle
from backend.hair.styles.hairstyle import GENERATOR_VERSION
from building import environments

from .blender import in_blender

CHECKOUT = Path(__file__).resolve().parents[1]
RENDERER = tuple(
    CHECKOUT / "addon" / "ground_truth" / f"{name}.py" for name in ("from_files", "orbit", "passes", "studio")
)


@dataclass(frozen=True)
class Rendering:
    """How the scenes are photographed."""

    views: int = 24
    size: int = 512
    samples: int = 64
    seed: int = 1


def capture_of(name: str, rendering: Rendering) -> Path:
    """The folder of a scene's capture, rendered now if it never was. Raises CaptureError where rendering fails."""
    folder = environments.cache() / "bench" / f"hair-{name}-{_key(name, rendering)}"
    if (folder / "transforms.json").is_file():
        return folder
    scene = SCENES[name]
    print(f"{name}: growing {scene.strands:,} strands", flush=True)
    hair = make_hairstyle(read_head(BUILT_IN_HEAD), scene.style, scene.strands, scene.seed)
    unfinished = folder.with_name(folder.name + ".part")
    print(f"{name}: it is kept in {folder}", flush=True)
    render(name, hair.strands, scene.colour, rendering, unfinished)
    unfinished.rename(folder)
    return folder


def render(name: str, strands: Strands, colour: tuple, rendering: Rendering, folder: Path) -> None:
    """Render strands on the built-in head into a capture, in Blender's environment. Raises CaptureError."""
    print(f"{name}: rendering {rendering.views} views", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "strands.npz"
    write_npz(file, strands)
    done = in_blender(
        CHECKOUT / "building" / "headless.py", "ground-truth", "--strands", file, "--head", "built-in",
        "--views", rendering.views, "--size", rendering.size, "--samples", rendering.samples, "--seed", rendering.seed,
        "--hair-colour", ",".join(map(str, colour)), "--no-surface", "--out", folder,
        stdout=sys.stderr,
    )  # fmt: skip
    if done.returncode:
        raise CaptureError(f"The scene '{name}' could not be rendered; what the renderer said is above.")
    file.unlink()


def _key(name: str, rendering: Rendering) -> str:
    digest = hashlib.sha256(repr((GENERATOR_VERSION, asdict(SCENES[name]), asdict(rendering))).encode())
    for path in (BUILT_IN_HEAD, *RENDERER):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
