"""A head's surface: a mesh from a distance field."""

import bpy

from ..addon import jobs, sdf_baking
from ..addon.job_drawing import draw_progress


class _SurfacePanel:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Maquette"


class MAQUETTE_PT_head_surface(_SurfacePanel, bpy.types.Panel):
    bl_label = "Head Surface"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        settings, layout = context.scene.maquette.sdf, self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column()
        for name in ("field", "resolution", "faces", "uv", "close", "positive_inside"):
            column.prop(settings, name)
        row = layout.row()
        row.scale_y = 1.4
        row.operator("maquette.bake_sdf", icon="PLAY")
        for record in jobs.all_jobs():
            if record.kind == "bake-sdf" and record.state.active:
                draw_progress(layout.box(), record)


class MAQUETTE_PT_baked_mesh(_SurfacePanel, bpy.types.Panel):
    bl_label = "Baked Mesh"
    bl_parent_id = "MAQUETTE_PT_head_surface"

    @classmethod
    def poll(cls, context):
        return sdf_baking.report_of(context.active_object) is not None

    def draw(self, context):
        thing, column = context.active_object, self.layout.column(align=True)
        report = sdf_baking.report_of(thing)
        column.label(text=thing.name, icon="MESH_DATA")
        column.label(
            text=f"{report.get('triangles', 0):,} triangles of a field at {report.get('spacing_mm', 0):.2g} mm"
        )
        if report.get("watertight"):
            column.label(text="Watertight", icon="CHECKMARK")
        else:
            column.label(text=f"{report.get('holes', 0)} holes", icon="INFO")
        if report.get("closed_sides"):
            column.label(text=f"Closed at the {', '.join(report['closed_sides'])}", icon="INFO")
        if report.get("pieces_left_out"):
            column.label(text=f"{report['pieces_left_out']} loose pieces left out", icon="INFO")


classes = (MAQUETTE_PT_head_surface, MAQUETTE_PT_baked_mesh)
