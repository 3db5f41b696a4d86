"""The demo as `build.py demo` runs it, as small as it goes: every file it promises is there and says what it should."""

import json
import os
from pathlib import Path

import bpy
import pytest

backend = pytest.mark.skipif(
    not os.environ.get("MAQUETTE_BACKEND_PYTHON"), reason="MAQUETTE_BACKEND_PYTHON names no backend interpreter"
)


@backend
def test_demo_leaves_what_it_promises(maquette_part, tmp_path):
    out = tmp_path / "démo 1"
    small = ["--strands", "400", "--views", "6", "--size", "128", "--samples", "2", "--style", "short"]
    assert maquette_part("addon.headless").main(["demo", "--out", str(out), *small]) == 0
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    scores = {(r["sign"], r["millimetres"]): r["f_score"] for r in metrics["rows"]}
    assert 0 < scores["undirected", 2] <= scores["undirected", 3] <= scores["undirected", 4] <= 100
    assert set(metrics["seconds"]) >= {"grow", "render", "reconstruct", "evaluate", "picture", "all"}
    assert (out / "contact_sheet.png").stat().st_size > 20_000
    bpy.ops.wm.open_mainfile(filepath=str(out / "demo.blend"))
    roles = [thing.get("maquette_role") for thing in bpy.data.objects]
    assert roles.count("camera") == 6
    assert {"truth", "groom", "guides", "head"} <= set(roles)
    assert len(bpy.data.objects["Truth"].data.curves) == 400


def test_demo_says_what_it_needs(maquette_part, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("MAQUETTE_BACKEND_PYTHON", raising=False)
    demo = maquette_part("addon.headless").main
    assert demo(["demo", "--out", str(tmp_path), "--views", "3"]) == 2
    assert "at least 5 views" in capsys.readouterr().err
    assert demo(["demo", "--out", str(tmp_path)]) == 2
    assert "MAQUETTE_BACKEND_PYTHON" in capsys.readouterr().err
    assert not (Path(tmp_path) / "metrics.json").exists()
