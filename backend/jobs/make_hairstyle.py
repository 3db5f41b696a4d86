"""A hairstyle by our own generator: strands with their roots on a head."""

from ..contract import MakeHairstyle
from ..formats.head import BUILT_IN_HEAD, read_head
from ..formats.strands import write_npz
from ..hair.styles import STYLES, make_hairstyle
from ..protocol import Reporter


def run(request: MakeHairstyle, reporter: Reporter) -> dict:
    """Write ``strands.npz``: points, counts, root_uv (N, 2), root_face (N,), root_barycentric (N, 3).

    Raises HeadError where the head cannot be read or has no scalp.
    """
    head = read_head(request.head or BUILT_IN_HEAD, unit=request.unit, up=request.up)

    def progress(stage: str, total: int):
        reporter.stage(stage, total)
        return reporter.step

    style = STYLES[request.style]
    hairstyle = make_hairstyle(head, style, request.strands, request.seed, request.points, progress=progress)
    roots = hairstyle.roots
    extra = {"root_face": roots.faces, "root_barycentric": roots.barycentric}
    if roots.uv is not None:
        extra["root_uv"] = roots.uv
    write_npz(reporter.folder / "strands.npz", hairstyle.strands, **extra)
    lengths = hairstyle.strands.lengths()
    return {
        "strands": "strands.npz",
        "style": style.name,
        "count": len(hairstyle.strands),
        "points": int(hairstyle.strands.counts[0]),
        "mean_length": float(lengths.mean()),
    }
