"""Every request the backend answers, declared once.

A request is a frozen dataclass. Its fields give the command line its options, the panels their ranges and the worker
its checks, so that a setting exists in one place only. Standard library only: Blender imports this without torch.
"""

import dataclasses
import math
import typing
from pathlib import Path

from ..errors import RequestError
from .captures import (
    CheckCapture,
    FindLandmarks,
    ImportCameras,
    ImportPhotos,
    MakeMasks,
    PlaceCapture,
    RenderGroundTruth,
    UndistortPhotographs,
)
from .detail import (
    AnimateDetail,
    ApplyDetail,
    BakeDetail,
    MakeLayout,
    MakeScan,
    RegisterScan,
    RegisterScans,
    TransferDetail,
)
from .hair import ConvertStrands, EvaluateStrands, MakeHairstyle, ReconstructHair
from .heads import (
    AlignHead,
    BakeSdf,
    BakeTexture,
    EvaluateHead,
    FitArkit,
    FitHead,
    FitPhotos,
    OuterSurface,
    ReconstructHead,
)
from .jobs import CheckBackend, FakeJob, SetUpBackend
from .settings import BUILT_IN, DEVICES, HEAD_PRESETS, PRESETS, REGISTRATION_PRESETS, UNITS, Request, setting

__all__ = [
    "BLENDER_REQUESTS",
    "BUILT_IN",
    "DEVICES",
    "HEAD_PRESETS",
    "PRESETS",
    "REGISTRATION_PRESETS",
    "REQUESTS",
    "UNITS",
    "AlignHead",
    "AnimateDetail",
    "ApplyDetail",
    "BakeDetail",
    "BakeSdf",
    "BakeTexture",
    "CheckBackend",
    "CheckCapture",
    "ConvertStrands",
    "EvaluateHead",
    "EvaluateStrands",
    "FakeJob",
    "FindLandmarks",
    "FitArkit",
    "FitHead",
    "FitPhotos",
    "ImportCameras",
    "ImportPhotos",
    "MakeHairstyle",
    "MakeLayout",
    "MakeMasks",
    "MakeScan",
    "OuterSurface",
    "PlaceCapture",
    "ReconstructHair",
    "ReconstructHead",
    "RegisterScan",
    "RegisterScans",
    "RenderGroundTruth",
    "Request",
    "SetUpBackend",
    "TransferDetail",
    "UndistortPhotographs",
    "check",
    "decode",
    "encode",
    "find",
    "setting",
]

REQUESTS: dict[str, type[Request]] = {
    request.kind: request
    for request in (
        FakeJob, CheckBackend, SetUpBackend,
        ReconstructHair, EvaluateStrands, ConvertStrands, MakeHairstyle, AlignHead, FitHead, FitPhotos, FitArkit,
        ReconstructHead, EvaluateHead, BakeSdf, BakeTexture,
        OuterSurface, ImportPhotos, PlaceCapture, ImportCameras,
        RegisterScan, AnimateDetail, BakeDetail, ApplyDetail, TransferDetail,
        MakeLayout, MakeMasks, FindLandmarks, CheckCapture, MakeScan, RegisterScans,
    )
}  # fmt: skip

BLENDER_REQUESTS: dict[str, type[Request]] = {
    request.kind: request for request in (RenderGroundTruth, UndistortPhotographs)
}
"""Requests that a Blender without a window answers, as a job like any other, rather than the backend."""


def encode(request: Request) -> dict:
    """A request as plain JSON values, with its kind."""
    values = {field.name: getattr(request, field.name) for field in dataclasses.fields(request)}
    return {"kind": request.kind} | {k: str(v) if isinstance(v, Path) else v for k, v in values.items()}


def find(kind: str) -> type[Request]:
    """The request of that name. Raises RequestError."""
    known = REQUESTS | BLENDER_REQUESTS
    if not isinstance(kind, str) or kind not in known:
        raise RequestError(f"There is no request named {kind!r}; choose one of {', '.join(sorted(REQUESTS))}.")
    return known[kind]


def decode(values: dict) -> Request:
    """A checked request from JSON values. Raises RequestError with a sentence for anything that does not fit."""
    values = dict(values)
    return check(find(values.pop("kind", None)), values)


def check(request_type: type[Request], values: dict) -> Request:
    """A request of a known type from the values of its settings, checked. Raises RequestError as ``decode`` does."""
    values, kind = dict(values), request_type.kind
    hints = typing.get_type_hints(request_type)
    checked = {}
    for field in dataclasses.fields(request_type):
        if field.name in values:
            checked[field.name] = _checked(field, hints[field.name], values.pop(field.name))
        elif field.default is dataclasses.MISSING:
            raise RequestError(f"{kind} needs {field.name.replace('_', ' ')}: {field.metadata['help']}")
    if values:
        raise RequestError(f"{kind} has no setting named {', '.join(sorted(map(str, values)))}.")
    return request_type(**checked)


def _checked(field: dataclasses.Field, hint, value):
    name, rules = field.name.replace("_", " "), field.metadata
    optional = type(None) in typing.get_args(hint)
    if optional and value is None:
        return None
    wanted = next(t for t in typing.get_args(hint) if t is not type(None)) if optional else hint
    try:
        # Python would take True for 1, 2.5 for 2 and None for "None"; whoever sends such a thing is mistaken.
        if isinstance(value, bool) != (wanted is bool) or (wanted is str and not isinstance(value, str)):
            raise ValueError(value)
        if (wanted is Path and not str(value).strip()) or (isinstance(value, float) and wanted(value) != value):
            raise ValueError(value)
        value = wanted(value)
        if wanted is float and not math.isfinite(value):
            raise ValueError(value)
    except (TypeError, ValueError, OverflowError):
        word = {int: "a whole number", float: "a number", Path: "a path", bool: "true or false"}.get(wanted, "text")
        raise RequestError(f"The setting '{name}' must be {word}, not {value!r}.") from None
    if rules["choices"] and value not in rules["choices"]:
        raise RequestError(f"The setting '{name}' must be one of {', '.join(rules['choices'])}, not {value!r}.")
    low, high = rules["minimum"], rules["maximum"]
    if (low is not None and value < low) or (high is not None and value > high):
        span = (
            f"from {low} to {high}"
            if None not in (low, high)
            else f"at least {low}"
            if high is None
            else f"at most {high}"
        )
        raise RequestError(f"The setting '{name}' must be {span}, not {value}.")
    return value
