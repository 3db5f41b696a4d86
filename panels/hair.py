"""Hair from photographs, step by step."""

import bpy

from ..addon import groom, versions
from ..addon.captures import fitted_scale
from ..addon.hair_material import hair_colour_sockets
from ..operators.hair import capture_folder, scene_head, without_capture


class _HairPanel:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Maquette"


class MAQUETTE_PT_hair(_HairPanel, bpy.types.Panel):
    bl_label = "Hair"

    def draw(self, context):
        pass


class _Step(_HairPanel):
    bl_parent_id = "MAQUETTE_PT_hair"

    def columns(self) -> bpy.types.UILayout:
        self.layout.use_property_split = True
        self.layout.use_property_decorate = False
        return self.layout.column()


class MAQUETTE_PT_hair_capture(_Step, bpy.types.Panel):
    bl_label = "1. Photographs"

    def draw(self, context):
        column = self.columns()
        column.prop(context.scene.maquette, "capture")
        row = column.row(align=True)
        row.operator("maquette.look_through", text="", icon="TRIA_LEFT").step = -1
        row.operator("maquette.look_through", icon="CAMERA_DATA")
        row.operator("maquette.look_through", text="", icon="TRIA_RIGHT").step = 1
        if trouble := without_capture(context):
            column.label(text=trouble, icon="INFO")
        elif fitted := fitted_scale(context.scene, capture_folder(context)):
            column.label(text=f"A unit is {fitted:.4g} m, by the head's size", icon="INFO")


class MAQUETTE_PT_hair_head(_Step, bpy.types.Panel):
    bl_label = "2. Head"

    def draw(self, context):
        ours, column = context.scene.maquette, self.columns()
        column.prop(ours, "head")
        head = scene_head(context)
        if head is not None:
            column.prop_search(ours, "scalp", head, "vertex_groups")
            if ours.scalp not in head.vertex_groups:
                column.label(text="Hair will grow where the pictures show it", icon="INFO")
        elif not without_capture(context):
            column.label(text="The built-in head will be fitted", icon="INFO")
        row = column.row(align=True)
        row.operator("maquette.add_head", icon="USER")
        row.operator("maquette.open_head", text="", icon="FILE_FOLDER")
        row.operator("maquette.fit_head", text="Fit Head", icon="SHADING_BBOX")


class MAQUETTE_PT_hair_reconstruct(_Step, bpy.types.Panel):
    bl_label = "3. Strands"

    def draw(self, context):
        ours, column = context.scene.maquette, self.columns()
        column.prop(ours.hair, "preset")
        column.prop(ours.hair, "strands")
        row = column.row()
        row.scale_y = 1.4
        row.operator("maquette.reconstruct_hair", icon="PLAY")
        column.separator()
        column.label(text="Or without photographs:")
        column.operator("maquette.add_hairstyle", icon="OUTLINER_OB_CURVES")


class MAQUETTE_PT_hair_more(_HairPanel, bpy.types.Panel):
    bl_label = "More"
    bl_parent_id = "MAQUETTE_PT_hair_reconstruct"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout, settings = self.layout, context.scene.maquette.hair
        layout.use_property_split = True
        layout.use_property_decorate = False
        for name in ("points", "views", "seed", "device", "detached"):
            layout.prop(settings, name)


class MAQUETTE_PT_hair_result(_Step, bpy.types.Panel):
    bl_label = "4. Groom"

    @classmethod
    def poll(cls, context):
        return groom.current(context) is not None

    def draw(self, context):
        hair = groom.current(context)
        hairs, lights = groom.companions(context, hair)
        column = self.columns()
        column.label(text=hair.name, icon="OUTLINER_OB_CURVES")
        row = column.row(align=True)
        for which, objects in ((groom.GROOM, hairs), (groom.GUIDES, lights)):
            part = row.row(align=True)
            part.enabled = bool(objects)
            shown = any(not thing.hide_viewport for thing in objects)
            part.operator("maquette.show_hair", text=which.capitalize(), depress=shown).which = which
        shown = next((thing for thing in hairs + lights if not thing.hide_viewport), hair)
        self._draw_modifier(column, shown)
        self._draw_colour(column, shown)

    def _draw_modifier(self, column, hair):
        modifier = groom.groom_modifier(hair)
        if modifier is None:
            return
        column.prop(*versions.modifier_property(modifier, "Viewport Display"), text="In Viewport", slider=True)
        if hair.get("maquette_role") == groom.GUIDES:
            for name, label in (
                ("Show Strands", "Show Strands"),
                ("Strands", "Strands"),
                ("Guides per Strand", "Guides Mixed"),
                ("Length Variation", "Shorten"),
            ):
                column.prop(*versions.modifier_property(modifier, name), text=label)

    def _draw_colour(self, column, hair):
        mean, share = hair_colour_sockets(hair.active_material)
        if mean is not None:
            column.prop(mean, "default_value", text="Colour")
        if share is not None and hair.data.attributes.get("maquette_colour"):
            column.prop(share, "default_value", text="From Photos", slider=True)


classes = (
    MAQUETTE_PT_hair,
    MAQUETTE_PT_hair_capture,
    MAQUETTE_PT_hair_head,
    MAQUETTE_PT_hair_reconstruct,
    MAQUETTE_PT_hair_more,
    MAQUETTE_PT_hair_result,
)
