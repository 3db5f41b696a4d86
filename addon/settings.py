"""Blender properties from the requests' own declarations, so that a range or a tooltip is written once."""

import dataclasses
import typing

import bpy

from ..backend.contract import Request

LABELS = {"auto": "Automatic", "cpu": "CPU", "cuda": "CUDA", "mps": "Metal"}
LABELS |= {"m": "Metres", "cm": "Centimetres", "mm": "Millimetres", "inch": "Inches"}


def property_of(request: type[Request], name: str, /, **overrides):
    """The Blender property for one field of a request: type, default, range, choices and tooltip.

    Args:
        request: a request of ``backend.contract``.
        name: of its field.
        overrides: anything to say otherwise to the artist (``name``, ``description``, ``default``, ``soft_max``, ...).
    """
    field = next(f for f in dataclasses.fields(request) if f.name == name)
    rules = field.metadata
    kind = typing.get_type_hints(request)[name]
    # Blender puts the full stop behind a tooltip itself.
    options = {"name": name.replace("_", " ").title(), "description": rules["help"].rstrip(".")}
    if field.default is not dataclasses.MISSING and field.default is not None:
        options["default"] = field.default
    if rules["choices"]:
        options["items"] = [(c, LABELS.get(c, c.capitalize()), "") for c in rules["choices"]]
        return bpy.props.EnumProperty(**(options | overrides))
    if kind in (int, float):
        if rules["minimum"] is not None:
            options["min"] = rules["minimum"]
        if rules["maximum"] is not None:
            options["max"] = rules["maximum"]
        make = bpy.props.IntProperty if kind is int else bpy.props.FloatProperty
        return make(**(options | overrides))
    if kind is bool:
        return bpy.props.BoolProperty(**(options | overrides))
    options["default"] = str(options.get("default", ""))
    return bpy.props.StringProperty(**(options | overrides))
