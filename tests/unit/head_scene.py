"""Masks of a head under a shell of hair, drawn without a renderer: synthetic input for laying a head into views."""

from types import SimpleNamespace

import numpy as np


def hair_shell(head, thickness=0.02, length=0.06):
    """(V, 3), (F, 3): the scalp pushed out and its lower parts drawn down, a cap of hair as seen from outside."""
    v = head.vertices.astype(np.float64)
    corners = v[head.faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(v)
    for k in range(3):
        np.add.at(normals, head.faces[:, k], cross)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)
    # Hair behind the ears falls; over the forehead it does not.
    low = np.clip((0.05 - v[:, 2]) / 0.1, 0, 1) * (v[:, 1] > 0.0)
    return v + thickness * normals - np.outer(length * low, [0, 0, 1]), head.faces[head.scalp_faces]


def ring_of_cameras(count, size=128, distance=1.0, field=0.62, height=0.25):
    """[(intrinsics, world_to_camera)], OpenCV's axes, around the origin at alternating heights."""
    cameras = []
    for i in range(count):
        angle = 2 * np.pi * i / count
        centre = np.array([distance * np.sin(angle), -distance * np.cos(angle), height * (-1) ** i])
        forward = -centre / np.linalg.norm(centre)
        right = np.cross(forward, [0, 0, 1.0])
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(forward, right), forward])
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = rotation, -rotation @ centre
        focal = size * distance / field
        cameras.append((np.array([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1.0]]), matrix))
    return cameras


def views_of(head, cameras, size=128, supersampling=2, hair=None):
    """Views with soft masks as a capture's: what is seen of hair and of skin."""
    parts = [(head.vertices.astype(np.float64), head.faces)] + ([hair] if hair is not None else [])
    views = []
    for k, (intrinsics, world_to_camera) in enumerate(cameras):
        side = size * supersampling
        scaled = intrinsics.copy()
        scaled[:2] *= supersampling
        nearest, label = np.full((side, side), np.inf), np.zeros((side, side), int)
        for number, (vertices, faces) in enumerate(parts, start=1):
            _draw(vertices, faces, scaled, world_to_camera, nearest, label, number)
        soft = [
            (label == n).reshape(size, supersampling, size, supersampling).mean(axis=(1, 3)).astype(np.float32)
            for n in (1, 2)
        ]
        views.append(
            SimpleNamespace(
                name=f"{k:03}", bust=soft[0], hair=soft[1], intrinsics=intrinsics, world_to_camera=world_to_camera
            )
        )
    return views


def _draw(vertices, faces, intrinsics, world_to_camera, nearest, label, number):
    local = vertices @ world_to_camera[:3, :3].T + world_to_camera[:3, 3]
    pixels = (local @ intrinsics.T)[:, :2] / local[:, 2:]
    side = len(nearest)
    for (a, b, c), depth in zip(pixels[faces], local[faces, 2]):
        low = np.maximum(np.floor(np.minimum(np.minimum(a, b), c)).astype(int), 0)
        high = np.minimum(np.ceil(np.maximum(np.maximum(a, b), c)).astype(int), side)
        if (high <= low).any():
            continue
        twice = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if abs(twice) < 1e-12:
            continue
        x = np.arange(low[0], high[0]) + 0.5 - a[0]
        y = (np.arange(low[1], high[1]) + 0.5 - a[1])[:, None]
        p = (x * (c[1] - a[1]) - y * (c[0] - a[0])) / twice
        q = (y * (b[0] - a[0]) - x * (b[1] - a[1])) / twice
        z = depth[0] + p * (depth[1] - depth[0]) + q * (depth[2] - depth[0])
        window = np.s_[low[1] : high[1], low[0] : high[0]]
        seen = (p >= 0) & (q >= 0) & (p + q <= 1) & (z < nearest[window])
        nearest[window][seen], label[window][seen] = z[seen], number
