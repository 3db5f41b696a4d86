"""An artist's pictures as they come from a camera or a telephone: found in a folder, set upright, read, and what their
EXIF says of the lens."""

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from ..errors import CaptureError
from .images import decode_picture
from .pictures import SUFFIXES

HEIC = (".heic", ".heif")
PICTURES = SUFFIXES + HEIC
MOST, FEWEST = 400, 3
LARGEST_PIXELS = 200_000_000
FILM_DIAGONAL = 43.2666
"""Millimetres across full frame, 36 by 24."""
QUALITY = 95
"""Of JPEGs that are written."""

_TURNS = {
    3: cv2.ROTATE_180,
    5: cv2.ROTATE_90_CLOCKWISE,
    6: cv2.ROTATE_90_CLOCKWISE,
    7: cv2.ROTATE_90_COUNTERCLOCKWISE,
    8: cv2.ROTATE_90_COUNTERCLOCKWISE,
}
_MIRRORED = (2, 4, 5, 7)
"""Orientations of EXIF (CIPA DC-008, tag 274): the turn, then whether left and right change places."""


@dataclass(frozen=True)
class Photograph:
    """A picture's file and what it says of itself.

    Attributes:
        width, height: pixels, upright.
        orientation: EXIF's, 1 to 8, of the stored pixels.
        focal: pixels, where the EXIF tells a focal length; else None.
        camera: maker, model and focal length: pictures that share it share a lens. Empty where nobody says.
    """

    path: Path
    width: int
    height: int
    orientation: int = 1
    focal: float | None = None
    camera: str = ""


def photographs_in(folder: Path) -> tuple[list[Photograph], list[str]]:
    """The pictures of a folder in the order of their numbers, and sentences about files that cannot be read.

    Raises:
        CaptureError: there is no such folder, or it holds no, too few or too many pictures.
    """
    if not folder.is_dir():
        raise CaptureError(f"There is no folder {folder}; choose the folder with the pictures, or a video.")
    paths = sorted((p for p in folder.iterdir() if _is_picture(p)), key=lambda p: _natural(p.name))
    if not paths:
        inside = sorted(p.name for p in folder.iterdir() if p.is_dir() and any(map(_is_picture, p.iterdir())))
        hint = f"; there are some in {', '.join(inside[:3])}" if inside else ""
        raise CaptureError(f"The folder {folder} holds no pictures (JPEG, PNG, TIFF, WebP, HEIC){hint}.")
    if len(paths) > MOST:
        raise CaptureError(
            f"The folder {folder} holds {len(paths)} pictures; at most {MOST} are solved together, and 40 to 100 are"
            " plenty for a head: move the others elsewhere."
        )
    found, trouble = [], []
    for path in paths:
        try:
            found.append(photograph(path))
        except CaptureError as error:
            trouble.append(f"{error} It is left out.")
    if len(found) < FEWEST:
        raise CaptureError(too_few(len(found)) + (f" ({trouble[0]})" if trouble else ""))
    return found, trouble


def too_few(count: int) -> str:
    """Why that many pictures are not enough."""
    number = {0: "There is no picture", 1: "There is one picture", 2: "There are two pictures"}[count]
    why = {
        0: "take at least 3, better 30, from all around.",
        1: "one shows no depth; take at least 3, better 30, from all around.",
        2: "two fix their cameras only loosely, and nothing checks what they say; take at least a third, better 30,"
        " from all around.",
    }[count]
    return f"{number} that can be used: {why}"


def photograph(path: Path) -> Photograph:
    """What a file says of itself; decodes no pixels. Raises CaptureError."""
    _register_heic(path)
    try:
        with Image.open(path) as picture:
            width, height = picture.size
            exif = picture.getexif()
            inner = exif.get_ifd(ExifTags.IFD.Exif)
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise CaptureError(f"{path.name} is no picture that can be read; export it again as JPEG or PNG.") from None
    if width * height > LARGEST_PIXELS:
        raise CaptureError(f"{path.name} has {width} by {height} pixels, more than can be; export it smaller.")
    # pillow-heif has turned the pixels already, and says so in the EXIF that it hands over.
    orientation = exif.get(ExifTags.Base.Orientation, 1)
    orientation = orientation if orientation in range(1, 9) else 1
    focal = _focal(inner, width, height)
    if orientation >= 5:
        width, height = height, width
    words = [str(exif.get(tag, "")).strip("\0 ") for tag in (ExifTags.Base.Make, ExifTags.Base.Model)]
    words += [str(inner.get(tag, "")) for tag in (ExifTags.Base.FocalLength, ExifTags.Base.FocalLengthIn35mmFilm)]
    return Photograph(path, width, height, orientation, focal, " ".join(filter(None, words)))


def read_upright(photo: Photograph, side: int = 0) -> np.ndarray:
    """(H, W, 3 or 4) uint8, BGR or BGRA, upright, its longer side at most ``side`` (0 for as it is).

    Raises:
        CaptureError: it cannot be decoded.
    """
    pixels = _heic(photo.path) if photo.path.suffix.lower() in HEIC else decode_picture(photo.path)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    if photo.orientation in _TURNS:
        pixels = cv2.rotate(pixels, _TURNS[photo.orientation])
    if photo.orientation in _MIRRORED:
        # 4 is a mirror across the horizontal.
        pixels = cv2.flip(pixels, 0 if photo.orientation == 4 else 1)
    width, height = reduced(photo.width, photo.height, side)
    if (width, height) == pixels.shape[1::-1]:
        return np.ascontiguousarray(pixels)
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)


def reduced(width: int, height: int, side: int) -> tuple[int, int]:
    """A picture's size with its longer side at most ``side``; 0 leaves it."""
    if not side or max(width, height) <= side:
        return width, height
    scale = side / max(width, height)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def write_picture(path: Path, pixels: np.ndarray) -> None:
    """A PNG where the picture is transparent somewhere, else what the path's ending says. Raises CaptureError."""
    options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY] if path.suffix.lower() in (".jpg", ".jpeg") else []
    data = cv2.imencode(path.suffix, pixels, options)[1]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".part")
        partial.write_bytes(data.tobytes())
        partial.replace(path)
    except OSError as error:
        raise CaptureError(
            f"{path} cannot be written ({error.strerror or error}); make room, or choose another."
        ) from None


def focal_of_film(millimetres: float, width: int, height: int) -> float:
    """Pixels of a focal length that is given as for full frame, by the diagonal, as telephones count it."""
    return millimetres / FILM_DIAGONAL * float(np.hypot(width, height))


def _focal(exif: dict, width: int, height: int) -> float | None:
    with contextlib.suppress(LookupError, TypeError, ValueError, ZeroDivisionError):
        film = float(exif.get(ExifTags.Base.FocalLengthIn35mmFilm, 0))
        if 5 < film < 2000:
            return focal_of_film(film, width, height)
        # Pixels in a unit of the sensor's plane: 2 is an inch, 3 a centimetre.
        focal, density = (float(exif[tag]) for tag in (ExifTags.Base.FocalLength, ExifTags.Base.FocalPlaneXResolution))
        unit = {2: 25.4, 3: 10.0}[int(exif.get(ExifTags.Base.FocalPlaneResolutionUnit, 2))]
        pixels = focal * density / unit * width / float(exif.get(ExifTags.Base.ExifImageWidth, width))
        if 0.2 < pixels / max(width, height) < 50:
            return pixels
    return None


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURES and not path.name.startswith(".") and path.is_file()


def _natural(name: str) -> list:
    return [(0, int(part), "") if part.isdigit() else (1, 0, part.lower()) for part in re.split(r"(\d+)", name) if part]


def _register_heic(path: Path) -> None:
    if path.suffix.lower() not in HEIC:
        return
    try:
        import pillow_heif
    except ImportError:
        raise CaptureError(
            f"{path.name} is HEIC, which this backend cannot read: set the backend up again in the preferences, or"
            " export the pictures as JPEG."
        ) from None
    pillow_heif.register_heif_opener()


def _heic(path: Path) -> np.ndarray:
    _register_heic(path)
    try:
        with Image.open(path) as picture:
            return np.ascontiguousarray(np.asarray(picture.convert("RGB"))[..., ::-1])
    except (OSError, ValueError, SyntaxError) as error:
        raise CaptureError(f"{path.name} cannot be decoded ({error}); export it again as JPEG.") from None
