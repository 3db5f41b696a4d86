"""What the scene remembers of the FLAME panel: ``scene.maquette.flame``."""

import bpy


class MaquetteFlame(bpy.types.PropertyGroup):
    """Settings of the FLAME panel."""

    search: bpy.props.StringProperty(
        name="Search", description="Show only sliders with this in their name", options={"TEXTEDIT_UPDATE"}
    )
    shown: bpy.props.IntProperty(
        name="Sliders", description="How many sliders of a group are listed at most", default=20, min=1, soft_max=100
    )
    seed: bpy.props.IntProperty(name="Seed", description="Of the next random head", default=0, min=0)


classes = (MaquetteFlame,)
