"""The later steps of the Capture panel in a real window: strokes are painted with a brush of the image editor."""

import json
import shutil

from tests.window.conftest import CHECKOUT

FOUND = {
    "light": "yellow",
    "findings": [{"light": "yellow", "sentence": "The head is 144 pixels high only.", "views": []}],
}


def test_strokes_are_painted_in_the_image_editor(window, tmp_path):
    folder = tmp_path / "capture"
    shutil.copytree(CHECKOUT / "assets" / "sample_capture", folder)
    window.do(f"bpy.ops.maquette.open_capture(directory={str(folder)!r})")
    (folder / "check.json").write_text(json.dumps(FOUND))
    window.find("maquette.check_capture")
    window.picture("capture_check")
    window.find("maquette.paint_strokes")
    window.picture("capture_masks")
    window.click("maquette.paint_strokes")
    window.wait_until("any('maquette_strokes' in image for image in bpy.data.images)")
    window.do("bpy.ops.maquette.stroke_colour(kind='bust')")
    window.wait_until(
        "(getattr(bpy.context.tool_settings.image_paint, 'unified_paint_settings', None)"
        " or bpy.context.tool_settings.unified_paint_settings).color[:] == (0.0, 1.0, 0.0)"
    )
    window.picture("strokes")
