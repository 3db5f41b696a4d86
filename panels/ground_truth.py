"""Ground truth: what is rendered, from where, how well."""

import bpy


class MAQUETTE_PT_ground_truth(bpy.types.Panel):
    bl_label = "Ground Truth"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Maquette"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        ours, layout = context.scene.maquette.ground_truth, self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(ours, "hair")
        layout.prop(ours, "head")
        layout.prop(ours, "out")
        column = layout.column()
        column.prop(ours, "cameras")
        rings = column.column()
        rings.active = ours.cameras == "rings"
        rings.prop(ours, "views")
        rings.prop(ours, "size")
        column = layout.column()
        column.prop(ours, "samples")
        column.prop(ours, "lighting")
        column.prop(ours, "denoise")
        column.prop(ours, "surface")
        layout.operator("maquette.render_ground_truth", icon="RENDER_STILL")


classes = (MAQUETTE_PT_ground_truth,)
