"""The Capture panel in a real window: steps appear with the capture, and its scale is set by clicks."""

import json
import shutil

from tests.window.conftest import CHECKOUT, HEIGHT

PLACES = f"""
def pixel_at(x, y):
    views, seen = part("addon.view_landmarks"), part("backend.formats.capture_landmarks").Seen(x, y)
    area, _ = view_3d()
    region = next(r for r in area.regions if r.type == "WINDOW")
    x, y = views.place_of(bpy.context.scene.camera, region, region.data, seen)
    return [int(region.x + x), int({HEIGHT} - 1 - region.y - y)]
"""
REPORT = {"registered": 13, "pictures": 14, "missing": ["IMG_0007.jpg"], "points": 6770, "error_pixels": 0.15}


def test_the_panel_leads_from_pictures_to_metres(window, tmp_path):
    folder = tmp_path / "capture"
    shutil.copytree(CHECKOUT / "assets" / "sample_capture", folder)
    transforms = json.loads((folder / "transforms.json").read_text())
    del transforms["metres_per_unit"], transforms["scale_source"]
    (folder / "transforms.json").write_text(json.dumps(transforms))
    (folder / "report.json").write_text(json.dumps(REPORT))
    window.do(PLACES)
    window.find("maquette.import_photos")
    window.do(f"bpy.ops.maquette.open_capture(directory={str(folder)!r})")
    window.picture("capture")
    window.click("maquette.click_landmarks First End")
    window.wait_until("[o.bl_idname for o in bpy.context.window_manager.windows[0].modal_operators]")
    window._click_at(*window.ask("pixel_at(106.5, 110.5)"))
    window.wait_until("len(part('addon.view_landmarks').seen_in(bpy.context.scene.camera)) == 1")
    (seen,) = json.loads((folder / "landmarks.json").read_text())["views"].values()
    assert list(seen) == ["distance 1"]
    window.picture("capture_clicked")
