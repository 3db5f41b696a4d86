"""Synthetic scenes of the surface on a grid: a sphere before one camera, and photographs of a speckled ellipsoid."""

import cv2
import numpy as np
import torch

from backend.formats.capture import Camera, Capture, View, write_capture
from backend.geometry.grid import Grid
from backend.head.grid_surface.hull import Volume
from backend.head.grid_surface.pictures import Picture, mask_distance
from backend.head.priors.semantics import BACKGROUND, CLASSES, HAIR
from tests.unit.hair_scene import SEMI_AXES, cameras

SIZE = 128


def sphere(nodes=48, radius=0.08, middle=(0.0, 0.0, 0.0)):
    grid = Grid.around(np.full(3, -0.12), np.full(3, 0.12), 0.24 / (nodes - 1))
    points = torch.from_numpy(grid.centres()) - torch.tensor(middle)
    return Volume(grid, (points.norm(dim=1) - radius).reshape(grid.shape))


def speckled(points):
    """(N,) grey of an ellipsoid's points: blobs of a few millimetres, the same seen from everywhere."""
    rng = np.random.default_rng(3)
    waves = rng.normal(size=(60, 3)) * 450
    phase = rng.uniform(0, 2 * np.pi, 60)
    return 0.5 + 0.22 * np.sin(points @ waves.T + phase).sum(1) / np.sqrt(30)


def photographs(count):
    """(image (S, S, 3) uint8, mask (S, S) uint8, intrinsics, world to camera) of a speckled ellipsoid."""
    over = 2
    for intrinsics, pose in cameras(count, SIZE):
        at = (np.stack(np.meshgrid(np.arange(SIZE * over), np.arange(SIZE * over)), -1) + 0.5) / over
        rays = np.concatenate([(at - intrinsics[:2, 2]) / intrinsics[0, 0], np.ones((*at.shape[:2], 1))], -1)
        rays = rays.reshape(-1, 3) @ pose[:3, :3]
        centre = -pose[:3, :3].T @ pose[:3, 3]
        o, d = centre / SEMI_AXES, rays / SEMI_AXES
        a, b, c = (d * d).sum(1), 2 * d @ o, o @ o - 1
        root = b * b - 4 * a * c
        hit = root > 0
        depth = (-b - np.sqrt(np.where(hit, root, 0))) / (2 * a)
        grey = np.where(hit, speckled(centre + depth[:, None] * rays), 0.1)
        fold = [v.reshape(SIZE, over, SIZE, over).mean((1, 3)) for v in (grey, hit.astype(float))]
        image, mask = (np.round(255 * np.clip(v, 0, 1)).astype(np.uint8) for v in fold)
        yield np.repeat(image[..., None], 3, 2), mask, intrinsics, pose


def capture_at(folder, count, without=()):
    """A capture of images, cameras and masks of the person, nothing else."""
    views = []
    (folder / "images").mkdir(parents=True)
    (folder / "masks" / "person").mkdir(parents=True)
    for k, (image, mask, intrinsics, pose) in enumerate(photographs(count)):
        name = f"view_{k:03d}"
        cv2.imwrite(str(folder / "images" / f"{name}.png"), image)
        if k not in without:
            cv2.imwrite(str(folder / "masks" / "person" / f"{name}.png"), mask)
        pose = np.linalg.inv(np.diag([1.0, -1.0, -1.0, 1.0]) @ pose)
        camera = Camera(SIZE, SIZE, intrinsics[0, 0], intrinsics[1, 1], intrinsics[0, 2], intrinsics[1, 2], pose)
        views.append(View(name, folder / "images" / f"{name}.png", camera))
    write_capture(Capture(folder, tuple(views)))
    return folder


def off_the_ellipsoid(points):
    """(N,) metres to the ellipsoid's surface, to first order."""
    value = np.sqrt(((points / SEMI_AXES) ** 2).sum(1))
    slope = np.linalg.norm(points / SEMI_AXES**2, axis=1) / value
    return np.abs(value - 1) / slope


def picture(volume_radius=0.08, size=96):
    """A camera 0.6 m before a sphere, with that sphere's mask."""
    intrinsics = np.array([[2.2 * size, 0, size / 2], [0, 2.2 * size, size / 2], [0, 0, 1.0]])
    pose = np.eye(4)
    pose[:3, :3] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    pose[2, 3] = 0.6
    kept = [torch.from_numpy(m.astype(np.float32)) for m in (intrinsics, pose)]
    blank = Picture("v", torch.zeros(size, size), None, None, None, *kept)
    # A cone that touches the sphere.
    at = np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1) + 0.5 - size / 2
    edge = 2.2 * size * volume_radius / np.sqrt(0.6**2 - volume_radius**2)
    outside = torch.from_numpy((np.linalg.norm(at, axis=-1) - edge).astype(np.float32))
    return Picture("v", blank.grey, outside, None, None, *kept)


def sphere_pictures(count: int, size: int = 128, radius: float = 0.08) -> list[Picture]:
    """A speckled sphere from ``count`` sides: its mask, and hair above the middle and face below as labels."""
    found = []
    for intrinsics, pose in cameras(count, size, focal=5.0):
        pose = pose.copy()
        pose[:3, 3] = [0, 0, 0.9]  # straight at the sphere's middle
        at = np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1) + 0.5
        rays = np.concatenate([(at - intrinsics[:2, 2]) / intrinsics[0, 0], np.ones((size, size, 1))], -1)
        rays = rays.reshape(-1, 3) @ pose[:3, :3]
        centre = -pose[:3, :3].T @ pose[:3, 3]
        a, b, c = (rays * rays).sum(1), rays @ centre, centre @ centre - radius**2
        root = b * b - a * c
        points = centre + ((-b - np.sqrt(np.maximum(root, 0))) / a)[:, None] * rays
        grey = np.where(root > 0, speckled(points), 0.1)
        labels = np.where(points[:, 2] > 0, HAIR, CLASSES.index("face"))
        labels = np.where(root > 0, labels, BACKGROUND)
        square = lambda values, kind: torch.from_numpy(values.reshape(size, size).astype(kind))  # noqa: E731
        outside = torch.from_numpy(mask_distance((root > 0).reshape(size, size).astype(np.float32), 1))
        matrices = (torch.from_numpy(m.astype(np.float32)) for m in (intrinsics, pose))
        found.append(Picture("v", square(grey, np.float32), outside, square(labels, np.uint8), None, *matrices))
    return found
