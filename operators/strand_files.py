"""Import Strands and Export Strands: hair curves from and to the strand files of the field, by Blender alone."""

from pathlib import Path

import bpy
from bpy_extras.io_utils import ExportHelper, ImportHelper

from ..addon import groom
from ..addon.evaluation import ERRORS, evaluated_strands
from ..addon.hair_material import BROWN, hair_material
from ..addon.settings import property_of
from ..addon.strands_scene import curves_from_strands
from ..backend.contract import ConvertStrands
from ..backend.errors import MaquetteError
from ..backend.formats.strand_files import SUPPORTED, read_strands, readable, writable, write_strands
from .head import InObjectMode


def _offer_bundled_libraries():
    """OpenUSD for strand_usd.py, where this Blender has it to give (4.4 and later)."""
    expose = getattr(bpy.utils, "expose_bundled_modules", None)
    if expose is not None:
        expose()


class MAQUETTE_OT_import_strands(InObjectMode, bpy.types.Operator, ImportHelper):
    """Hair curves from strand files (Cem Yuksel's .hair, USC-HairSalon, CT2Hair, TressFX, PLY, NumPy, USD)"""

    bl_idname = "maquette.import_strands"
    bl_label = "Import Strands"
    bl_options = {"REGISTER", "UNDO"}

    filter_glob: bpy.props.StringProperty(default=";".join(f"*{e}" for e in readable()), options={"HIDDEN"})
    files: bpy.props.CollectionProperty(type=bpy.types.OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"})
    directory: bpy.props.StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})
    unit: property_of(ConvertStrands, "unit", description="Unit of the file; USD files say it themselves")
    up: property_of(ConvertStrands, "up", name="Up Axis")
    attach: bpy.props.BoolProperty(
        name="Attach to Head",
        description="Bind the strands to the scene's head as a groom with guides, so that they follow it",
        default=False,
    )

    def invoke(self, context, event):
        if self.directory and self.files:  # dropped into the viewport
            return context.window_manager.invoke_props_dialog(self)
        return super().invoke(context, event)

    def execute(self, context):
        _offer_bundled_libraries()
        names = [file.name for file in self.files if file.name]
        paths = [Path(bpy.path.abspath(self.directory)) / name for name in names]
        made, trouble = [], None
        for path in paths or [Path(bpy.path.abspath(self.filepath))]:
            try:
                made.append(self.bring_in(context, path))
            except MaquetteError as error:
                trouble = error
                self.report({"ERROR"}, str(error))
        if trouble is not None and not made:
            return {"CANCELLED"}
        for thing in context.selected_objects:
            thing.select_set(False)
        for thing in made:
            thing.select_set(True)
        context.view_layer.objects.active = made[-1]
        return {"FINISHED"}

    def bring_in(self, context, path: Path) -> bpy.types.Object:
        strands = read_strands(path, self.unit, self.up, warn=lambda said: self.report({"WARNING"}, said))
        head = context.scene.maquette.head
        if self.attach and head is not None:
            return groom.add_groom(context, strands, head, name=path.stem).hair
        if self.attach:
            self.report({"WARNING"}, "The scene has no head to attach the strands to; they were imported as they are.")
        data = curves_from_strands(strands, path.stem)
        groom.set_radius(data, strands.counts, groom.strand_radius(len(strands)))
        data.materials.append(hair_material(path.stem, BROWN, from_strands=False))
        thing = bpy.data.objects.new(path.stem, data)
        context.collection.objects.link(thing)
        self.report({"INFO"}, f"{path.name}: {len(strands):,} strands of {len(strands.points):,} points.")
        return thing


class MAQUETTE_OT_export_strands(bpy.types.Operator, ExportHelper):
    """Write the selected hair curves, in world metres, Z up, to a strand file"""

    bl_idname = "maquette.export_strands"
    bl_label = "Export Strands"
    bl_options = {"REGISTER"}

    format: bpy.props.EnumProperty(
        name="Format",
        description="Kind of file",
        items=[(ending, f"{ending}  {SUPPORTED[ending].label}", "") for ending in writable()],
        default=".npz",
    )
    modifiers: bpy.props.BoolProperty(
        name="After Modifiers",
        description="Write the strands as modifiers leave them, at full density",
        default=True,
    )
    filter_glob: bpy.props.StringProperty(default=";".join(f"*{e}" for e in writable()), options={"HIDDEN"})

    @property
    def filename_ext(self):
        return self.format

    @classmethod
    def poll(cls, context):
        if not cls.chosen(context):
            cls.poll_message_set("Select hair curves to export.")
            return False
        return True

    @staticmethod
    def chosen(context) -> list[bpy.types.Object]:
        things = [*context.selected_objects, *([context.active_object] if context.active_object else [])]
        return [t for t in dict.fromkeys(things) if t.type == "CURVES" and t.get("maquette_role") != ERRORS]

    def check(self, context):
        """Another format was chosen: the name's ending follows it."""
        path = Path(self.filepath)
        wanted = path.with_suffix(self.format) if path.suffix.lower() in writable() else Path(f"{path}{self.format}")
        changed = path.name and path != wanted
        if changed:
            self.filepath = str(wanted)
        return bool(changed)

    def execute(self, context):
        _offer_bundled_libraries()
        path = Path(bpy.path.abspath(self.filepath))
        try:
            strands = evaluated_strands(context, self.chosen(context), modifiers=self.modifiers)
            write_strands(path, strands)
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"{path.name}: {len(strands):,} strands of {len(strands.points):,} points.")
        return {"FINISHED"}


class MAQUETTE_FH_strands(bpy.types.FileHandler):
    bl_idname = "MAQUETTE_FH_strands"
    bl_label = "Hair Strands"
    bl_import_operator = "maquette.import_strands"
    bl_file_extensions = ".hair;.data;.tfx;.npz"

    @classmethod
    def poll_drop(cls, context):
        return context.area is not None and context.area.type == "VIEW_3D"


def _import_entry(menu, context):
    menu.layout.operator(MAQUETTE_OT_import_strands.bl_idname, text="Hair Strands (.hair/.data/.tfx/.bin/.ply/.npz)")


def _export_entry(menu, context):
    menu.layout.operator(MAQUETTE_OT_export_strands.bl_idname, text="Hair Strands (.hair/.data/.ply/.npz/.usd)")


classes = (MAQUETTE_OT_import_strands, MAQUETTE_OT_export_strands, MAQUETTE_FH_strands)


def register():
    bpy.types.TOPBAR_MT_file_import.append(_import_entry)
    bpy.types.TOPBAR_MT_file_export.append(_export_entry)


def unregister():
    bpy.types.TOPBAR_MT_file_import.remove(_import_entry)
    bpy.types.TOPBAR_MT_file_export.remove(_export_entry)
