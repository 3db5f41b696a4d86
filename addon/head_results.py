"""Reconstruct Head: what is asked for, the surface that sharpens while the job runs, the textured head it leaves."""

import json
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from ..backend.contract import BakeTexture, ReconstructHead
from ..backend.errors import MaquetteError
from ..backend.formats.head import read_head
from . import captures, fitting, hair_results, jobs
from .flame_rig import Rig
from .heads import UV_LAYER, add_head, triangle_mesh
from .sdf_baking import set_labels
from .settings import property_of
from .skin_material import photograph_material

REPORT = "maquette_reconstruction"
"""Custom property of a reconstructed head, JSON: what the panel shows of the job's report."""
KEPT = ("seconds", "triangles", "watertight", "holes", "priors", "seen_share", "preset", "views")
FIT_FILES = {
    "coefficients": "coefficients.npz", "head": "head.ply", "report": "report.json", "overlay": "overlay.png",
    "albedo": "albedo.npz",
}  # fmt: skip
"""What is taken of the fit of a head that a reconstruction made, as fit-photos' result names it."""
GUIDES = {"P": "Face", "S": "Labels", "O": "Hair"}
"""What artists call proxy, semantics and orientation."""
PREVIEW, PREVIEW_NAME = "head preview", "Head Preview"
"""Value of ``maquette_role`` of the surface that a running job shows, and its object's name."""
GUIDE_OF = "maquette_guide_of"
"""Property of a head object: the job that was given it as its guide, so that its texture finds it."""

_previewed: set[str] = set()
"""Jobs whose preview was shown; where it is gone, the artist has deleted it and does not want another."""


def _is_head(_group, thing: bpy.types.Object) -> bool:
    return thing.type == "MESH" and thing.get("maquette_role") != PREVIEW


class MaquetteHeadSurface(bpy.types.PropertyGroup):
    """Settings of Reconstruct Head and Bake Photographs."""

    preset: property_of(
        ReconstructHead, "preset",
        items=[
            ("draft", "Draft", "A first look, in about a minute on two CPU cores"),
            ("standard", "Standard", "The full result, in some minutes on a laptop without a GPU"),
            ("paper", "Paper", "Networks trained as published: hours, on a CUDA card"),
        ],
    )  # fmt: skip
    views: property_of(ReconstructHead, "views")
    guide: bpy.props.PointerProperty(
        name="Fitted Head",
        description="Head that lies in the photographs, as Fit Head to Photographs leaves it: it guides the face, and "
        "gets a texture too. Without one it is fitted by the job where the photographs have landmarks, but for a draft",
        type=bpy.types.Object,
        poll=_is_head,
    )
    face_prior: property_of(ReconstructHead, "face_prior", name="Fitted Face")
    semantics: property_of(ReconstructHead, "semantics", name="Labels")
    hair_label: property_of(ReconstructHead, "hair_label", name="Hair")
    orientation: property_of(ReconstructHead, "orientation", name="Hair Direction")
    refine_cameras: property_of(ReconstructHead, "refine_cameras")
    resolution: property_of(ReconstructHead, "resolution")
    faces: property_of(ReconstructHead, "faces", name="Triangles", soft_max=2_000_000)
    texture: property_of(ReconstructHead, "texture", name="Texture", soft_max=4096)
    uv: property_of(ReconstructHead, "uv", name="UVs")
    prior_order: property_of(
        ReconstructHead, "prior_order", name="Order",
        description="In what order the fitted face, the labels and the directions of hair join",
        items=[
            (order, ", ".join(GUIDES[guide] for guide in order.split("-")), "")
            for order in ("P-S-O", "P-O-S", "S-P-O", "S-O-P", "O-P-S", "O-S-P")
        ] + [("all", "All at Once", "")],
    )  # fmt: skip
    weights: property_of(ReconstructHead, "weights", name="Loss Weights")
    networks: property_of(
        ReconstructHead, "networks",
        items=[
            ("published", "Published", "As in the paper: hours on a CUDA card, weeks without one"),
            ("reduced", "Reduced", "Small ones, for trials"),
        ],
    )  # fmt: skip
    rounds: property_of(ReconstructHead, "rounds")
    fixed_cameras: property_of(
        ReconstructHead, "fixed_cameras", description="Keep the cameras where they are; the paper lets them move"
    )
    device: property_of(ReconstructHead, "device")
    seed: property_of(ReconstructHead, "seed")
    detached: bpy.props.BoolProperty(
        name="Go On When Blender Closes",
        description="The next Blender picks the job up again",
        default=False,
    )
    size: property_of(BakeTexture, "size", name="Texture", soft_max=8192)
    level: property_of(BakeTexture, "level", name="Level Seams")
    baked_views: property_of(BakeTexture, "views")

    def fits_head(self) -> bool:
        """Whether the job fits a head where none is given and the photographs have landmarks."""
        return self.face_prior and self.preset != "draft"

    def values(self) -> dict:
        """The settings that go into a request as they are."""
        names = (
            "preset", "networks", "rounds", "views", "face_prior", "semantics", "hair_label", "orientation",
            "prior_order", "weights", "refine_cameras", "fixed_cameras", "resolution", "faces", "uv", "texture",
            "device", "seed",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}


@jobs.on_preview("reconstruct-head")
def show_preview(job, preview: dict) -> None:
    """Show the surface as far as it is, in an object of its own whose mesh each preview replaces."""
    if preview["name"] == "scale":
        hair_results.take_scale(job, Path(preview["path"]))
    if preview["name"] != "mesh":
        return
    found = hair_results.object_of(job.id, PREVIEW)
    if found is None and job.id in _previewed:
        return
    with np.load(preview["path"], allow_pickle=False) as file:
        mesh = triangle_mesh(PREVIEW_NAME, file["vertices"], file["faces"])
    mesh.update()
    mesh.shade_smooth()
    if found is None:
        found = bpy.data.objects.new(PREVIEW_NAME, mesh)
        found["maquette_job"], found["maquette_role"] = job.id, PREVIEW
        found.hide_render = True
        bpy.context.scene.collection.objects.link(found)
        _previewed.add(job.id)
        return
    before, found.data = found.data, mesh
    if not before.users:
        bpy.data.meshes.remove(before)


@jobs.on_failure("reconstruct-head")
def end_preview(job) -> None:
    """Take the preview out of the scene; one that the artist has renamed, or works on, is theirs."""
    preview = hair_results.object_of(job.id, PREVIEW)
    if preview is None:
        return
    _previewed.discard(job.id)
    if not preview.name.startswith(PREVIEW_NAME) or preview.mode != "OBJECT":
        del preview["maquette_job"], preview["maquette_role"]
        preview.hide_render = False
        return
    data = preview.data
    bpy.data.objects.remove(preview)
    if not data.users:
        bpy.data.meshes.remove(data)


@jobs.on_result("reconstruct-head")
def bring_in(job, result: dict) -> None:
    """The head in the preview's place: labels as vertex groups and attribute, its texture, and the guide's too; a head
    that the job fitted, hidden; the capture's cameras where they stood at the end."""
    end_preview(job)
    if "scale" in result:
        hair_results.take_scale(job, job.folder / result["scale"])
    if "cameras" in result:
        poses = fitting.read_json(job.folder / result["cameras"])
        captures.place_cameras(bpy.context.scene, Path(job.request["capture"]), poses)
    head = read_head(job.folder / result["head"])
    name = job.context.get("name") or "Reconstructed Head"
    if "fit" in result:
        _bring_in_fit(job, result, f"{name} Fitted")
    thing = add_head(bpy.context, head, name=name, job_id=job.id)
    set_labels(thing, head)
    texture = job.folder / result["texture"] if "texture" in result else None
    dress(thing, texture, f"{name} Photographs")
    thing[REPORT] = json.dumps({key: result[key] for key in KEPT if key in result})
    guide = guide_of(job.id)
    if guide is not None and "proxy_texture" in result:
        dress(guide, job.folder / result["proxy_texture"], f"{guide.name} Photographs")


def _bring_in_fit(job, result: dict, name: str) -> None:
    """The animatable head that the job fitted, in the photographs, hidden: the reconstructed one lies around it."""
    files = {key: f"{result['fit']}/{file}" for key, file in FIT_FILES.items()}
    in_metres = Matrix.Scale(float(result.get("fit_metres_per_unit", 1.0)), 4)
    texture = job.folder / result["proxy_texture"] if "proxy_texture" in result else None
    try:
        rig = fitting.add_photo_fit(job, files, name, in_metres)
    except MaquetteError as error:
        job.warnings.append(f"The fitted head stayed in the job's folder: {error}")
        if texture is not None:
            _keep_picture(texture, f"{name} Photographs")
        return
    if texture is not None:
        dress(rig.mesh, texture, f"{name} Photographs")
    _hide(rig)


def _hide(rig: Rig) -> None:
    for thing in (rig.mesh, rig.armature):
        thing.select_set(False)
        thing.hide_set(True)
        thing.hide_render = True


@jobs.on_result("bake-texture")
def bring_in_texture(job, result: dict) -> None:
    """The picture onto the mesh it was asked for, wherever that is now."""
    thing = guide_of(job.id)
    if thing is not None:
        dress(thing, job.folder / result["texture"], f"{thing.name} Photographs")
        return
    _keep_picture(job.folder / result["texture"], job.title)


def _keep_picture(path: Path, name: str) -> None:
    """A texture whose mesh is gone is not lost."""
    image = bpy.data.images.load(str(path))
    image.name = name
    image.pack()
    image.use_fake_user = True


def dress(thing: bpy.types.Object, texture: Path | None, name: str) -> None:
    """Give all of a mesh one material: photographs where there is a texture for its UVs, else plain skin."""
    data = thing.data
    if texture is None:
        while len(data.materials) > 1:
            data.materials.pop()
    else:
        image = bpy.data.images.load(str(texture))
        image.name = name
        image.pack()  # the job's folder may go
        layer = data.uv_layers.get(UV_LAYER) or data.uv_layers.active
        data.materials.clear()
        data.materials.append(photograph_material(name, image, layer.name if layer else ""))
    data.polygons.foreach_set("material_index", np.zeros(len(data.polygons), np.int32))
    data.update()


def guide_of(job_id: str) -> bpy.types.Object | None:
    """The head of the scene that a job was given, whatever its name is now."""
    return next((thing for thing in bpy.context.scene.objects if thing.get(GUIDE_OF) == job_id), None)


def report_of(thing: bpy.types.Object | None) -> dict | None:
    """What is known of a reconstructed head; None for any other object."""
    try:
        report = json.loads(thing.get(REPORT, "null")) if thing is not None else None
    except (ValueError, TypeError):
        return None  # somebody else's property under our name
    return report if isinstance(report, dict) else None


classes = (MaquetteHeadSurface,)
