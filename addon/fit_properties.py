"""What the scene remembers of the Fit Head panel: ``scene.maquette.fit``."""

from pathlib import Path

import bpy

from ..backend.contract import BUILT_IN, UNITS, FitHead, FitPhotos
from ..backend.errors import HeadError
from ..backend.formats.head import BUILT_IN_HEAD
from .landmarks import is_scan
from .settings import property_of

_UNIT_NAMES = {"m": "Metres", "cm": "Centimetres", "mm": "Millimetres", "inch": "Inches"}


def _may_be_scan(_group, thing: bpy.types.Object) -> bool:
    return is_scan(thing)


class MaquetteFit(bpy.types.PropertyGroup):
    """Settings of Fit Head to Scan and Fit Head to Photos."""

    model: bpy.props.EnumProperty(
        name="Model",
        description="The head that is fitted",
        items=[
            ("BUILT_IN", "Built-in", "The head that comes with Maquette"),
            ("FILE", "File", "A FLAME model file of your own"),
        ],
    )
    model_file: bpy.props.StringProperty(
        name="Model File", description="FLAME model file (.pkl, .npz)", subtype="FILE_PATH"
    )
    scan: bpy.props.PointerProperty(
        name="Scan", description="Mesh that the head is fitted to", type=bpy.types.Object, poll=_may_be_scan
    )
    unit: bpy.props.EnumProperty(
        name="Unit",
        description="How large a unit of the scan is, as it stands in the scene",
        items=[
            ("AUTO", "By the Face's Size", "Guess it from the landmarks; the panel says what it comes to"),
            *((unit, _UNIT_NAMES[unit], f"One unit is {UNITS[unit]:g} m") for unit in UNITS),
            ("OTHER", "Other", "Say how many metres a unit is"),
        ],
    )
    metres_per_unit: bpy.props.FloatProperty(
        name="Metres per Unit",
        description="Metres in one unit of the scan",
        default=1.0,
        min=1e-6,
        max=1e6,
        precision=5,
    )
    cameras: property_of(
        FitPhotos, "cameras",
        items=[
            ("known", "Known", "The capture says where its cameras stood"),
            ("unknown", "Unknown", "Find out from the face where the cameras stood"),
        ],
    )  # fmt: skip
    expression: property_of(FitHead, "expression")
    identity: property_of(FitHead, "identity", name="Identity Modes")
    views: property_of(FitPhotos, "views")
    seed: property_of(FitPhotos, "seed")
    device: property_of(FitHead, "device")
    solid_colour: bpy.props.StringProperty(description="What solid views showed before the residual's colours")

    def model_name(self) -> str:
        """The model as a request names it: a path, or the word for our own. Raises HeadError for a file that is not
        there."""
        if self.model == "BUILT_IN":
            return BUILT_IN
        path = Path(bpy.path.abspath(self.model_file))
        if not self.model_file or not path.is_file():
            raise HeadError("Choose the FLAME model file to fit." if not self.model_file else f"There is no {path}.")
        return str(path)

    def unit_name(self) -> str:
        """The unit as a request names it; "" to have it guessed."""
        return {"AUTO": "", "OTHER": repr(self.metres_per_unit)}.get(self.unit, self.unit)


def model_path(name: str) -> Path:
    """The file of a model that a request names."""
    return BUILT_IN_HEAD if name == BUILT_IN else Path(name)


classes = (MaquetteFit,)
