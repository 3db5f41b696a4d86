"""Trouble that a person can act on.

Each exception carries one clear sentence for the artist and a stable code for programs. It is raised where the
trouble is noticed; operators report the sentence, the command line prints it and exits 2.
"""


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


class HeadError(MaquetteError):
    """A head mesh or model file cannot be used as it is."""

    code = "head"


class StrandFileError(MaquetteError):
    """A file of strands is broken, or of a kind that is not read or written."""

    code = "strand-file"


class DeviceError(MaquetteError):
    """The device asked for is not there, or ran out of memory."""

    code = "device"
