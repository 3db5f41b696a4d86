"""One strand file format to another."""

from ..contract import ConvertStrands
from ..formats.strand_files import read_strands, write_strands
from ..protocol import Reporter


def run(request: ConvertStrands, reporter: Reporter) -> dict:
    """Read, clean, turn to metres and Z up, and write. Raises StrandFileError."""
    reporter.stage(f"Reading {request.source.name}", 2)
    strands = read_strands(request.source, request.unit, request.up, reporter.warning)
    reporter.step()
    write_strands(request.destination, strands)
    reporter.step()
    extent = strands.points.max(axis=0) - strands.points.min(axis=0)
    return {
        "destination": str(request.destination),
        "strands": len(strands),
        "points": len(strands.points),
        "mean_length": float(strands.lengths().mean()),
        "extent": [round(float(side), 6) for side in extent],
    }
