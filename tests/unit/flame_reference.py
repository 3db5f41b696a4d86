"""FLAME written out in NumPy, one head and one joint at a time, in float64: what the layer is held to.

Equation 1 of Li et al. 2017 step by step, in the model's own frame (Y up), with nothing fused, batched or shared with
the layer.
"""

import numpy as np


def rotation(axis_angle: np.ndarray) -> np.ndarray:
    """(3, 3) of axis times angle (3,), radians, by turning the three axes one after another."""
    angle = np.sqrt(np.dot(axis_angle, axis_angle))
    if angle == 0:
        return np.eye(3)
    axis = axis_angle / angle
    columns = []
    for basis in np.eye(3):
        along = np.dot(axis, basis) * axis
        across = basis - along
        columns.append(along + np.cos(angle) * across + np.sin(angle) * np.cross(axis, across))
    return np.stack(columns, axis=1)


def posed_head(model, identity, expression, pose, translation=(0, 0, 0), scale=1.0):
    """One head.

    Args:
        model: a FlameModel.
        identity: (I,)
        expression: (E,)
        pose: (J, 3) radians.
        translation: (3,) metres.
        scale: a number.

    Returns:
        vertices (V, 3), joints (J, 3) and joint rotations (J, 3, 3).
    """
    joints_there = len(model.parents)
    # Shape: template plus modes.
    shaped = model.template.astype(np.float64)
    for k, amount in enumerate(identity):
        shaped = shaped + amount * model.identity[:, :, k].astype(np.float64)
    for k, amount in enumerate(expression):
        shaped = shaped + amount * model.expression[:, :, k].astype(np.float64)
    # Joints of this shape.
    rest = np.zeros((joints_there, 3))
    for j in range(joints_there):
        for axis in range(3):
            rest[j, axis] = np.dot(model.joint_regressor[j].astype(np.float64), shaped[:, axis])
    # Pose correctives: the nine numbers of R - 1 of every joint but the root.
    turns = [rotation(np.asarray(pose[j], np.float64)) for j in range(joints_there)]
    corrected = shaped.copy()
    for j in range(1, joints_there):
        for row in range(3):
            for column in range(3):
                feature = turns[j][row, column] - (row == column)
                corrective = model.pose_correctives[:, :, 9 * (j - 1) + 3 * row + column]
                corrected = corrected + feature * corrective.astype(np.float64)
    # Each joint's transform, as a 4 x 4 matrix: along the chain, turn about the joint.
    worlds = []
    for j in range(joints_there):
        local = np.eye(4)
        local[:3, :3] = turns[j]
        parent = model.parents[j]
        local[:3, 3] = rest[j] - (rest[parent] if parent >= 0 else 0)
        worlds.append(local if parent < 0 else worlds[parent] @ local)
    vertices = np.zeros_like(corrected)
    for j in range(joints_there):
        back = np.eye(4)
        back[:3, 3] = -rest[j]
        moved = (worlds[j] @ back)[:3] @ np.concatenate([corrected, np.ones((len(corrected), 1))], axis=1).T
        vertices += model.weights[:, j : j + 1].astype(np.float64) * moved.T
    posed_joints = np.stack([w[:3, 3] for w in worlds])
    translation = np.asarray(translation, np.float64)
    rotations = np.stack([w[:3, :3] for w in worlds])
    return scale * vertices + translation, scale * posed_joints + translation, rotations


def landmarks(model, vertices, faces, weights):
    """(L, 3) points on triangles (L,) with weights (L, 3)."""
    points = []
    for face, weight in zip(faces, weights):
        corners = vertices[model.faces[face]]
        points.append(weight[0] * corners[0] + weight[1] * corners[1] + weight[2] * corners[2])
    return np.array(points, np.float64)


def contour_row(rotation_of_neck):
    """Row of a dynamic contour for a head's (3, 3) rotation, as published with FLAME: whole degrees of yaw, up to 39,
    and the other way 40 to 78."""
    yaw = -np.degrees(np.arctan2(-rotation_of_neck[2, 0], np.hypot(rotation_of_neck[0, 0], rotation_of_neck[1, 0])))
    whole = int(np.round(min(yaw, 39)))
    if whole < -39:
        return 78
    return whole if whole >= 0 else 39 - whole
