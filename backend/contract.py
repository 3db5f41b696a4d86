"""Every request the backend answers, declared once.

A request is a frozen dataclass. Its fields give the command line its options, the panels their ranges and the worker
its checks, so that a setting exists in one place only. Standard library only: Blender imports this without torch.
"""

import dataclasses
import math
import typing
from dataclasses import dataclass
from pathlib import Path

from .errors import RequestError

PRESETS = ("draft", "standard")
REGISTRATION_PRESETS = ("draft", "standard", "paper")
DEVICES = ("auto", "cpu", "cuda", "mps")
UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254}
"""Metres in one unit of a file."""
BUILT_IN = "built-in"
"""The head model that comes with the extension, where a file of one may be named."""


def setting(
    help: str,
    default=dataclasses.MISSING,
    *,
    minimum=None,
    maximum=None,
    choices=None,
    unit: str = "",
    positional: bool = False,
):
    """Declare one field of a request.

    Args:
        help: one sentence, shown by ``--help`` and as a tooltip.
        default: leave out for a field that must be given.
        minimum, maximum: inclusive range of a number.
        choices: allowed values of a string.
        unit: unit of a number, in the words people read.
        positional: given on the command line by place rather than by name.
    """
    rules = {"minimum": minimum, "maximum": maximum, "choices": choices, "unit": unit, "positional": positional}
    return dataclasses.field(default=default, metadata={"help": help} | rules)


def head_unit() -> str:
    """The field of a request for the unit of its head's file."""
    return setting(
        "Unit of the head's file; head models (.npz) and glTF are always in metres.", "m", choices=tuple(UNITS)
    )


def head_up() -> str:
    """The field of a request for the up axis of its head's file."""
    return setting(
        "Axis that points up in the head's file; in head models (.npz) and glTF it is always Y.", "Z",
        choices=("Z", "Y"),
    )  # fmt: skip


def head_model() -> str:
    """The field of a request for the model that is fitted: a file of FLAME's kind, or the word for our own."""
    return setting('Head model of FLAME\'s kind (.pkl, .npz), or "built-in".', BUILT_IN)


def mesh_unit(whose: str) -> str:
    """The field of a request for the unit of a mesh that comes in any."""
    return setting(f"Unit of the {whose}: m, cm, mm, inch, or metres in one unit.", "m")


@dataclass(frozen=True)
class Request:
    """Base of all requests. ``kind`` is its name in messages and on the command line."""

    kind: typing.ClassVar[str]
    interactive: typing.ClassVar[bool] = False
    """Answered by the warm worker, in seconds, rather than by a process of its own."""
    exclusive: typing.ClassVar[bool] = False
    """Wants the card or all cores, so such jobs queue behind each other."""
    leaves_files: typing.ClassVar[bool] = True
    """Its files are worth keeping, so that the command line makes a folder for them even if none is named."""


@dataclass(frozen=True)
class FakeJob(Request):
    """A job that only passes time, or misbehaves in a chosen way; the tests of the process layer use it."""

    kind = "fake-job"
    leaves_files = False
    steps: int = setting("Steps to count.", 10, minimum=0, maximum=1_000_000)
    seconds_per_step: float = setting("Seconds a step takes.", 0.1, minimum=0.0, maximum=3600.0, unit="s")
    behaviour: str = setting(
        "What goes wrong, if anything.",
        "well",
        choices=("well", "fail", "crash", "kill", "hang", "garbage", "flood", "die at start", "resume"),
    )
    misbehave_at: int = setting("The step at which it goes wrong.", 3, minimum=0)


@dataclass(frozen=True)
class CheckBackend(Request):
    """What this environment has: torch, device, PyTorch3D."""

    kind = "check-backend"
    interactive = True
    leaves_files = False


@dataclass(frozen=True)
class SetUpBackend(Request):
    """Make the backend's own environment; run by the Python that it is made from, before there is one."""

    kind = "set-up-backend"
    exclusive = True
    leaves_files = False
    place: Path = setting("Folder that the environment is made in.", positional=True)
    torch: str = setting("Build of PyTorch.", "auto", choices=("auto", "cpu", "cuda"))
    lock: Path | None = setting("Lock file of packages; without one, the project's own.", None)
    extra_index: str = setting("A further package index to look in, besides pip's own settings.", "")


@dataclass(frozen=True)
class ReconstructHair(Request):
    """Strands from a capture."""

    kind = "reconstruct-hair"
    exclusive = True
    capture: Path = setting("Folder of the capture (transforms.json, images, masks).", positional=True)
    head: Path | None = setting(
        "Head mesh (.npz, .obj, .ply, .stl, .glb); without one the built-in head is fitted.", None
    )
    unit: str = head_unit()
    up: str = head_up()
    scalp: Path | None = setting("File of vertex indices (.npy, .txt, .json) that are the scalp of the head.", None)
    preset: str = setting("How much time to spend.", "standard", choices=PRESETS)
    strands: int = setting("Strands to grow.", 10_000, minimum=100, maximum=100_000)
    points: int = setting("Points on each strand.", 100, minimum=8, maximum=256)
    views: int = setting("Views to use, spread evenly; 0 lets the preset choose.", 0, minimum=0, maximum=1000)
    device: str = setting("Where to compute.", "auto", choices=DEVICES)
    seed: int = setting("Seed of every random choice.", 0, minimum=0, maximum=2**31 - 1)
    metres_per_unit: float = setting(
        "Metres in one unit of a capture whose transforms.json does not say; 0 takes them from the built-in head.",
        0.0, minimum=0.0,
    )  # fmt: skip
    scale_source: str = setting(
        "Where metres_per_unit comes from.", "measured", choices=("measured", "head fit", "assumed")
    )
    stages: str = setting(
        "The last stage to run; earlier ones show what each stage gains.",
        "all",
        choices=("hull", "shell", "growth", "connection", "all"),
    )


@dataclass(frozen=True)
class EvaluateStrands(Request):
    """Precision, recall and F-score of strands against the truth."""

    kind = "evaluate-strands"
    leaves_files = False
    prediction: Path = setting("Strands to judge.", positional=True)
    truth: Path = setting("Strands that are true.", positional=True)
    points: int = setting("Points a strand is resampled to, on both sides.", 100, minimum=2, maximum=1000)
    seed: int = setting("Seed of the choice of strands where there are too many.", 0, minimum=0)
    maximum_points: int = setting(
        "Most points asked on a side; beyond it a random choice of strands is.", 1_000_000, minimum=1000
    )


@dataclass(frozen=True)
class EvaluateHead(Request):
    """Distances between one head mesh and another that is true, after it was laid on it."""

    kind = "evaluate-head"
    leaves_files = False
    prediction: Path = setting("Mesh to judge (.npz, .obj, .ply, .stl, .glb).", positional=True)
    truth: Path = setting("Mesh that is true.", positional=True)
    unit: str = mesh_unit("mesh to judge")
    truth_unit: str = mesh_unit("true mesh")
    up: str = head_up()
    truth_up: str = head_up()
    align: str = setting(
        "Scale, rotation and translation are found; or the scale is kept; or nothing is moved.", "similarity",
        choices=("similarity", "rigid", "none"),
    )  # fmt: skip
    start: str = setting(
        "What the alignment begins with: landmarks that both have, else middles and sizes, or where they lie.", "auto",
        choices=("auto", "landmarks", "centroids", "as they lie"),
    )  # fmt: skip
    landmarks: Path | None = setting("Landmarks on the mesh to judge (.npy, .pp, .json), in its unit and axes.", None)
    truth_landmarks: Path | None = setting("Landmarks on the true mesh, in its unit and axes.", None)
    region: str = setting("Region of the true mesh that counts, or a file of its vertices (.npy, .txt, .json).", "")
    plane: str = setting(
        '"x y z" or "x y z nx ny nz", metres, Z up: what lies below this plane of the true mesh does not count.', ""
    )
    within: float = setting(
        "Only so much around the tip of the true mesh's nose counts; 0 for all.", 0.0, minimum=0.0, maximum=1.0,
        unit="m",
    )  # fmt: skip
    outside: bool = setting("Leave out what cannot be seen from outside, such as a mouth's lining.", True)
    points: int = setting("Points spread evenly over each surface.", 100_000, minimum=1000, maximum=5_000_000)
    seed: int = setting("Seed of the places of the points.", 0, minimum=0, maximum=2**31 - 1)


@dataclass(frozen=True)
class ConvertStrands(Request):
    """One strand file format to another."""

    kind = "convert-strands"
    leaves_files = False
    source: Path = setting("File to read.", positional=True)
    destination: Path = setting("File to write; its ending chooses the format.", positional=True)
    unit: str = setting("Unit of the file read.", "m", choices=tuple(UNITS))
    up: str = setting("Axis that points up in the file read.", "Z", choices=("Z", "Y"))


@dataclass(frozen=True)
class MakeHairstyle(Request):
    """A hairstyle by our own generator, on a head."""

    kind = "make-hairstyle"
    style: str = setting("Which hairstyle.", "wavy", choices=("straight", "wavy", "curly", "short", "layered"))
    head: Path | None = setting("Head mesh with a scalp; without one the built-in head.", None)
    unit: str = head_unit()
    up: str = head_up()
    strands: int = setting("Strands to make.", 10_000, minimum=10, maximum=200_000)
    points: int = setting("Points on each strand; 0 lets the style choose.", 0, minimum=0, maximum=512)
    seed: int = setting("Seed of every random choice.", 0, minimum=0, maximum=2**31 - 1)


@dataclass(frozen=True)
class AlignHead(Request):
    """Scale, rotation and translation that lay a head into a capture, by silhouettes."""

    kind = "align-head"
    capture: Path = setting("Folder of the capture.", positional=True)
    head: Path | None = setting("Head mesh; without one the built-in head.", None)
    unit: str = head_unit()
    up: str = head_up()
    device: str = setting("Where to compute.", "auto", choices=DEVICES)


@dataclass(frozen=True)
class FitHead(Request):
    """A head model's identity, expression, pose and place, fitted to a scan with landmarks."""

    kind = "fit-head"
    scan: Path = setting("Scan: a mesh or point cloud (.obj, .ply, .stl, .glb, .npz).", positional=True)
    landmarks: Path = setting("Landmarks on the scan (.npy, MeshLab's .pp, .json), in the scan's own unit and axes.")
    model: str = head_model()
    unit: str = setting(
        "Unit of the scan's file (m, cm, mm, inch, or metres in one unit); guessed from the face without one.", ""
    )
    identity: int = setting("Identity modes to fit; 0 takes all that the model has.", 0, minimum=0, maximum=1000)
    expression: bool = setting("Fit an expression and the jaw as well.", True)
    device: str = setting("Where to compute.", "auto", choices=DEVICES)


@dataclass(frozen=True)
class FitPhotos(Request):
    """A head model's identity, expression, pose and colours, fitted to the photographs of a capture."""

    kind = "fit-photos"
    exclusive = True
    capture: Path = setting("Folder of the capture.", positional=True)
    landmarks: Path | None = setting(
        "Landmarks of its views (.json), or a MediaPipe model (.task) that finds them; without a file, the capture's "
        "landmarks.json.", None,
    )  # fmt: skip
    model: str = head_model()
    cameras: str = setting(
        "Whether the capture knows where its cameras stood, or only how they see.", "known",
        choices=("known", "unknown"),
    )  # fmt: skip
    identity: int = setting("Identity modes to fit; 0 takes all that the model has.", 0, minimum=0, maximum=1000)
    expression: bool = setting("Fit an expression and the jaw as well.", True)
    views: int = setting("Views to use, spread evenly; 0 takes all.", 0, minimum=0, maximum=1000)
    seed: int = setting("Seed of every random choice.", 0, minimum=0, maximum=2**31 - 1)
    device: str = setting("Where to compute.", "auto", choices=DEVICES)


@dataclass(frozen=True)
class MakeScan(Request):
    """A synthetic scan of a random person of a head model with hair, with landmarks and the truth beside it."""

    kind = "make-scan"
    style: str = setting("Its hair.", "bob", choices=("bare", "bob", "afro", "ponytail"))
    model: str = head_model()
    seed: int = setting("Seed of the person and the hair.", 0, minimum=0, maximum=2**31 - 1)
    spacing: float = setting(
        "Between the scan's points; 0.0012 gives about 200,000.", 0.0012, minimum=0.0005, maximum=0.01, unit="m"
    )
    unit: str = setting("Unit of the scan's file.", "m", choices=tuple(UNITS))


@dataclass(frozen=True)
class RegisterScan(Request):
    """A dense head's displacements registered to a scan with landmarks, and their map in the custom UV layout."""

    kind = "register-scan"
    exclusive = True
    scan: Path = setting("Scan: a mesh or point cloud (.obj, .ply, .stl, .glb, .npz).", positional=True)
    landmarks: Path = setting("Landmarks on the scan (.npy, MeshLab's .pp, .json), in the scan's own unit and axes.")
    model: str = head_model()
    unit: str = setting(
        "Unit of the scan's file (m, cm, mm, inch, or metres in one unit); guessed from the face without one.", ""
    )
    preset: str = setting(
        "Fewer rounds, the default, or the published optimisation.", "standard", choices=REGISTRATION_PRESETS
    )
    partial: bool = setting("The scan shows a part of the head only, such as one depth picture does.", False)
    size: int = setting("Width and height of the displacement map.", 1024, minimum=64, maximum=8192, unit="texels")
    expression: bool = setting("Fit an expression and the jaw as well.", True)
    steps: int = setting(
        "Adam's steps in each stage of the preset paper; 0 takes the published 1,000.", 0, minimum=0, maximum=100_000
    )
    device: str = setting("Where to compute.", "auto", choices=DEVICES)


@dataclass(frozen=True)
class RegisterScans(Request):
    """All scans of a folder registered, each in a process of its own; what was finished earlier is kept."""

    kind = "register-scans"
    exclusive = True
    folder: Path = setting(
        "Folder of scans, each with its landmark file beside it (anna.obj and anna.json).", positional=True
    )
    workers: int = setting(
        "Registrations at once; 0 takes half as many as there are processor cores.", 0, minimum=0, maximum=256
    )
    model: str = head_model()
    unit: str = setting(
        "Unit of the scan's file (m, cm, mm, inch, or metres in one unit); guessed from the face without one.", ""
    )
    preset: str = setting(
        "Fewer rounds, the default, or the published optimisation.", "standard", choices=REGISTRATION_PRESETS
    )
    partial: bool = setting("The scan shows a part of the head only, such as one depth picture does.", False)
    size: int = setting("Width and height of the displacement map.", 1024, minimum=64, maximum=8192, unit="texels")
    expression: bool = setting("Fit an expression and the jaw as well.", True)
    steps: int = setting(
        "Adam's steps in each stage of the preset paper; 0 takes the published 1,000.", 0, minimum=0, maximum=100_000
    )
    device: str = setting("Where to compute.", "auto", choices=DEVICES)


@dataclass(frozen=True)
class BakeDetail(Request):
    """A displacement map of a registered or sculpted dense head."""

    kind = "bake-detail"
    source: Path = setting(
        "Registration (registered.npz), dense mesh of a head (mesh.npz, registered.ply), or another map (.png, .exr).",
        positional=True,
    )
    model: str = head_model()
    coefficients: Path | None = setting(
        "Whose head it lies on (.npz, .json); without a file, coefficients.npz beside it, else the model's mean head.",
        None,
    )
    size: int = setting("Width and height of the map.", 1024, minimum=64, maximum=8192, unit="texels")
    frame: str = setting(
        "Along the axes of the head at rest, or along the surface's own tangent, normal and bitangent.", "object",
        choices=("object", "tangent"),
    )  # fmt: skip
    format: str = setting("PNG of 16 bits (167 mm either way), or EXR of metres.", "png", choices=("png", "exr"))
    layout: str = setting(
        'UV layout: "custom" (scalp and face apart), "standard" (the model\'s own UVs), or a layout file (.npz).',
        "custom",
    )
    repair: bool = setting("Blend a map across its seam, as one that was painted on or generated needs.", False)


@dataclass(frozen=True)
class ApplyDetail(Request):
    """A displacement map put on a head of its model: a dense mesh."""

    kind = "apply-detail"
    map: Path = setting("Displacement map (.png or .exr, with its .json), or registered.npz.", positional=True)
    model: str = head_model()
    coefficients: Path | None = setting(
        "The head: identity, expression and pose (.npz, .json); without a file the model's mean head at rest.", None
    )
    layout: Path | None = setting("Custom UV layout (.npz) that the map was baked in, if not the model's own.", None)


@dataclass(frozen=True)
class TransferDetail(Request):
    """The hair of one registered head on the face of another, the seam blended."""

    kind = "transfer-detail"
    hair: Path = setting("Registration or displacement map that the hair is taken from.", positional=True)
    face: Path = setting("Registration or displacement map that all else is taken from.", positional=True)
    model: str = head_model()
    coefficients: Path | None = setting(
        "The head that is to wear both (.npz, .json); without a file, coefficients.npz beside the face's, else the "
        "model's mean head.", None,
    )  # fmt: skip
    size: int = setting("Width and height of the new map.", 1024, minimum=64, maximum=8192, unit="texels")
    layout: Path | None = setting("Custom UV layout (.npz) that the maps were baked in, if not the model's own.", None)


@dataclass(frozen=True)
class MakeLayout(Request):
    """The custom UV layout of a head model: by the border of its face, or by a seam that an artist marked."""

    kind = "make-layout"
    model: str = head_model()
    seam: Path | None = setting(
        "Edges that were marked, two vertices each (.npy); without a file the face's border.", None
    )


@dataclass(frozen=True)
class AnimateDetail(Request):
    """A dense head in motion: as shape keys for Blender to play live, or exactly, as a point cache (.pc2)."""

    kind = "animate-detail"
    exclusive = True
    detail: Path = setting("Registration (registered.npz) or displacement map (.png, .exr).", positional=True)
    model: str = head_model()
    mode: str = setting(
        "Shape keys that follow sliders and bones, or every frame of a motion as it is.", "live",
        choices=("live", "exact"),
    )  # fmt: skip
    motion: Path | None = setting(
        "Motion: a FLAME tracker's or our own .npz, a folder of frames, or ARKit weights (.csv).", None
    )
    coefficients: Path | None = setting(
        "Whose head it is (.npz, .json); else coefficients.npz beside the detail, else the motion's identity.",
        None,
    )
    layout: Path | None = setting("Custom UV layout (.npz) that the map was baked in, if not the model's own.", None)
    identity_sliders: int = setting(
        "Identity modes whose sliders move the live head, too, the first ones.", 20, minimum=0, maximum=1000
    )
    arkit: Path | None = setting("The model's ARKit table (.npz); without one, that beside its file.", None)
    fps: float = setting("Frames a second of a motion that tells none.", 25.0, minimum=1.0, maximum=1000.0)
    rate: float = setting("Frames a second of the cache; 0 keeps the motion's own.", 0.0, minimum=0.0, maximum=1000.0)


@dataclass(frozen=True)
class FitArkit(Request):
    """ARKit's 52 shapes as expressions of a head model, fitted to how the built-in head shows them."""

    kind = "fit-arkit"
    model: str = setting("Head model of FLAME's kind (.pkl, .npz), with its landmarks beside it.", positional=True)


@dataclass(frozen=True)
class ImportCameras(Request):
    """A capture from cameras that another program solved, and their pictures."""

    kind = "import-cameras"
    file: Path = setting(
        "Cameras: a COLMAP model's folder, transforms.json, Metashape .xml, RealityCapture .csv, Meshroom .sfm, or"
        " cameras.npz.",
        positional=True,
    )
    images: Path | None = setting(
        "Folder of the pictures; without one they are looked for where the file names them, and beside it.", None
    )
    unit: str = setting(
        "Unit of the file's positions (m, cm, mm, inch, or metres in one unit); without one, what the file says, and"
        " else unknown until a head is fitted.",
        "",
    )
    up: str = setting(
        "Keep the file's axes, whose Z is taken for up, or turn them as the cameras were held.", "file",
        choices=("file", "cameras"),
    )  # fmt: skip
    pictures: str = setting(
        "Copy the pictures, or give the same files a second name where the disk can.", "copy",
        choices=("copy", "link"),
    )  # fmt: skip
    capture: Path | None = setting("Folder of the capture; without one, the job's own.", None)


@dataclass(frozen=True)
class BakeSdf(Request):
    """A saved signed distance field as a mesh: closed, in one piece, with as many triangles as are wanted."""

    kind = "bake-sdf"
    field: Path = setting("Saved field: values on a grid (.npz), metres, below zero inside.", positional=True)
    resolution: int = setting("Nodes along the longest side; 0 takes the field's own.", 0, minimum=0, maximum=1024)
    faces: int = setting("Triangles of the mesh; 0 keeps all.", 100_000, minimum=0, maximum=20_000_000)
    uv: bool = setting("Unwrap it; half a minute for 100,000 triangles.", False)
    close: bool = setting("Cap the surface where it leaves the field, as a neck does.", True)
    positive_inside: bool = setting("The field's values are above zero inside.", False)


@dataclass(frozen=True)
class OuterSurface(Request):
    """The surface of head and hair together, the strands closed into a volume."""

    kind = "outer-surface"
    head: Path | None = setting("Head mesh.", None)
    strands: Path | None = setting("Strands.", None)
    closing: float = setting("Gaps between strands up to this are closed.", 0.003, minimum=0.0005, unit="m")


@dataclass(frozen=True)
class RenderGroundTruth(Request):
    """Render a capture of hair, a head, or both, with masks, depth, labels, landmarks and the truth beside it."""

    kind = "render-ground-truth"
    exclusive = True
    out: Path | None = setting("Folder of the capture; an earlier render in it is replaced.", None)
    hair: str = setting("Names of the Curves objects, as a JSON list.", "[]")
    head: str = setting("Name of the head's mesh object, if there is one.", "")
    cameras: str = setting(
        "Rings of cameras around the subject, or the scene's own.", "rings", choices=("rings", "scene")
    )
    views: int = setting("Cameras on the rings around the subject.", 24, minimum=1, maximum=1000)
    size: int = setting("Width and height of a picture.", 512, minimum=16, maximum=8192, unit="pixels")
    samples: int = setting("Most samples a pixel; fewer are taken where a pixel is clean.", 64, minimum=1, maximum=4096)
    seed: int = setting("Seed of the render's noise and of the colours of strands.", 0, minimum=0, maximum=2**31 - 1)
    lighting: str = setting("Soft studio light, or the scene's own.", "studio", choices=("studio", "scene"))
    denoise: bool = setting("Remove the render's noise with OpenImageDenoise.", True)
    surface: bool = setting("Write the outer surface of head and hair; needs the backend.", True)


@dataclass(frozen=True)
class UndistortPhotographs(Request):
    """The pinhole copies of a capture's distorted photographs, which Blender shows behind its cameras."""

    kind = "undistort-photographs"
    capture: Path = setting("Folder of the capture.", positional=True)


REQUESTS: dict[str, type[Request]] = {
    request.kind: request
    for request in (
        FakeJob, CheckBackend, SetUpBackend,
        ReconstructHair, EvaluateStrands, ConvertStrands, MakeHairstyle, AlignHead, FitHead, FitPhotos, FitArkit,
        EvaluateHead, BakeSdf,
        OuterSurface, ImportCameras, RegisterScan, AnimateDetail, BakeDetail, ApplyDetail, TransferDetail,
        MakeLayout, MakeScan, RegisterScans,
    )
}  # fmt: skip

BLENDER_REQUESTS: dict[str, type[Request]] = {
    request.kind: request for request in (RenderGroundTruth, UndistortPhotographs)
}
"""Requests that a Blender without a window answers, as a job like any other, rather than the backend."""


def encode(request: Request) -> dict:
    """A request as plain JSON values, with its kind."""
    values = {field.name: getattr(request, field.name) for field in dataclasses.fields(request)}
    return {"kind": request.kind} | {k: str(v) if isinstance(v, Path) else v for k, v in values.items()}


def find(kind: str) -> type[Request]:
    """The request of that name. Raises RequestError."""
    known = REQUESTS | BLENDER_REQUESTS
    if not isinstance(kind, str) or kind not in known:
        raise RequestError(f"There is no request named {kind!r}; choose one of {', '.join(sorted(REQUESTS))}.")
    return known[kind]


def decode(values: dict) -> Request:
    """A checked request from JSON values. Raises RequestError with a sentence for anything that does not fit."""
    values = dict(values)
    return check(find(values.pop("kind", None)), values)


def check(request_type: type[Request], values: dict) -> Request:
    """A request of a known type from the values of its settings, checked. Raises RequestError as ``decode`` does."""
    values, kind = dict(values), request_type.kind
    hints = typing.get_type_hints(request_type)
    checked = {}
    for field in dataclasses.fields(request_type):
        if field.name in values:
            checked[field.name] = _checked(field, hints[field.name], values.pop(field.name))
        elif field.default is dataclasses.MISSING:
            raise RequestError(f"{kind} needs {field.name.replace('_', ' ')}: {field.metadata['help']}")
    if values:
        raise RequestError(f"{kind} has no setting named {', '.join(sorted(map(str, values)))}.")
    return request_type(**checked)


def _checked(field: dataclasses.Field, hint, value):
    name, rules = field.name.replace("_", " "), field.metadata
    optional = type(None) in typing.get_args(hint)
    if optional and value is None:
        return None
    wanted = next(t for t in typing.get_args(hint) if t is not type(None)) if optional else hint
    try:
        # Python would take True for 1, 2.5 for 2 and None for "None"; whoever sends such a thing is mistaken.
        if isinstance(value, bool) != (wanted is bool) or (wanted is str and not isinstance(value, str)):
            raise ValueError(value)
        if (wanted is Path and not str(value).strip()) or (isinstance(value, float) and wanted(value) != value):
            raise ValueError(value)
        value = wanted(value)
        if wanted is float and not math.isfinite(value):
            raise ValueError(value)
    except (TypeError, ValueError, OverflowError):
        word = {int: "a whole number", float: "a number", Path: "a path", bool: "true or false"}.get(wanted, "text")
        raise RequestError(f"The setting '{name}' must be {word}, not {value!r}.") from None
    if rules["choices"] and value not in rules["choices"]:
        raise RequestError(f"The setting '{name}' must be one of {', '.join(rules['choices'])}, not {value!r}.")
    low, high = rules["minimum"], rules["maximum"]
    if (low is not None and value < low) or (high is not None and value > high):
        span = (
            f"from {low} to {high}"
            if None not in (low, high)
            else f"at least {low}"
            if high is None
            else f"at most {high}"
        )
        raise RequestError(f"The setting '{name}' must be {span}, not {value}.")
    return value
