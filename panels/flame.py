"""The FLAME head that is active, or the scene's head: its sliders in groups."""

import bpy

from ..addon.flame_armature import MASTER
from ..addon.flame_rig import current_rig
from ..backend.formats.arkit import NAMES


class _FlamePanel:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Maquette"


class MAQUETTE_PT_flame(_FlamePanel, bpy.types.Panel):
    bl_label = "FLAME Head"

    def draw(self, context):
        column = self.layout.column()
        column.operator("maquette.add_built_in_flame_head", icon="USER")
        column.operator("maquette.add_flame_head", text="Add Head from a FLAME File", icon="FILE_FOLDER")
        rig = current_rig(context)
        if rig is None:
            return
        column.label(text=rig.mesh.name, icon="OUTLINER_OB_ARMATURE")
        row = column.row(align=True)
        row.operator("maquette.apply_coefficients", text="Apply", icon="IMPORT")
        row.operator("maquette.save_coefficients", text="Save", icon="EXPORT")
        row = column.row(align=True)
        row.operator("maquette.keyframe_face", icon="ANIM")
        row.operator("maquette.save_face_motion", text="", icon="EXPORT")
        column.operator("maquette.export_face_animation", icon="FILE_CACHE")
        column.prop(context.scene.maquette.flame, "search", text="", icon="VIEWZOOM")


class _Group(_FlamePanel):
    """A group of sliders below."""

    bl_parent_id = "MAQUETTE_PT_flame"
    group = ""

    @classmethod
    def poll(cls, context):
        return current_rig(context) is not None

    def draw(self, context):
        rig, ours = current_rig(context), context.scene.maquette.flame
        names = getattr(rig, self.group)
        row = self.layout.row(align=True)
        row.operator("maquette.randomise_head", icon="FILE_REFRESH").group = self.group
        row.operator("maquette.reset_head", icon="LOOP_BACK").group = self.group
        found = [name for name in names if ours.search.lower() in name.lower()]
        column = self.layout.column(align=True)
        blocks = rig.keys.key_blocks if rig.keys else {}
        for name in found[: ours.shown]:
            if name in blocks:
                column.prop(blocks[name], "value", text=name, slider=True)
        if len(found) > ours.shown:
            self.layout.prop(ours, "shown", text=f"Of {len(found)}, Shown")
        elif not found:
            column.label(text="No slider of this name" if names else "The model has none", icon="INFO")


class MAQUETTE_PT_flame_identity(_Group, bpy.types.Panel):
    bl_label = "Identity"
    group = "identity"


class MAQUETTE_PT_flame_expression(_Group, bpy.types.Panel):
    bl_label = "Expression"
    bl_options = {"DEFAULT_CLOSED"}
    group = "expression"


class MAQUETTE_PT_flame_arkit(_Group, bpy.types.Panel):
    bl_label = "ARKit"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        rig, ours = current_rig(context), context.scene.maquette.flame
        sliders = rig.mesh.maquette_arkit
        row = self.layout.row(align=True)
        row.operator("maquette.fit_arkit_table", icon="SHAPEKEY_DATA")
        row.operator("maquette.load_arkit_table", text="", icon="IMPORT")
        column = self.layout.column(align=True)
        for slider in sliders:
            if ours.search.lower() in slider.name.lower():
                column.prop(slider, "value", text=slider.name, slider=True)
        if len(sliders) < len(NAMES):
            self.layout.label(text=f"{len(sliders)} of {len(NAMES)} shapes known", icon="INFO")


class MAQUETTE_PT_flame_pose(_Group, bpy.types.Panel):
    bl_label = "Pose"
    bl_options = {"DEFAULT_CLOSED"}
    group = "joints"

    def draw(self, context):
        rig, search = current_rig(context), context.scene.maquette.flame.search.lower()
        self.layout.operator("maquette.reset_head", icon="LOOP_BACK").group = "pose"
        bones = rig.armature.pose.bones
        for name in rig.joints[::-1]:
            if name in bones and search in name.lower():
                bone = bones[name]
                channel = {"QUATERNION": "rotation_quaternion", "AXIS_ANGLE": "rotation_axis_angle"}
                self.layout.column().prop(
                    bone, channel.get(bone.rotation_mode, "rotation_euler"), text=name.replace("_", " ").title()
                )
        if MASTER in bones and not search:
            self.layout.column().prop(bones[MASTER], "location", text="Translation")


classes = (
    MAQUETTE_PT_flame,
    MAQUETTE_PT_flame_identity,
    MAQUETTE_PT_flame_expression,
    MAQUETTE_PT_flame_arkit,
    MAQUETTE_PT_flame_pose,
)
