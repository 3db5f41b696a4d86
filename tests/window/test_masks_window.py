"""The later steps of the Capture panel in a real window: strokes are painted with a brush of the image editor."""

import json
import shutil

import numpy as np
from PIL import Image

from tests.window.conftest import CHECKOUT

BRUSH = """
if bpy.context.tool_settings.image_paint.brush is None:
    # Debian's Blender comes without the brushes that Blender brings.
    bpy.data.brushes.new("Plain", mode="TEXTURE_PAINT").asset_mark()
    window = bpy.context.window_manager.windows[-1]
    area = next(area for area in window.screen.areas if area.type == "IMAGE_EDITOR")
    with bpy.context.temp_override(window=window, area=area):
        bpy.ops.brush.asset_activate(asset_library_type="LOCAL", relative_asset_identifier="Brush/Plain")
"""
CANVAS = """
def on_canvas(u, v):
    window = bpy.context.window_manager.windows[-1]
    area = next(area for area in window.screen.areas if area.type == "IMAGE_EDITOR")
    region = next(region for region in area.regions if region.type == "WINDOW")
    x, y = region.view2d.view_to_region(u, v, clip=False)
    return [int(region.x + x), int(window.height - 1 - region.y - y)]
"""

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
    # Without a window manager the editor's window lies somewhere; it is asked where.
    window.do(CANVAS)
    left, top = window.place_of_last_window()
    start, end = (
        [left + x, top + y] for x, y in (window.ask("on_canvas(0.3, 0.5)"), window.ask("on_canvas(0.7, 0.5)"))
    )
    window.do(BRUSH)
    window.do("bpy.ops.maquette.stroke_colour(kind='hair')")
    window.drag(start, end)
    window.picture("strokes_painted")
    window.do(f"bpy.ops.wm.save_as_mainfile(filepath={str(tmp_path / 'painted.blend')!r})")
    (stroke,) = (folder / "strokes").iterdir()
    red, green, blue, alpha = np.moveaxis(np.asarray(Image.open(stroke).convert("RGBA")), 2, 0)
    painted = (alpha > 127) & (red > 127) & (green < 128) & (blue < 128)
    assert painted.sum() > 200, painted.sum()
    columns = np.flatnonzero(painted.any(axis=0)) / painted.shape[1]
    assert columns.min() < 0.35 and columns.max() > 0.65
