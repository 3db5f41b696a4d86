"""Trouble that a person can act on.

Each exception carries one clear sentence for the artist and a stable code for programs. It is raised where the
trouble is noticed; operators report the sentence, the command line prints it and exits 2.
"""

import errno


class MaquetteError(Exception):
    """Base of every trouble whose sentence may be shown to an artist."""

    code = "trouble"


class Cancelled(MaquetteError):
    """The artist asked to stop; not a failure."""

    code = "cancelled"

    def __init__(self, sentence: str = "Cancelled."):
        super().__init__(sentence)


class RequestError(MaquetteError):
    """A setting is missing, unknown or out of its range."""

    code = "request"


class CaptureError(MaquetteError):
    """A capture folder cannot be used as it is."""

    code = "capture"


class CameraFileError(MaquetteError):
    """Solved cameras of another program cannot be read, or do not fit their pictures."""

    code = "camera-file"


class HeadError(MaquetteError):
    """A head mesh or model file cannot be used as it is."""

    code = "head"


class FieldError(MaquetteError):
    """A signed distance field cannot be read, or has no surface."""

    code = "field"


class CoefficientError(MaquetteError):
    """Coefficients of a head model cannot be read, or belong to another model."""

    code = "coefficients"


class LandmarkError(MaquetteError):
    """Landmarks cannot be read, are too few, or do not lie on what they are for."""

    code = "landmarks"


class ScanError(MaquetteError):
    """A scan cannot be read, or no head can be fitted to it."""

    code = "scan"


class StrandFileError(MaquetteError):
    """A file of strands is broken, or of a kind that is not read or written."""

    code = "strand-file"


class DeviceError(MaquetteError):
    """The device asked for is not there, or ran out of memory."""

    code = "device"


class EnvironmentTrouble(MaquetteError):
    """The backend's environment cannot be made, or lacks something."""

    code = "environment"
    code_of_pip = ""
    """What kind of trouble pip had, where it was pip's."""


class Unexpected(MaquetteError):
    """A fault of ours; the log has the details."""

    code = "unexpected"


def explain(error: BaseException) -> MaquetteError:
    """Any exception as one with a sentence. What Python and torch raise for want of memory or of a package is told
    in words of its own; the rest is a fault of ours and says so."""
    if isinstance(error, MaquetteError):
        return error
    if type(error).__name__ == "OutOfMemoryError":
        return DeviceError("The graphics card ran out of memory; close other programs that use it, or choose CPU.")
    if isinstance(error, MemoryError):
        return DeviceError("There was not enough memory; close other programs, or ask for fewer strands or views.")
    if isinstance(error, ModuleNotFoundError) and error.name and "backend" not in error.name:
        return EnvironmentTrouble(
            f"The backend's environment lacks {error.name}; set the backend up again in Maquette's preferences."
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return MaquetteError("The disk is full; make room, or choose another job folder, and resume.")
    return Unexpected(
        f"Something went wrong inside Maquette ({type(error).__name__}: {error}); the log has the details."
    )
