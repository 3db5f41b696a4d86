"""Reconstruct Hair, Fit Head, Add Hairstyle, and what an artist does with the groom that comes of them."""

from pathlib import Path

import bpy

from ..addon import captures, groom, hair_results, heads, job_inputs, jobs
from ..addon.settings import property_of
from ..backend.contract import AlignHead, MakeHairstyle, ReconstructHair
from ..backend.errors import HeadError, MaquetteError
from ..backend.formats.capture import read_capture
from ..backend.formats.head import BUILT_IN_HEAD, read_head, write_head


def capture_folder(context: bpy.types.Context) -> Path | None:
    """The scene's capture as an absolute path, or None where none is chosen."""
    chosen = context.scene.maquette.capture
    return Path(bpy.path.abspath(chosen)) if chosen else None


def without_capture(context: bpy.types.Context) -> str:
    """Why there is no capture to work from, in a sentence; "" where there is one."""
    folder = capture_folder(context)
    if folder is None:
        return "Open a capture first"
    if not (folder / "transforms.json").is_file():
        return f"There is no transforms.json in {folder}; open the capture again"
    return ""


def scene_head(context: bpy.types.Context) -> bpy.types.Object | None:
    """The head chosen in the panel, if it is still in the scene."""
    head = context.scene.maquette.head
    return head if head is not None and head.name in context.scene.objects else None


def write_scene_head(context: bpy.types.Context, head: bpy.types.Object, path: Path) -> None:
    """Write a head as it is evaluated now, in the world, with the scalp that the panel names. Raises HeadError."""
    model = heads.head_from_object(head, context.evaluated_depsgraph_get())
    scalp = context.scene.maquette.scalp
    if scalp in model.regions:
        model = model.with_scalp(model.regions[scalp])
    elif scalp and scalp != "scalp":
        raise HeadError(f"The head '{head.name}' has no vertex group '{scalp}' with vertices in it; choose its scalp.")
    write_head(path, model)


class _AsksForHair:
    """Submits a request about a head: lays the head into the job's folder, and marks it so that it is found again."""

    def submit(self, context, kind: str, make_request, title: str, head, **options) -> set[str]:
        """``make_request(path of the head's file or None)`` gives the request."""
        try:
            with job_inputs.prepared(kind) as (job_id, folder):
                path, remembered = None, {}
                if head is not None:
                    path = folder / "asked_head.npz"
                    remembered = {"head": head.name, "head_matrix": hair_results.matrix_as_list(head)}
                    write_scene_head(context, head, path)
                    hair_results.remember_head(head, job_id)
            jobs.submit(make_request(path), title=title, job_id=job_id, context_ids=remembered, **options)
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class MAQUETTE_OT_reconstruct_hair(_AsksForHair, bpy.types.Operator):
    bl_idname = "maquette.reconstruct_hair"
    bl_label = "Reconstruct Hair"
    bl_description = "Grow strands from the capture's photographs, on the head chosen here or on the built-in one"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        trouble = without_capture(context)
        if trouble:
            cls.poll_message_set(trouble)
        return not trouble

    def execute(self, context):
        settings, folder = context.scene.maquette.hair, capture_folder(context)
        try:
            capture = read_capture(folder)
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        fitted, scale = captures.fitted_scale(context.scene, capture.folder), {}
        if fitted and scene_head(context):
            # The head stands in metres, and so do the capture's cameras since it was fitted.
            scale = {"metres_per_unit": fitted, "scale_source": "head fit"}
        return self.submit(
            context,
            ReconstructHair.kind,
            lambda head: ReconstructHair(
                capture=capture.folder,
                head=head,
                preset=settings.preset,
                strands=settings.strands,
                points=settings.points,
                views=settings.views,
                device=settings.device,
                seed=settings.seed,
                **scale,
            ),
            f"Hair of {folder.name}",
            scene_head(context),
            detached=settings.detached,
        )


class MAQUETTE_OT_fit_head(_AsksForHair, bpy.types.Operator):
    bl_idname = "maquette.fit_head"
    bl_label = "Fit Head to Capture"
    bl_description = (
        "Lay the head chosen here, or the built-in one, into the photographs by its outline. "
        "Move, turn or scale it afterwards if it is not right: hair grows on it as it then stands"
    )
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        return MAQUETTE_OT_reconstruct_hair.poll.__func__(cls, context)

    def execute(self, context):
        folder, settings = capture_folder(context), context.scene.maquette.hair
        return self.submit(
            context,
            AlignHead.kind,
            lambda head: AlignHead(capture=folder, head=head, device=settings.device),
            f"Head of {folder.name}",
            scene_head(context),
        )


class MAQUETTE_OT_add_hairstyle(_AsksForHair, bpy.types.Operator):
    bl_idname = "maquette.add_hairstyle"
    bl_label = "Add Hairstyle"
    bl_description = "Grow a hairstyle by rule on the head chosen here; without one the built-in head is added"
    bl_options = {"REGISTER"}

    style: property_of(MakeHairstyle, "style")
    strands: property_of(MakeHairstyle, "strands")
    seed: property_of(MakeHairstyle, "seed")

    def invoke(self, context, event):
        if not self.properties.is_property_set("style"):
            self.style = context.scene.maquette.hair.style
        return context.window_manager.invoke_props_dialog(self)

    def execute(self, context):
        head = scene_head(context)
        if head is None:
            try:
                head = heads.add_head(context, read_head(BUILT_IN_HEAD), name="Head")
            except MaquetteError as error:
                self.report({"ERROR"}, str(error))
                return {"CANCELLED"}
            context.scene.maquette.head = head
            context.view_layer.update()
        context.scene.maquette.hair.style = self.style
        return self.submit(
            context,
            MakeHairstyle.kind,
            lambda path: MakeHairstyle(style=self.style, head=path, strands=self.strands, seed=self.seed),
            f"{self.style.capitalize()} Hair",
            head,
        )


class MAQUETTE_OT_show_hair(bpy.types.Operator):
    bl_idname = "maquette.show_hair"
    bl_label = "Show Hair"
    bl_options = {"REGISTER", "UNDO"}

    which: bpy.props.EnumProperty(
        name="Show",
        items=[
            ("groom", "Groom", "Show and render every strand as it was reconstructed"),
            ("guides", "Guides", "Show the guides for combing; what grows between them renders"),
        ],
    )

    @classmethod
    def description(cls, context, properties):
        return properties.bl_rna.properties["which"].enum_items[properties.which].description

    @classmethod
    def poll(cls, context):
        if groom.current(context) is None:
            cls.poll_message_set("There is no groom in this scene yet")
            return False
        return True

    def execute(self, context):
        hairs, lights = groom.companions(context, groom.current(context))
        if not (hairs if self.which == groom.GROOM else lights):
            self.report({"ERROR"}, f"The {self.which} of this hair has been deleted.")
            return {"CANCELLED"}
        groom.show(hairs, lights, self.which)
        return {"FINISHED"}


classes = (MAQUETTE_OT_reconstruct_hair, MAQUETTE_OT_fit_head, MAQUETTE_OT_add_hairstyle, MAQUETTE_OT_show_hair)
