"""Requests about heads: fitted, laid in place, compared and made of fields."""

from dataclasses import dataclass
from pathlib import Path

from .settings import DEVICES, HEAD_PRESETS, Request, head_model, head_unit, head_up, mesh_unit, setting


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
class FitArkit(Request):
    """ARKit's 52 shapes as expressions of a head model, fitted to how the built-in head shows them."""

    kind = "fit-arkit"
    model: str = setting("Head model of FLAME's kind (.pkl, .npz), with its landmarks beside it.", positional=True)


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
class ReconstructHead(Request):
    """The surface of a whole head, hair and all, from a capture."""

    kind = "reconstruct-head"
    exclusive = True
    capture: Path = setting("Folder of the capture (transforms.json, images, masks).", positional=True)
    preset: str = setting("How much time to spend; paper wants a CUDA card.", "standard", choices=HEAD_PRESETS)
    networks: str = setting(
        "Size of the preset paper's networks: as published (weeks on a processor), or small, for trials.", "published",
        choices=("published", "reduced"),
    )  # fmt: skip
    rounds: int = setting(
        "Rounds over the photographs in the preset paper; 0 takes the published 3,000, or 150 for small networks.",
        0, minimum=0, maximum=1_000_000,
    )  # fmt: skip
    views: int = setting("Views to use, spread evenly; 0 takes all.", 0, minimum=0, maximum=1000)
    model: str = head_model()
    proxy: Path | None = setting(
        "Folder that a fit to these photographs left, or a mesh in the capture's world, for the face's shape; without "
        "one the head model is fitted where the capture has landmarks, but for a draft.", None,
    )  # fmt: skip
    face_prior: bool = setting("Let the fitted head guide the face.", True)
    semantics: bool = setting("Let the pictures' labels guide (hair, face, eyes, brows, nose, lips).", True)
    hair_label: bool = setting("Count hair among the labels.", True)
    orientation: bool = setting("Let the directions of hair in the pictures guide.", True)
    prior_order: str = setting(
        "In what order proxy (P), semantics (S) and orientation (O) join.", "P-S-O",
        choices=("P-S-O", "P-O-S", "S-P-O", "S-O-P", "O-P-S", "O-S-P", "all"),
    )  # fmt: skip
    weights: str = setting(
        'Factors on the losses\' weights, such as "rgb=0.5 mask=2": rgb, mask, eikonal, proxy, semantics, direction, '
        "and smooth but for the preset paper.", "",
    )  # fmt: skip
    refine_cameras: bool = setting(
        "Let the cameras move by what the pictures say; the preset paper does so by itself, as published.", False
    )
    fixed_cameras: bool = setting("Keep the cameras where they are in the preset paper, too.", False)
    resolution: int = setting(
        "Nodes along the longest side of the field; 0 lets the preset choose.", 0, minimum=0, maximum=1024
    )
    faces: int = setting("Triangles of the mesh; 0 keeps all.", 100_000, minimum=0, maximum=20_000_000)
    uv: bool = setting("Unwrap the mesh; half a minute for 100,000 triangles. A texture needs it.", True)
    texture: int = setting("Pixels along a side of the texture; 0 for none.", 2048, minimum=0, maximum=8192)
    metres_per_unit: float = setting(
        "Metres in one unit of a capture whose transforms.json does not say; 0 takes them from the fitted head.",
        0.0, minimum=0.0,
    )  # fmt: skip
    scale_source: str = setting(
        "Where metres_per_unit comes from.", "measured", choices=("measured", "head fit", "assumed")
    )
    seed: int = setting("Seed of every random choice.", 0, minimum=0, maximum=2**31 - 1)
    device: str = setting("Where to compute.", "auto", choices=DEVICES)

    @property
    def cameras_move(self) -> bool:
        """Whether they do, by preset and settings."""
        return (self.refine_cameras or self.preset == "paper") and not self.fixed_cameras


@dataclass(frozen=True)
class BakeTexture(Request):
    """Photographs painted onto a mesh that lies among their cameras, as a picture in its own UVs."""

    kind = "bake-texture"
    mesh: Path = setting("Mesh with UVs, in the capture's world (.npz, .obj, .ply, .glb).", positional=True)
    capture: Path = setting("Folder of the capture (transforms.json, images, masks).", positional=True)
    unit: str = mesh_unit("mesh")
    up: str = head_up()
    views: int = setting("Photographs to use, spread evenly; 0 takes all.", 0, minimum=0, maximum=1000)
    size: int = setting("Pixels along a side of the texture.", 2048, minimum=64, maximum=16384)
    level: bool = setting("Level exposures and seams.", True)
    metres_per_unit: float = setting(
        "Metres in one unit of a capture whose transforms.json does not say.", 0.0, minimum=0.0
    )
    scale_source: str = setting(
        "Where metres_per_unit comes from.", "measured", choices=("measured", "head fit", "assumed")
    )


@dataclass(frozen=True)
class BakeSdf(Request):
    """A saved signed distance field as a mesh: closed, in one piece, with as many triangles as are wanted."""

    kind = "bake-sdf"
    field: Path = setting(
        "Saved field (.npz): values on a grid, metres, below zero inside, or fitted networks.", positional=True
    )
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
