"""Saved distance fields baked to meshes: what is asked for, and the mesh that comes into the scene."""

import json
from pathlib import Path

import bpy
import numpy as np

from ..backend.contract import BakeSdf
from ..backend.errors import FieldError
from ..backend.formats.head import Head, read_head
from . import jobs
from .heads import add_head
from .settings import property_of

REPORT = "maquette_bake"
"""Custom property of a baked mesh, JSON: what the panel shows of the job's report."""
LABEL = "label"
"""Integer attribute of its vertices: the place of their group among the mesh's vertex groups, -1 for none."""
KEPT = ("spacing_mm", "triangles", "watertight", "holes", "pieces_left_out", "closed_sides", "seconds")


class MaquetteSdf(bpy.types.PropertyGroup):
    """Settings of Bake SDF."""

    field: bpy.props.StringProperty(
        name="Field", description="Saved field: distances on a grid (.npz), metres, below zero inside",
        subtype="FILE_PATH",
    )  # fmt: skip
    resolution: property_of(BakeSdf, "resolution")
    faces: property_of(BakeSdf, "faces", name="Triangles", soft_max=2_000_000)
    uv: property_of(BakeSdf, "uv", name="UVs")
    close: property_of(BakeSdf, "close", name="Close Cuts")
    positive_inside: property_of(BakeSdf, "positive_inside", name="Positive Inside")

    def request(self) -> BakeSdf:
        """Raises FieldError where no file is chosen, or it is not there."""
        path = Path(bpy.path.abspath(self.field))
        if not self.field or not path.is_file():
            raise FieldError("Choose the saved field to bake." if not self.field else f"There is no field at {path}.")
        return BakeSdf(
            field=path, resolution=self.resolution, faces=self.faces, uv=self.uv, close=self.close,
            positive_inside=self.positive_inside,
        )  # fmt: skip


@jobs.on_result("bake-sdf")
def bring_in(job, result: dict) -> None:
    """The mesh into the scene, with the field's labels as vertex groups and as an attribute."""
    head = read_head(job.folder / result["head"])
    thing = add_head(bpy.context, head, name=job.context.get("name") or head.name, job_id=job.id)
    set_labels(thing, head)
    thing[REPORT] = json.dumps({key: result[key] for key in KEPT if key in result})


def set_labels(thing: bpy.types.Object, head: Head) -> None:
    """Each vertex's region as an attribute of the mesh that was made of a head."""
    labels = [name for name in head.regions if name != "unknown"]
    if labels:
        values = np.full(len(head.vertices), -1, np.int32)
        for number, name in enumerate(labels):
            values[head.regions[name]] = number
        thing.data.attributes.new(LABEL, "INT", "POINT").data.foreach_set("value", values)


def report_of(thing: bpy.types.Object | None) -> dict | None:
    """What is known of a baked mesh; None for any other object."""
    try:
        report = json.loads(thing.get(REPORT, "null")) if thing is not None else None
    except (ValueError, TypeError):
        return None  # somebody else's property under our name
    return report if isinstance(report, dict) else None


classes = (MaquetteSdf,)
