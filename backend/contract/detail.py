"""Requests about the detail of dense heads."""

from dataclasses import dataclass
from pathlib import Path

from .settings import DEVICES, REGISTRATION_PRESETS, UNITS, Request, head_model, setting


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


@dataclass(frozen=True, kw_only=True)
class _Registration(Request):
    """Settings of a registration, of one scan or of many alike."""

    model: str = head_model()
    unit: str = setting(
        "Unit of the scan's file (m, cm, mm, inch, or metres in one unit); guessed from the face without one.", ""
    )
    preset: str = setting(
        "Fewer rounds, the default, or the published optimisation.", "standard", choices=REGISTRATION_PRESETS
    )
    partial: bool = setting("The scan shows a part of the head only, such as one depth picture does.", False)
    smooth: bool = setting(
        "Smooth the plain head's surface by region before anything is added to it, as HeadCraft does: lips 3 rounds, "
        "face 5, scalp and neck 10.", False,
    )  # fmt: skip
    size: int = setting("Width and height of the displacement map.", 1024, minimum=64, maximum=8192, unit="texels")
    expression: bool = setting("Fit an expression and the jaw as well.", True)
    steps: int = setting(
        "Adam's steps in each stage of the preset paper; 0 takes the published 1,000.", 0, minimum=0, maximum=100_000
    )
    device: str = setting("Where to compute.", "auto", choices=DEVICES)


@dataclass(frozen=True)
class RegisterScan(_Registration):
    """A dense head's displacements registered to a scan with landmarks, and their map in the custom UV layout."""

    kind = "register-scan"
    exclusive = True
    scan: Path = setting("Scan: a mesh or point cloud (.obj, .ply, .stl, .glb, .npz).", positional=True)
    landmarks: Path = setting("Landmarks on the scan (.npy, MeshLab's .pp, .json), in the scan's own unit and axes.")


@dataclass(frozen=True)
class RegisterScans(_Registration):
    """All scans of a folder registered, each in a process of its own; what was finished earlier is kept."""

    kind = "register-scans"
    exclusive = True
    folder: Path = setting(
        "Folder of scans, each with its landmark file beside it (anna.obj and anna.json).", positional=True
    )
    workers: int = setting(
        "Registrations at once; 0 takes half as many as there are processor cores.", 0, minimum=0, maximum=256
    )


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
