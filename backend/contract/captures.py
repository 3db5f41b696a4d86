"""Requests about captures: cameras and photographs."""

from dataclasses import dataclass
from pathlib import Path

from .settings import DEVICES, Request, head_model, setting


@dataclass(frozen=True)
class ImportPhotos(Request):
    """A capture from a folder of pictures or a video: cameras by structure from motion, lenses straightened."""

    kind = "import-photos"
    exclusive = True
    pictures: Path = setting("Folder of pictures (JPEG, PNG, TIFF, WebP, HEIC), or a video.", positional=True)
    side: int = setting(
        "Longer side that pictures are brought in with; 0 for as they are.", 2048, minimum=0, maximum=8192,
        unit="pixels",
    )  # fmt: skip
    solve_side: int = setting(
        "Longer side that cameras are solved with.", 1600, minimum=320, maximum=8192, unit="pixels"
    )
    frames: int = setting("Pictures to take out of a video.", 60, minimum=3, maximum=300)
    lenses: str = setting(
        "Whether all pictures have one lens, each its own, or those of one kind share one (by size and EXIF).", "kinds",
        choices=("kinds", "one", "each"),
    )  # fmt: skip
    focal: float = setting(
        "Focal length as for full frame; 0 for what the pictures say.", 0.0, minimum=0.0, maximum=2000.0, unit="mm"
    )
    cameras: str = setting(
        "Solve the cameras, or none yet: for masks of a person who turned, by which they are solved then.", "solve",
        choices=("solve", "none"),
    )  # fmt: skip
    masks: Path | None = setting(
        "Folder of masks of the person (white), named as the pictures: nothing else counts then, for a person who"
        " turned, or a background that moved.", None,
    )  # fmt: skip
    capture: Path | None = setting("Folder of the capture; without one, the job's own.", None)
    seed: int = setting("Seed of every random choice.", 0, minimum=0, maximum=2**31 - 1)


@dataclass(frozen=True)
class PlaceCapture(Request):
    """A capture's world set in metres: by a distance that is known, or by a head fitted to it, which also sets it
    upright with the face along -Y."""

    kind = "place-capture"
    exclusive = True
    capture: Path = setting("Folder of the capture; its cameras are written again.", positional=True)
    by: str = setting(
        "A head fitted to its landmarks, a distance between two clicked points, or its unit taken for a metre.", "head",
        choices=("head", "distance", "assumed"),
    )  # fmt: skip
    fit: Path | None = setting("Result of fit-photos on this capture; without one the head is fitted now.", None)
    model: str = head_model()
    first: str = setting("Name of the first point in landmarks.json, clicked in two photographs.", "distance 1")
    second: str = setting("Name of the second.", "distance 2")
    metres: float = setting("How far they are apart.", 0.0, minimum=0.0, maximum=100.0, unit="m")
    device: str = setting("Where to compute.", "auto", choices=DEVICES)


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
class FindLandmarks(Request):
    """Landmarks in all photographs of a capture: found by MediaPipe, or clicked in some and carried to the others."""

    kind = "find-landmarks"
    capture: Path = setting("Folder of the capture.", positional=True)
    task: Path | None = setting(
        "MediaPipe's face_landmarker.task; without it, landmarks that were clicked are carried through the cameras.",
        None,
    )


@dataclass(frozen=True)
class CheckCapture(Request):
    """What is good and what is amiss in a capture: coverage, sharpness, exposure, masks, cameras."""

    kind = "check-capture"
    capture: Path = setting("Folder of the capture.", positional=True)


@dataclass(frozen=True)
class MakeMasks(Request):
    """Masks of hair and of skin and shoulders for a capture's photographs, from files, a network, or made here."""

    kind = "make-masks"
    exclusive = True
    capture: Path = setting("Folder of the capture.", positional=True)
    source: str = setting(
        "Cut out by colours, cameras, landmarks and strokes; or taken from files; or from a network of yours.", "made",
        choices=("made", "files", "model"),
    )  # fmt: skip
    files: Path | None = setting(
        "Masks from files: their folder, of any naming; without one, the photographs' own transparency.", None
    )
    model: Path | None = setting("Segmentation network (.onnx).", None)
    table: str = setting(
        'Classes of the network, or of label pictures: "celebamask-hq", "face-parsing", or a JSON file such as'
        ' {"17": "hair", "1": "bust"}; without one files are masks, and a network has those of CelebAMask-HQ.',
        "",
    )
    strokes: Path | None = setting(
        "Folder of strokes (NAME.png: red hair, green skin and clothes, blue background); without one, the capture's"
        " strokes.",
        None,
    )
    side: int = setting(
        "Longer side that pictures are reduced to while they are cut out.", 384, minimum=96, maximum=2048, unit="pixels"
    )
    replace: bool = setting("Replace masks that were not made here, too.", False)


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
