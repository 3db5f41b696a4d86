"""Displacement maps from and to files, layouts by a marked seam, and what of a registration is shown."""

from pathlib import Path

import bpy
import numpy as np
from bpy_extras.io_utils import ExportHelper, ImportHelper

from ..addon import detail_heads, detail_inputs, detail_layouts, detail_maps, detail_rig, job_inputs, jobs, residual
from ..addon.flame_rig import Rig, rig_of
from ..addon.landmarks import landmarks_on
from ..backend.contract import MakeLayout
from ..backend.errors import MaquetteError
from .detail import AsksForDetail

MAP_FILES = ";".join(f"*{suffix}" for suffix in detail_maps.SUFFIXES)


class MAQUETTE_OT_open_displacement(bpy.types.Operator, ImportHelper):
    """Open a displacement map that was baked before, with its JSON beside it"""

    bl_idname = "maquette.open_displacement"
    bl_label = "Open Map"
    bl_options = {"REGISTER", "UNDO"}

    filter_glob: bpy.props.StringProperty(default=MAP_FILES, options={"HIDDEN"})

    def execute(self, context):
        try:
            path = Path(bpy.path.abspath(self.filepath))
            detail_layouts.check_beside(path)
            image = detail_maps.load_map(path)
            detail_layouts.keep_beside(image, path)
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        context.scene.maquette.detail.map = image
        return {"FINISHED"}


class MAQUETTE_OT_save_displacement(bpy.types.Operator, ExportHelper):
    """Write the map, painted on or not, with its JSON beside it"""

    bl_idname = "maquette.save_displacement"
    bl_label = "Save Map"
    bl_options = {"REGISTER"}

    filename_ext = ".png"
    filter_glob: bpy.props.StringProperty(default=MAP_FILES, options={"HIDDEN"})

    @classmethod
    def poll(cls, context):
        if detail_heads.map_of(context) is None:
            cls.poll_message_set("Bake a map, or open one")
            return False
        return True

    def invoke(self, context, event):
        image = detail_heads.map_of(context)
        self.filename_ext = ".exr" if detail_maps.facts_of(image).get("stored_range") is None else ".png"
        self.filepath = bpy.path.clean_name(image.name) + self.filename_ext
        return super().invoke(context, event)

    def check(self, context):
        return False  # the name's ending chooses the format

    def execute(self, context):
        path = Path(bpy.path.abspath(self.filepath))
        if path.suffix.lower() not in detail_maps.SUFFIXES:
            path = path.with_name(path.name + self.filename_ext)
        try:
            image = detail_heads.map_of(context)
            detail_maps.save_map(image, path)
            detail_layouts.write(image, detail_layouts.beside(path))
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        except OSError as error:
            self.report({"ERROR"}, f"{path} cannot be written: {error.strerror or error}.")
            return {"CANCELLED"}
        self.report({"INFO"}, f"Saved {path.name} and {path.name}.json.")
        return {"FINISHED"}


class MAQUETTE_OT_make_layout(AsksForDetail, bpy.types.Operator):
    """Unwrap the head anew by the edges that are marked as seams on it, around its face; maps are then baked in that
    layout"""

    bl_idname = "maquette.make_layout"
    bl_label = "Layout from Seam"

    @classmethod
    def trouble(cls, context):
        rig = detail_heads.head_of(context)
        return "" if rig is not None else "Add a FLAME head, or select the one that has the seam"

    def ask(self, context):
        rig = detail_heads.head_of(context)
        _ask_for_layout(rig, detail_layouts.marked_edges(rig))


class MAQUETTE_OT_show_seam(AsksForDetail, bpy.types.Operator):
    """Mark the layout's seam on the head's edges, to look at or to change"""

    bl_idname = "maquette.show_seam"
    bl_label = "Show Seam"
    bl_options = {"REGISTER", "UNDO"}
    trouble = MAQUETTE_OT_make_layout.trouble

    def ask(self, context):
        rig = detail_heads.head_of(context)
        layout = detail_layouts.known_layout(rig)
        if layout is None:
            _ask_for_layout(rig, None)  # of another model's triangles; a moment's work, but not Blender's
        else:
            detail_layouts.show(rig, layout)


def _ask_for_layout(rig: Rig, edges: np.ndarray | None) -> None:
    """Ask for the layout by marked edges (S, 2), or for the program's own."""
    with job_inputs.prepared(MakeLayout.kind) as (job_id, folder):
        seam = None if edges is None else detail_layouts.write_seam(edges, folder / "seam.npy")
        request = MakeLayout(model=detail_inputs.model_of(rig), seam=seam)
    jobs.submit(
        request,
        title=f"Layout of {rig.mesh.name}",
        job_id=job_id,
        context_ids=detail_heads.remember(rig.mesh, job_id),
    )


class MAQUETTE_OT_hair_to_detail(bpy.types.Operator):
    """Have the hair that grows on the plain head grow on the moving one, out of its detail"""

    bl_idname = "maquette.hair_to_detail"
    bl_label = "Hair to Detail"
    bl_options = {"REGISTER", "UNDO"}

    @staticmethod
    def hair(context) -> list[bpy.types.Object]:
        """What grows on the plain head below a moving one."""
        parts = detail_heads.parts(context)
        if "moving" not in parts or "head" not in parts:
            return []
        curves = [thing for thing in context.scene.objects if thing.type == "CURVES"]
        return [thing for thing in curves if thing.data.surface == parts["head"]]

    @classmethod
    def poll(cls, context):
        if not cls.hair(context):
            cls.poll_message_set("No hair grows on a head whose detail moves; use Animate Detail first")
            return False
        return True

    def execute(self, context):
        moving, hair = detail_heads.parts(context)["moving"], self.hair(context)
        try:
            for each in hair:
                detail_rig.follow(each, moving)
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"{', '.join(each.name for each in hair)}: on {moving.name} now.")
        return {"FINISHED"}


class MAQUETTE_OT_show_detail_residual(bpy.types.Operator):
    """Colour the detail by how far the scan lies off it, and hide the scan meanwhile"""

    bl_idname = "maquette.show_detail_residual"
    bl_label = "Show Residual"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        detail = detail_heads.detail_object(context)
        if detail is None or "residual" not in residual.layers_of(detail):
            cls.poll_message_set("Select the detail of a registered scan")
            return False
        return True

    def execute(self, context):
        detail = detail_heads.detail_object(context)
        residual.show_layer(context, detail, "" if residual.shown_layer(detail) else "residual")
        return {"FINISHED"}


class MAQUETTE_OT_show_detail_part(bpy.types.Operator):
    """Show or hide one of what lies in the same place"""

    bl_idname = "maquette.show_detail_part"
    bl_label = "Show"
    bl_options = {"REGISTER", "UNDO"}

    part: bpy.props.EnumProperty(
        items=[
            ("detail", "Detail", "The dense head, with hair and all"),
            ("moving", "Moving", "The dense head that moves with the plain one"),
            ("head", "Head", "The plain FLAME head below it, with its bones"),
            ("scan", "Scan", "The scan that it lies on"),
        ],
        options={"SKIP_SAVE"},
    )

    @classmethod
    def description(cls, context, properties):
        return properties.bl_rna.properties["part"].enum_items[properties.part].description

    def execute(self, context):
        thing = detail_heads.parts(context).get(self.part)
        if thing is None:
            self.report({"ERROR"}, f"There is no {self.part} in the scene.")
            return {"CANCELLED"}
        hide = thing.visible_get()
        with_it = [rig_of(thing).armature] if self.part == "head" else list(landmarks_on(thing).values())
        for each in (thing, *with_it):
            if each.name in context.view_layer.objects:
                each.hide_set(hide)
                each.hide_viewport = each.hide_viewport and hide
        return {"FINISHED"}


classes = (
    MAQUETTE_OT_open_displacement,
    MAQUETTE_OT_save_displacement,
    MAQUETTE_OT_make_layout,
    MAQUETTE_OT_show_seam,
    MAQUETTE_OT_hair_to_detail,
    MAQUETTE_OT_show_detail_residual,
    MAQUETTE_OT_show_detail_part,
)
