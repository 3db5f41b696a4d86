"""Agisoft Metashape's cameras as XML (File > Export > Export Cameras).

A camera's transform takes its axes (x right, y down, looking along +z) to its chunk; its component's transform, or the
chunk's, takes those to the world. Lens: the manual's appendix "Camera models", frame cameras: cx, cy count from the
middle of the picture, B1 is fx - fy, B2 the skew, and P1, P2 are OpenCV's p2, p1.
"""

import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import numpy as np

from ...errors import CameraFileError
from .lens import brown_conrady, reduced, without_skew
from .solved import (
    Lens,
    SolvedCamera,
    SolvedCameras,
    bytes_of,
    check_count,
    in_pixels,
    left_out,
    number,
    numbers,
    pose_from_opencv,
    short,
    size_of,
)

_ON_EARTH = 1e6
"""Metres from the world's origin, beyond which it is the middle of the Earth."""
_FLATTENED = 0.00669438
"""First eccentricity of the Earth's ellipsoid (WGS 84), squared."""


def read_metashape(path: Path) -> SolvedCameras:
    """The cameras of the chunk with the most solved ones. Raises CameraFileError."""
    root = _parsed(path)
    chunks = root.findall("chunk") or ([root] if root.tag == "chunk" else [])
    if not chunks:
        raise CameraFileError(f"{path.name} holds no chunk of Metashape's; export the cameras as Agisoft XML.")
    chunk = max(chunks, key=lambda c: len(_solved(c)))
    solved, notes = _solved(chunk), []
    if len(chunks) > 1:
        notes.append(f"{path.name} holds {len(chunks)} chunks; the one with the most cameras is read.")
    rigged = sum(c.find("transform") is None and c.get("master_id") is not None for c in chunk.iter("camera"))
    if rigged:
        notes.append(
            f"{rigged} cameras of {path.name} hang on others in a multi-camera system, which is not read; align them as"
            " cameras of their own."
        )
    unsolved = (
        sum(camera.get("enabled", "true") not in ("false", "0") for camera in chunk.iter("camera"))
        - len(solved)
        - rigged
    )
    notes += left_out(unsolved, "camera", path.name, "aligned")
    solved, component = _one_component(solved, notes, path)
    check_count(len(solved), path.name, "aligned cameras")
    rotation, shift, scale = _world(chunk, component, path)
    sensors = {sensor.get("id"): sensor for sensor in chunk.iter("sensor")}
    lenses, cameras = {}, []
    for camera in solved:
        label = camera.get("label") or f"camera {camera.get('id')}"
        where = f"{path.name}: {short(label)}"
        sensor = sensors.get(camera.get("sensor_id"))
        if sensor is None:
            raise CameraFileError(
                f"{where} has sensor {short(str(camera.get('sensor_id')))}, which the file does not have."
            )
        if sensor not in lenses:
            lenses[sensor] = _lens(sensor, f"{path.name}: sensor {short(sensor.get('label') or str(sensor.get('id')))}")
        lens, size = lenses[sensor]
        local = numbers(camera.findtext("transform"), 16, "its transform", where).reshape(4, 4)
        centre = scale * rotation @ local[:3, 3] + shift
        cameras.append(
            SolvedCamera(label, pose_from_opencv(rotation @ local[:3, :3], centre, where), in_pixels(lens), size)
        )
    cameras = _off_the_earth(cameras, notes)
    unit = None
    if scale != 1.0:
        unit = 1.0
        notes.append("Metashape's scale (markers, scale bars, or GPS) is taken: its world is in metres.")
    return SolvedCameras(
        "Metashape XML", cameras, (path.parent,), unit, "assumed" if unit is None else "measured", tuple(notes)
    )


def _parsed(path: Path) -> ET.Element:
    data = bytes_of(path)
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise CameraFileError(f"{path.name} defines entities, which Metashape never does; export the cameras again.")
    try:
        return ET.fromstring(data)
    except ET.ParseError as error:
        raise CameraFileError(
            f"{path.name} cannot be read as XML ({error}); it may be cut off, so export the cameras again."
        ) from error
    except (ValueError, LookupError) as error:
        raise CameraFileError(f"{path.name} is in an unknown encoding ({error}); export the cameras again.") from error


def _solved(chunk: ET.Element) -> list[ET.Element]:
    """Its cameras that are switched on and have a place, in groups or not."""
    cameras = chunk.find("cameras")
    every = [] if cameras is None else cameras.iter("camera")
    return [c for c in every if c.get("enabled", "true") not in ("false", "0") and c.find("transform") is not None]


def _one_component(solved: list, notes: list[str], path: Path) -> tuple[list, str | None]:
    """The cameras of the largest component, because components stand anyhow to each other."""
    parts = Counter(camera.get("component_id") for camera in solved)
    if len(parts) < 2:
        return solved, next(iter(parts), None)
    largest, count = parts.most_common(1)[0]
    notes.append(
        f"The cameras of {path.name} were aligned in {len(parts)} parts; the largest, of {count}, is read. Align the"
        " rest to it in Metashape for more."
    )
    return [camera for camera in solved if camera.get("component_id") == largest], largest


def _world(chunk: ET.Element, component: str | None, path: Path) -> tuple[np.ndarray, np.ndarray, float]:
    """Rotation (3, 3), shift (3,) and scale that take the chunk's axes to the world's."""
    places = [c.find("transform") for c in chunk.findall("components/component") if c.get("id") == component]
    transform = next((t for t in (*places, chunk.find("transform")) if t is not None and len(t)), None)
    rotation, shift, scale = np.eye(3), np.zeros(3), 1.0
    if transform is None:
        return rotation, shift, scale
    where = f"{path.name}: the chunk's transform"
    if (text := transform.findtext("rotation")) is not None:
        rotation = numbers(text, 9, "its rotation", where).reshape(3, 3)
    if (text := transform.findtext("translation")) is not None:
        shift = numbers(text, 3, "its translation", where)
    if (text := transform.findtext("scale")) is not None:
        scale = number(text, "its scale", where)
    if not scale > 0 or np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-3:
        raise CameraFileError(f"{where} is no rotation and scale; export the cameras again.")
    return rotation, shift, scale


def _lens(sensor: ET.Element, where: str) -> tuple[Lens, tuple[int, int]]:
    if (kind := sensor.get("type", "frame")) != "frame":
        raise CameraFileError(
            f"{where}: a sensor of the type {short(kind)} is not read; undistort the pictures in Metashape (Tools >"
            " Export > Undistort Photos), and export those."
        )
    every = sensor.findall("calibration")
    calibration = next((c for c in every if c.get("class") == "adjusted"), every[0] if every else None)
    if calibration is None:
        raise CameraFileError(f"{where} has no calibration; align the cameras in Metashape first.")
    resolution = calibration.find("resolution")
    resolution = sensor.find("resolution") if resolution is None else resolution
    if resolution is None:
        raise CameraFileError(f"{where} does not say how large its pictures are; export the cameras again.")
    size = width, height = size_of(resolution.get("width"), resolution.get("height"), where)
    if calibration.find("f") is None and calibration.find("fx") is not None:
        raise CameraFileError(f"{where} was written by an old PhotoScan; open the project in Metashape, and export it.")

    def get(name, default=0.0):
        text = calibration.findtext(name)
        return default if text is None and default is not None else number(text, name, where)

    f, cx, cy, b1, b2 = get("f", None), get("cx"), get("cy"), get("b1"), get("b2")
    k1, k2, k3, k4 = (get(name) for name in ("k1", "k2", "k3", "k4"))
    if any(get(name) for name in ("p3", "p4")):
        raise CameraFileError(f"{where}: P3 and P4 are not read; solve the cameras without them.")
    p1, p2 = get("p2"), get("p1")
    lens = Lens(f + b1, f, width / 2 + cx, height / 2 + cy, (k1, k2, p1, p2, k3))
    if f > 0 and b2:
        lens = without_skew(b2, lens, height, where)
    if f > 0 and k4:
        lens = reduced(lens, brown_conrady((k1, k2, k3, k4), (p1, p2)), width, height, where)
    return lens, size


def _off_the_earth(cameras: list[SolvedCamera], notes: list[str]) -> list[SolvedCamera]:
    """Cameras in metres from the middle of the Earth, about their own middle instead: x east, y north, z up."""
    middle = np.mean([camera.camera_to_world[:3, 3] for camera in cameras], axis=0)
    if np.linalg.norm(middle) < _ON_EARTH:
        return cameras
    longitude = np.arctan2(middle[1], middle[0])
    latitude = np.arctan2(middle[2], np.hypot(*middle[:2]) * (1 - _FLATTENED))
    up = np.array([np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)])
    east = np.array([-np.sin(longitude), np.cos(longitude), 0.0])
    turn = np.eye(4)
    turn[:3, :3] = np.stack([east, np.cross(up, east), up])
    turn[:3, 3] = -turn[:3, :3] @ middle
    notes.append("The cameras stand on the globe; they are moved about their own middle, with z up and y north.")
    return [SolvedCamera(c.name, turn @ c.camera_to_world, c.lens, c.size) for c in cameras]
