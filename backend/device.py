"""Where torch computes: what the artist asked for, or the best that is there."""

import torch

from .errors import DeviceError


def choose(device: str = "auto") -> torch.device:
    """The torch device for one of contract.DEVICES. Raises DeviceError if it is not there."""
    there = available()
    if device == "auto":
        return torch.device(there[0])
    if device not in there:
        raise DeviceError(
            f"This computer's PyTorch {torch.__version__} has no {device.upper()} device; choose {' or '.join(there)}."
        )
    return torch.device(device)


def available() -> list[str]:
    """Devices that answer, the fastest first. The processor is always there."""
    devices = []
    if torch.cuda.is_available():
        devices.append("cuda")
    if torch.backends.mps.is_available():
        devices.append("mps")
    return [*devices, "cpu"]


def name(device: torch.device) -> str:
    """The device in words people know it by."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return {"mps": "Apple GPU", "cpu": f"processor, {torch.get_num_threads()} threads"}[device.type]
