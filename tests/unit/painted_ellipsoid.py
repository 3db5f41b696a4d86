"""Photographs of a painted ellipsoid as a reconstruction of heads takes them, with labels and directions of hair."""

import numpy as np
import torch

from backend.formats.capture import Camera
from backend.hair.orientation import OrientationMap
from backend.head.priors.semantics import CLASSES
from backend.head.priors.views import HeadView

CENTRE, AXES = np.array([0.03, -0.02, 0.05]), np.array([0.075, 0.1, 0.12])
"""Metres: about a head's."""


def looking(angle: float, height: float, size: int) -> Camera:
    eye = CENTRE + 0.9 * np.array([np.sin(angle), -np.cos(angle), height])
    forward = (CENTRE - eye) / np.linalg.norm(CENTRE - eye)
    right = np.cross(forward, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = np.stack([right, np.cross(right, forward), -forward], axis=1), eye
    return Camera(size, size, 2.6 * size, 2.6 * size, size / 2, size / 2, pose)


def ellipsoid_view(number: int, count: int, size: int = 64) -> HeadView:
    """Painted with waves; hair above, face below, and lines that run upwards, as such an ellipsoid bends least."""
    camera = looking(2 * np.pi * number / count, 0.5 * (-1) ** number, size)
    y, x = np.mgrid[:size, :size] + 0.5
    rays = np.stack([(x - camera.cx) / camera.fx, -(y - camera.cy) / camera.fy, -np.ones_like(x)], axis=-1)
    rays = rays @ camera.camera_to_world[:3, :3].T / AXES
    eye = (camera.centre - CENTRE) / AXES
    a, b, c = (rays * rays).sum(-1), rays @ eye, eye @ eye - 1
    inside = b * b - a * c > 0
    at = eye + ((-b - np.sqrt(np.maximum(b * b - a * c, 0))) / a)[..., None] * rays
    colour = np.where(inside[..., None], 0.5 + 0.4 * np.sin(at * [2.0, 2.5, 3.0] + [0, 1, 2]), 0)
    labels = np.where(at[..., 2] > 0, CLASSES.index("hair"), CLASSES.index("face"))
    labels = np.where(inside, labels, 0).astype(np.uint8)
    hair = (labels == CLASSES.index("hair")).astype(np.float32)
    lines = OrientationMap(torch.full((size, size), torch.pi / 2), torch.from_numpy(hair), torch.zeros(size, size))
    return HeadView(f"view_{number}", camera, colour.astype(np.float32), inside.astype(np.float32), hair, labels, lines)


def surface_points(count=1500):
    on = np.random.default_rng(0).normal(size=(count, 3))
    return CENTRE + AXES * on / np.linalg.norm(on, axis=1, keepdims=True)
