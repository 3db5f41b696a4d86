"""What this environment has."""

import importlib.metadata
import importlib.util
import platform

from ..contract import CheckBackend
from ..protocol import Reporter


def run(request: CheckBackend, reporter: Reporter) -> dict:
    """Versions of Python, torch and PyTorch3D (None if it is not there), the device that "auto" means, and its name."""
    reporter.stage("Looking at the backend")
    # Imported here, and slow: a missing torch is then an answer rather than a job that cannot be loaded.
    import torch

    from .. import device

    chosen = device.choose("auto")
    # A wheel may be listed and yet be built for another torch, so it counts only if its compiled part loads.
    torch.ones(8, device=chosen).sum().item()
    pytorch3d = None
    if importlib.util.find_spec("pytorch3d"):
        try:
            import pytorch3d._C

            pytorch3d = importlib.metadata.version("pytorch3d")
        except (ImportError, OSError) as error:
            reporter.warning(f"PyTorch3D is installed but does not load ({error}); Maquette goes on without it.")
    reporter.step()
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": chosen.type,
        "device_name": device.name(chosen),
        "pytorch3d": pytorch3d,
    }
