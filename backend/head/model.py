"""The built-in head as an animatable model: ``python -m backend.head.model [--out assets/built_in_head.npz]``.

Made by this program alone out of ``built_in``'s head: nothing is scanned, and no other model enters it. The model is in
FLAME's form (template, identity, expression, joints, skin weights, pose correctives) with its own names.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..formats.arkit import table_beside, write_table
from ..formats.flame_model import FlameModel, Landmarks, check_model, scheme_68, write_flame_model, y_up
from ..formats.head import BUILT_IN_HEAD, Head
from . import contour, expressions, mouth, people, rig, template
from .arkit import arkit_table

NAME = "maquette-built-in-2"
IDENTITY_MODES = 100


def build_model(head: Head, modes: int = IDENTITY_MODES) -> FlameModel:
    """The model around a head of ``built_in.build_head``.

    Args:
        head: with the template's topology and, if it has no bag of the mouth yet, without one.
        modes: of identity.
    """
    shut = template.build()
    plan = mouth.with_bag(shut)
    vertices = mouth.place(plan, head.vertices[: shut.vertex_count].astype(np.float64) * 1000)
    faces = plan.triangles
    jaw = rig.jaw_share(plan, vertices, faces)
    jaw = (jaw + jaw[plan.mirror]) / 2
    neck = rig.neck_share(plan, vertices, faces)
    weights = rig.skin_weights(plan, neck, jaw)
    regressor = rig.joint_regressor(plan, vertices)
    face = expressions.Face(plan, vertices, faces, jaw)
    moves = expressions.expressions(face)
    landmarks = _landmarks(head, plan, vertices, faces)
    regions = _regions(head, plan)
    marks = dict(zip(landmarks.names, zip(landmarks.faces.tolist(), landmarks.weights)))
    mean = Head(vertices / 1000, faces, None, regions, marks, NAME)
    identity, _ = people.population(face, mean).modes(modes)
    return _exact(
        FlameModel(
            name=NAME,
            template=y_up(vertices) / 1000,
            faces=faces,
            identity=_basis(identity),
            expression=_basis(np.stack(list(moves.values()))),
            pose_correctives=_correctives(face, regressor, weights),
            joint_regressor=regressor,
            weights=weights,
            parents=np.array([-1, 0, 1, 1, 1]),
            joint_names=("root", "neck", "jaw", "left_eye", "right_eye"),
            identity_names=tuple(f"identity {i + 1}" for i in range(modes)),
            expression_names=tuple(moves),
            regions=regions,
            landmarks={"full": landmarks, "static": _part(landmarks, slice(17, None))},
            contour=contour.dynamic_contour(vertices, faces, _part(landmarks, slice(17)), regions),
            uv=_uv(head, plan, faces),
        )
    )


def _basis(fields: np.ndarray) -> np.ndarray:
    """(V, 3, K) metres, Y up, of fields (K, V, 3) in mm, Z up."""
    return np.moveaxis(y_up(fields) / 1000, 0, -1)


def _exact(model: FlameModel) -> FlameModel:
    """The model with bases that 16 bits hold, so that its file is small and reads back as the very same model."""
    # Not the skin weights: their rows are to add up to one, or the head would shrink by tenths of a millimetre.
    bases = ("identity", "expression", "pose_correctives")
    rounded = {name: getattr(model, name).astype(np.float16).astype(np.float32) for name in bases}
    return replace(model, **rounded)


def _correctives(face: expressions.Face, regressor: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(V, 3, 36) metres, Y up, a unit of R - 1 of neck, jaw, left and right eye."""
    flat = y_up(face.vertices) / 1000
    joints = regressor @ flat
    result = np.zeros((len(flat), 3, 36))
    above = weights[:, 1:].sum(axis=1)
    eyes = weights[:, 3:].sum(axis=1) > 0
    result[:, :, :9] = rig.blend_correctives(flat, joints[1], np.where(eyes, 0, above), rig.NECK_TURNS)
    share = weights[:, 2] / np.maximum(above, 1e-6)
    result[:, :, 9:18] = rig.blend_correctives(flat, joints[2], np.where(above > 0.5, share, 0), rig.JAW_TURNS)
    # R[2, 1] - 0 is the sine of a turn about +X: the jaw's opening, or an eye's looking down.
    sine = 3 * 2 + 1
    result[:, :, 9 + sine] += y_up(expressions.opening(face)) / 1000
    left = expressions.follow_gaze(face)
    result[:, :, 18 + sine] = y_up(left) / 1000
    result[:, :, 27 + sine] = y_up(face.mirrored(left)) / 1000
    return result


def _regions(head: Head, plan: template.Template) -> dict[str, np.ndarray]:
    """The head's regions with the bag, and those that FLAME's masks name besides."""
    rings = plan.rings["mouth"]
    between = np.intersect1d(head.regions["face"], head.regions["nose"])
    v = head.vertices * 1000
    between = between[v[between, 2] > 4]
    sides = [head.regions["left_eye_region"], head.regions["right_eye_region"]]
    return head.regions | {
        "face": np.setdiff1d(head.regions["face"], rings[mouth.PARTING + 1 :]),
        "lips": rings[2 : mouth.PARTING + 4].ravel(),
        "mouth_pocket": rings[mouth.PARTING + 1 :].ravel(),
        "eye_region": np.concatenate([*sides, between, head.regions["eyebrows"]]),
    }


def _landmarks(head: Head, plan: template.Template, vertices: np.ndarray, faces: np.ndarray) -> Landmarks:
    """The head's 68 points on the model's triangles, made symmetric."""
    import trimesh

    place = {tuple(sorted(face)): i for i, face in enumerate(faces.tolist())}
    names = list(head.landmarks)
    mirror = {name: _other_side(name) for name in names}
    found: dict[str, tuple[int, np.ndarray]] = {}
    for name, (triangle, weights) in head.landmarks.items():
        corners, weights = head.faces[triangle], np.asarray(weights, np.float32)
        if mirror[name] in found:
            at, weights = found[mirror[name]]
            corners = plan.mirror[faces[at]]
        elif mirror[name] == name:
            point = np.asarray(weights, float) @ vertices[corners] * [0, 1, 1]
            outer = np.flatnonzero(np.abs(vertices[faces][..., 0]).max(axis=1) < 12)
            near = trimesh.triangles.closest_point(vertices[faces[outer]], np.tile(point, (len(outer), 1)))
            best = np.argmin(np.linalg.norm(near - point, axis=1))
            corners = faces[outer[best]]
            weights = trimesh.triangles.points_to_barycentric(vertices[corners][None], near[best][None])[0]
        at = place[tuple(sorted(int(c) for c in corners))]
        share = dict(zip(corners.tolist(), weights))
        found[name] = (at, np.array([share[int(c)] for c in faces[at]]))
    return Landmarks(np.array([found[n][0] for n in names]), np.array([found[n][1] for n in names]), scheme_68())


def _other_side(name: str) -> str:
    """The landmark on the other side, itself on the midline."""
    part, number = name.rsplit(" ", 1)
    k = int(number)
    if part == "jaw":
        return f"jaw {18 - k}"
    if part.endswith("eyebrow"):
        twin = part.replace("right", "*").replace("left", "right").replace("*", "left")
        return f"{twin} {6 - k}"
    if part in ("left eye", "right eye"):
        twin = "left eye" if part == "right eye" else "right eye"
        return f"{twin} {(4, 3, 2, 1, 6, 5)[k - 1]}"
    if part == "nose base":
        return f"nose base {6 - k}"
    if part == "outer lip":
        return f"outer lip {8 - k if k <= 7 else 20 - k}"
    if part == "inner lip":
        return f"inner lip {6 - k if k <= 5 else 14 - k}"
    return name


def _part(landmarks: Landmarks, which: slice) -> Landmarks:
    return Landmarks(landmarks.faces[which], landmarks.weights[which], landmarks.names[which])


def _uv(head: Head, plan: template.Template, faces: np.ndarray) -> np.ndarray:
    """(F, 3, 2): the head's own, and the bag within the mouth's oval."""
    known = {tuple(sorted(face)): i for i, face in enumerate(head.faces.tolist())}
    pocket = set(plan.rings["mouth"][mouth.PARTING :].ravel().tolist())
    corner = {}
    for face, uv in zip(head.faces.tolist(), head.uv):
        corner |= {v: point for v, point in zip(face, uv) if v in pocket}
    corner |= mouth.uv_of_bag(plan, corner)
    result = np.zeros((len(faces), 3, 2))
    for f, face in enumerate(faces.tolist()):
        at = known.get(tuple(sorted(face)))
        if at is None:
            result[f] = [corner[v] for v in face]
        else:
            own = dict(zip(head.faces[at].tolist(), head.uv[at]))
            result[f] = [own[v] for v in face]
    return result


def main():
    from .built_in import build_head, write_picture

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out",
        type=Path,
        default=BUILT_IN_HEAD,
        help="the .npz to write; its ARKit table and its picture go beside it",
    )
    parser.add_argument("--modes", type=int, default=IDENTITY_MODES, help="of identity")
    settings = parser.parse_args()
    head, picture = build_head()
    model = build_model(head, settings.modes)
    check_model(model, NAME)
    settings.out.parent.mkdir(parents=True, exist_ok=True)
    write_flame_model(settings.out, model)
    write_table(table_beside(settings.out), arkit_table(model))
    write_picture(settings.out, picture)
    size = settings.out.stat().st_size / 1e6
    print(f"{settings.out}: {len(model.template)} vertices, {len(model.faces)} triangles, {size:.1f} MB, {model.hash}")


if __name__ == "__main__":
    main()
