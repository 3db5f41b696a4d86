"""One known rig of six cameras, written as each program writes its cameras: what the readers are held to.

The writers say the formats in their own words: no reader is used here.
"""

import json
import struct
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from backend.command_line import main

WIDTH, HEIGHT = 96, 64
NAMES = tuple(f"view_{k}.png" for k in range(6))
POINTS = np.random.default_rng(5).uniform(-0.12, 0.12, (200, 3))


@dataclass(frozen=True)
class Rig:
    """Six cameras about a head: OpenCV's world-to-camera, one lens with OpenCV's distortion."""

    fx: float = 120.0
    fy: float = 120.0
    cx: float = 47.2
    cy: float = 33.1
    k1: float = -0.12
    k2: float = 0.05
    p1: float = 0.002
    p2: float = -0.0031
    k3: float = -0.02
    rotations: list = field(default_factory=lambda: [_looking(k)[0] for k in range(6)])
    centres: list = field(default_factory=lambda: [_looking(k)[1] for k in range(6)])

    @property
    def matrix(self) -> np.ndarray:
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1.0]])

    def translation(self, k: int) -> np.ndarray:
        return -self.rotations[k] @ self.centres[k]

    def pixels(self, k: int) -> np.ndarray:
        """(200, 2) of POINTS in camera k, by OpenCV."""
        distortion = np.array([self.k1, self.k2, self.p1, self.p2, self.k3])
        turn = cv2.Rodrigues(self.rotations[k])[0]
        return cv2.projectPoints(POINTS, turn, self.translation(k), self.matrix, distortion)[0][:, 0]

    def without(self, *names: str) -> "Rig":
        """The rig with these coefficients zero."""
        return replace(self, **dict.fromkeys(names, 0.0))


def _looking(k: int) -> tuple[np.ndarray, np.ndarray]:
    """(3, 3) world-to-camera and centre (3,) of camera k: around the head, up and down, a little rolled."""
    angle, roll = 0.9 * k + 0.2, 0.07 * (k - 2)
    centre = np.array([0.9 * np.sin(angle), -0.9 * np.cos(angle), 0.15 * (k % 3) - 0.1])
    forward = -centre / np.linalg.norm(centre)
    right = np.cross(forward, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    turn = np.array([[np.cos(roll), np.sin(roll), 0], [-np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return turn @ np.stack([right, down, forward]), centre


def write_pictures(folder: Path, names=NAMES, size=(WIDTH, HEIGHT)) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for k, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture = np.full((size[1], size[0], 3), 20 * k, np.uint8)
        (folder / name).write_bytes(cv2.imencode(Path(name).suffix, picture)[1].tobytes())


def quaternion(rotation: np.ndarray) -> np.ndarray:
    """(w, x, y, z)."""
    turn = cv2.Rodrigues(rotation)[0][:, 0]
    angle = np.linalg.norm(turn)
    return np.array([np.cos(angle / 2), *(np.sin(angle / 2) * turn / angle)])


AS_IT_IS = np.eye(3), np.zeros(3), 1.0
COLMAP_MODELS = {
    "SIMPLE_PINHOLE": (0, ("fx", "cx", "cy")),
    "PINHOLE": (1, ("fx", "fy", "cx", "cy")),
    "SIMPLE_RADIAL": (2, ("fx", "cx", "cy", "k1")),
    "RADIAL": (3, ("fx", "cx", "cy", "k1", "k2")),
    "OPENCV": (4, ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2")),
    "FULL_OPENCV": (6, ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3")),
}


def write_colmap_text(folder: Path, rig: Rig, model="FULL_OPENCV", rigs=False, more=()) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    values = [getattr(rig, name) for name in COLMAP_MODELS[model][1]] + list(more or [0.0] * 3 * (model[0] == "F"))
    head = "# Camera list with one line of data per camera:\n#   CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]\n"
    line = f"3 {model} {WIDTH} {HEIGHT} {' '.join(map(repr, map(float, values)))}\n"
    (folder / "cameras.txt").write_text(f"{head}# Number of cameras: 1\n{line}", "utf-8")
    lines = ["# Image list with two lines of data per image:", "# Number of images: 6, mean observations per image: 1"]
    for k, name in enumerate(NAMES):
        pose = [*quaternion(rig.rotations[k]), *rig.translation(k)]
        lines += [
            f"{k + 7} {' '.join(map(repr, map(float, pose)))} 3 {name}",
            "12.5 3.5 -1 40.0 20.0 77" if k % 2 else "",
        ]
    (folder / "images.txt").write_text("\n".join(lines) + "\n", "utf-8")
    (folder / "points3D.txt").write_text("# 3D point list\n", "utf-8")
    if rigs:
        (folder / "rigs.txt").write_text("# Rig calib list\n1 1 CAMERA 3\n", "utf-8")
        (folder / "frames.txt").write_text("# Frame list\n", "utf-8")
    return folder


def write_colmap_binary(folder: Path, rig: Rig, model="FULL_OPENCV", rigs=False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    number, names = COLMAP_MODELS[model]
    values = [getattr(rig, name) for name in names] + [0.0] * 3 * (model[0] == "F")
    data = struct.pack("<QIiQQ", 1, 3, number, WIDTH, HEIGHT) + struct.pack(f"<{len(values)}d", *values)
    (folder / "cameras.bin").write_bytes(data)
    data = struct.pack("<Q", 6)
    for k, name in enumerate(NAMES):
        data += struct.pack("<I7dI", k + 7, *quaternion(rig.rotations[k]), *rig.translation(k), 3)
        data += name.encode() + b"\0" + struct.pack("<Q", k) + struct.pack("<ddq", 1.0, 2.0, -1) * k
    (folder / "images.bin").write_bytes(data)
    (folder / "points3D.bin").write_bytes(struct.pack("<Q", 0))
    if rigs:
        (folder / "rigs.bin").write_bytes(struct.pack("<QIIiI", 1, 1, 1, 0, 3))
        (folder / "frames.bin").write_bytes(struct.pack("<Q", 0))
    return folder


def opengl_pose(rig: Rig, k: int) -> np.ndarray:
    """(4, 4) camera-to-world, looking along -z."""
    pose = np.eye(4)
    pose[:3, :3] = rig.rotations[k].T * [1, -1, -1]
    pose[:3, 3] = rig.centres[k]
    return pose


def write_nerfstudio(path: Path, rig: Rig) -> Path:
    """Intrinsics in every frame, and the transform that nerfstudio applied."""
    lens = {"fl_x": rig.fx, "fl_y": rig.fy, "cx": rig.cx, "cy": rig.cy, "w": WIDTH, "h": HEIGHT}
    lens |= {name: getattr(rig, name) for name in ("k1", "k2", "k3", "p1", "p2")}
    frames = [
        {"file_path": f"images/{name}", "transform_matrix": opengl_pose(rig, k).tolist(), "colmap_im_id": k + 1} | lens
        for k, name in enumerate(NAMES)
    ]
    applied = [[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0]]
    values = {
        "camera_model": "OPENCV",
        "frames": frames,
        "applied_transform": applied,
        "ply_file_path": "sparse_pc.ply",
    }
    path.write_text(json.dumps(values), "utf-8")
    return path


def write_instant_ngp(path: Path, rig: Rig) -> Path:
    """Intrinsics once for all, focal lengths as angles, names relative and without their ending."""
    values = {
        "camera_angle_x": 2 * np.arctan(WIDTH / 2 / rig.fx),
        "camera_angle_y": 2 * np.arctan(HEIGHT / 2 / rig.fy),
        "k1": rig.k1, "k2": rig.k2, "k3": rig.k3, "p1": rig.p1, "p2": rig.p2, "is_fisheye": False,
        "cx": rig.cx, "cy": rig.cy, "w": float(WIDTH), "h": float(HEIGHT), "aabb_scale": 4,
        "frames": [
            {"file_path": f"./images/{Path(name).stem}", "transform_matrix": opengl_pose(rig, k).tolist()}
            for k, name in enumerate(NAMES)
        ],
    }  # fmt: skip
    path.write_text(json.dumps(values), "utf-8")
    return path


def write_metashape(path: Path, rig: Rig, b2=0.0, k4=0.0, world=AS_IT_IS, kind="frame") -> Path:
    """``world``: rotation, translation, scale that take the chunk's axes to the rig's world."""
    rotation, shift, scale = world
    calibration = {
        "f": rig.fy, "cx": rig.cx - WIDTH / 2, "cy": rig.cy - HEIGHT / 2, "b1": rig.fx - rig.fy, "b2": b2,
        "k1": rig.k1, "k2": rig.k2, "k3": rig.k3, "k4": k4, "p1": rig.p2, "p2": rig.p1,
    }  # fmt: skip
    resolution = f'<resolution width="{WIDTH}" height="{HEIGHT}"/>'
    lines = "".join(f"<{name}>{float(value)!r}</{name}>" for name, value in calibration.items() if value)

    def text(values):
        return " ".join(repr(float(value)) for value in np.ravel(values))

    cameras = ""
    for k, name in enumerate(NAMES):
        local = np.eye(4)
        local[:3, :3] = rotation.T @ rig.rotations[k].T
        local[:3, 3] = rotation.T @ (rig.centres[k] - shift) / scale
        label, turned = Path(name).stem, f"<transform>{text(local)}</transform>"
        camera = f'<camera id="{k}" sensor_id="0" component_id="0" label="{label}">{turned}</camera>'
        cameras += f'<group id="0" label="G" type="folder">{camera}</group>' if k == 1 else camera
    path.write_text(
        f"""<?xml version="1.0" encoding="UTF-8"?>
<document version="2.0.0"><chunk label="Chunk 1" enabled="true">
<sensors next_id="1"><sensor id="0" label="X100" type="{kind}">{resolution}<property name="layer_index" value="0"/>
<calibration type="{kind}" class="initial">{resolution}<f>99</f></calibration>
<calibration type="{kind}" class="adjusted">{resolution}{lines}</calibration></sensor></sensors>
<components next_id="1" active_id="0"><component id="0" label="Component 1"><transform>
<rotation locked="true">{text(rotation)}</rotation><translation locked="true">{text(shift)}</translation>
<scale locked="true">{float(scale)!r}</scale></transform></component></components>
<cameras next_id="9" next_group_id="1">{cameras}<camera id="6" sensor_id="0" label="lost"/>
<camera id="7" sensor_id="0" label="off" enabled="false"><transform>{text(np.eye(4))}</transform></camera></cameras>
</chunk></document>
""",
        "utf-8",
    )
    return path


def heading_pitch_roll(rotation: np.ndarray) -> np.ndarray:
    """Degrees for a world-to-camera rotation in OpenCV's axes.

    By the matrix that Camorph's authors (Fraunhofer) found RealityCapture to use, whose second row is
    (-cos p sin h, -cos p cos h, -sin p), and whose last column is (-cos p sin r, -sin p, -cos r cos p).
    """
    pitch = np.arcsin(-rotation[1, 2])
    heading = np.arctan2(-rotation[1, 0], -rotation[1, 1])
    roll = np.arctan2(-rotation[0, 2], -rotation[2, 2])
    return np.degrees([heading, pitch, roll])


def write_realitycapture(path: Path, rig: Rig, k4=0.0, new=False) -> Path:
    columns = "#name,x,y,alt,heading,pitch,roll,f,px,py,k1,k2,k3,k4,t1,t2"
    if new:
        columns = "#name,x,y,alt,yaw,pitch,roll,f_35mm,px_norm,py_norm,k1,k2,k3,k4,t1,t2"
    lines = [columns] if new else ["#cameras 6", columns]
    longer = max(WIDTH, HEIGHT)
    lens = [36 * rig.fx / longer, (rig.cx - WIDTH / 2) / longer, (rig.cy - HEIGHT / 2) / longer]
    lens += [rig.k1, rig.k2, rig.k3, k4, rig.p2, rig.p1]
    for k, name in enumerate(NAMES):
        values = [*rig.centres[k], *heading_pitch_roll(rig.rotations[k]), *lens]
        lines.append(",".join([name, *(repr(float(value)) for value in values)]))
    path.write_text("\n".join(lines) + "\n", "utf-8-sig")
    return path


def write_meshroom(path: Path, rig: Rig, version=("1", "2", "8")) -> Path:
    number = tuple(map(int, version))
    lens = {
        "intrinsicId": "1234567890",
        "width": str(WIDTH),
        "height": str(HEIGHT),
        "serialNumber": "0815",
        "locked": "0",
    }
    offset = np.array([rig.cx, rig.cy]) - (0 if number < (1, 2, 1) else np.array([WIDTH, HEIGHT]) / 2)
    lens["principalPoint"] = [repr(float(value)) for value in offset]
    if number < (1, 2, 0):
        lens |= {"type": "brown", "pxFocalLength": repr(rig.fx)}
    elif number < (1, 2, 2):
        lens |= {"type": "brown", "pxFocalLength": [repr(rig.fx), repr(rig.fy)]}
    else:
        ratio = rig.fx / rig.fy if number < (1, 2, 5) else rig.fy / rig.fx
        lens |= {"type": "brown", "sensorWidth": "23.5", "sensorHeight": "15.6", "pixelRatio": repr(ratio)}
        lens["focalLength"] = repr(rig.fx / WIDTH * 23.5)
    if number >= (1, 2, 8):
        lens |= {"type": "pinhole", "distortionType": "brown", "undistortionType": "none"}
    lens["distortionParams"] = [repr(float(getattr(rig, name))) for name in ("k1", "k2", "k3", "p1", "p2")]
    views, poses = [], []
    for k, name in enumerate(NAMES):
        views.append(
            {"viewId": str(50 + k), "poseId": str(50 + k), "intrinsicId": "1234567890", "width": str(WIDTH),
             "height": str(HEIGHT), "path": f"D:\\shoot\\photos\\{name}", "metadata": {"Make": "Fuji"}}
        )  # fmt: skip
        rotation = [repr(float(value)) for value in rig.rotations[k].T.ravel()]  # column by column
        centre = [repr(float(value)) for value in rig.centres[k]]
        transform = {"rotation": rotation, "center": centre}
        poses.append({"poseId": str(50 + k), "pose": {"transform": transform, "locked": "0"}})
    views.append({"viewId": "99", "poseId": "99", "intrinsicId": "1234567890", "path": "D:\\shoot\\photos\\lost.png"})
    values = {"version": list(version), "views": views, "intrinsics": [lens], "poses": poses}
    path.write_text(json.dumps(values), "utf-8")
    return path


def write_idr(path: Path, rig: Rig, neural_haircut=False) -> Path:
    """Projections of a pinhole rig, each times a number of its own, as they are up to scale."""
    arrays = {}
    for k in range(6):
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = rig.rotations[k], rig.translation(k)
        matrix = np.eye(4)
        matrix[:3, :3] = rig.matrix
        arrays[f"world_mat_{k}"] = matrix @ pose * (1 if neural_haircut else (-1) ** k * (1 + k))
        arrays[f"scale_mat_{k}"] = np.array([[0.3, 0, 0, 0.01], [0, 0.3, 0, 0.02], [0, 0, 0.3, 0.03], [0, 0, 0, 1]])
    if neural_haircut:
        np.savez(path, np.stack([arrays[f"world_mat_{k}"] for k in range(6)]))
    else:
        np.savez(path, **arrays)
    return path


BROWN = Rig()
OBLONG = Rig(fy=126.0)
PINHOLE = OBLONG.without("k1", "k2", "k3", "p1", "p2")

WRITERS = {
    "colmap text": (OBLONG, lambda folder, rig: write_colmap_text(folder / "sparse" / "0", rig)),
    "colmap text, rigs": (OBLONG, lambda folder, rig: write_colmap_text(folder / "sparse" / "0", rig, rigs=True)),
    "colmap binary": (OBLONG, lambda folder, rig: write_colmap_binary(folder / "sparse" / "0", rig)),
    "colmap binary, rigs": (
        OBLONG, lambda folder, rig: write_colmap_binary(folder / "sparse" / "0", rig, rigs=True),
    ),
    "nerfstudio": (OBLONG, lambda folder, rig: write_nerfstudio(folder / "transforms.json", rig)),
    "instant-ngp": (OBLONG, lambda folder, rig: write_instant_ngp(folder / "transforms_train.json", rig)),
    "metashape": (OBLONG, lambda folder, rig: write_metashape(folder / "cameras.xml", rig)),
    "realitycapture": (BROWN, lambda folder, rig: write_realitycapture(folder / "rc.csv", rig)),
    "realityscan": (BROWN, lambda folder, rig: write_realitycapture(folder / "rs.csv", rig, new=True)),
    "meshroom": (BROWN, lambda folder, rig: write_meshroom(folder / "cameras.sfm", rig)),
    "meshroom 1.0": (BROWN, lambda folder, rig: write_meshroom(folder / "cameras.sfm", rig, ("1", "0", "0"))),
    "meshroom 1.2.1": (OBLONG, lambda folder, rig: write_meshroom(folder / "cameras.sfm", rig, ("1", "2", "1"))),
    "meshroom 1.2.3": (OBLONG, lambda folder, rig: write_meshroom(folder / "cameras.sfm", rig, ("1", "2", "3"))),
    "idr": (PINHOLE, lambda folder, rig: write_idr(folder / "cameras.npz", rig)),
    "neural haircut": (PINHOLE, lambda folder, rig: write_idr(folder / "cameras.npz", rig, neural_haircut=True)),
}  # fmt: skip


def make_project(folder: Path) -> Path:
    """A project's folder with the rig's pictures in ``images``; its path has letters of several scripts."""
    project = folder / "tournage ü 髪"
    write_pictures(project / "images")
    return project


def import_cameras(project: Path, capfd, file: Path, *options) -> tuple[int, str]:
    """(exit code, what was said) of import-cameras, which leaves its capture in ``project / "out"``."""
    code = main(["import-cameras", str(file), *map(str, options), "--out", str(project / "out")])
    said = capfd.readouterr().err
    assert "Traceback" not in said
    return code, said
