"""Maquette's preferences: the backend and the places of things."""

import bpy

from . import backend_check, job_places, jobs
from .job_drawing import draw_progress, draw_sentence


class MaquettePreferences(bpy.types.AddonPreferences):
    """What an artist sets once."""

    bl_idname = job_places.EXTENSION

    backend_source: bpy.props.EnumProperty(
        name="Backend",
        description="Which Python environment computes",
        items=(
            ("OWN", "Maquette's Own", "An environment that Maquette sets up and keeps for itself"),
            ("EXISTING", "Existing", "An environment of yours that has PyTorch and the other packages already"),
        ),
        default="OWN",
    )
    existing_python: bpy.props.StringProperty(
        name="Its Python",
        description="The python program inside the existing environment",
        subtype="FILE_PATH",
    )
    base_source: bpy.props.EnumProperty(
        name="Made With",
        description="The Python that the environment is made from",
        items=(
            ("BLENDER", "Blender's Python", "Nothing else needs to be installed"),
            ("OTHER", "Another Python", "One of yours, 3.11 to 3.13; it survives when this Blender is removed"),
        ),
        default="BLENDER",
    )
    base_python: bpy.props.StringProperty(
        name="Python", description="A python program, 3.11 to 3.13", subtype="FILE_PATH"
    )
    torch_build: bpy.props.EnumProperty(
        name="Computes On",
        description="Which build of PyTorch is installed",
        items=(
            ("auto", "Automatic", "The graphics card if there is an NVIDIA one (or an Apple GPU), else the processor"),
            ("cpu", "CPU", "The processor; about 3 GB of disk while it is set up"),
            ("cuda", "CUDA", "An NVIDIA card; about 12 GB of disk while it is set up"),
        ),
        default="auto",
    )
    backend_place: bpy.props.StringProperty(
        name="Backend Folder",
        description="Where the environment is kept; empty means Blender's folder for extensions. "
        "A folder of your own is shared by all versions of Blender",
        subtype="DIR_PATH",
    )
    job_place: bpy.props.StringProperty(
        name="Job Folder",
        description="Where jobs keep their files; empty means Blender's folder for extensions",
        subtype="DIR_PATH",
    )
    extra_index: bpy.props.StringProperty(
        name="Extra Package Index",
        description="Address of a further package index, passed to pip as --extra-index-url; empty for none",
    )

    def draw(self, context):
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.row().prop(self, "backend_source", expand=True)
        if self.backend_source == "EXISTING":
            layout.prop(self, "existing_python")
        else:
            self._draw_own(layout, context)
        self._draw_found(layout, context)
        layout.separator()
        layout.prop(self, "job_place", placeholder=str(job_places.jobs()))

    def _draw_own(self, layout, context):
        layout.row().prop(self, "base_source", expand=True)
        if self.base_source == "OTHER":
            layout.prop(self, "base_python")
        layout.row().prop(self, "torch_build", expand=True)
        environment = job_places.backend()
        layout.prop(self, "backend_place", placeholder=str(environment.place))
        layout.prop(self, "extra_index")
        job = backend_check.job()
        if job is not None and job.state.active:
            draw_progress(layout, job)
            return
        if not bpy.app.online_access:
            layout.label(text="Setting up needs the network: Preferences > System > Network", icon="INTERNET_OFFLINE")
        layout.label(text=backend_check.room(self.torch_build))
        row = layout.row(align=True)
        if environment.exists:
            broken = bool(environment.problem())
            row.operator("maquette.set_up_backend", text="Repair" if broken else "Set Up Again", icon="FILE_REFRESH")
            row.operator("maquette.remove_backend", icon="TRASH")
        else:
            row.operator("maquette.set_up_backend", icon="IMPORT")
        if job is not None and job.state.resumable:
            draw_sentence(layout, context, job.message, "ERROR")
            row = layout.row(align=True)
            row.operator("maquette.show_job_log", icon="TEXT").job = job.id

    def _draw_found(self, layout, context):
        if problem := job_places.problem():
            draw_sentence(layout, context, problem, "INFO")
            return
        layout.operator("maquette.check_backend", icon="VIEWZOOM")
        for sentence, icon in backend_check.found():
            draw_sentence(layout, context, sentence, icon)


def active_jobs() -> bool:
    """Something runs or waits, so the backend must stay as it is."""
    return any(record.state.active for record in jobs.all_jobs())


classes = (MaquettePreferences,)
