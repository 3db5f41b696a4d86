"""The head that hair grows on."""

import bpy


class MAQUETTE_PT_head(bpy.types.Panel):
    bl_label = "Head"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Maquette"

    def draw(self, context):
        self.layout.operator("maquette.add_head", icon="USER")


classes = (MAQUETTE_PT_head,)
