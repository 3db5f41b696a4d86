"""An artist's first clicks in the sidebar."""


def test_the_tab_is_drawn(window):
    assert window.ask("sidebar().active_panel_category") == "Maquette"
    window.picture("tab")


def test_the_preferences_are_drawn(window):
    window.do("show_preferences()")
    window.wait_until("'MaquettePreferences' in drawn")
    window.raise_preferences()
    window.picture("preferences")
    window.do("close_preferences()")


def test_add_head_by_its_button(window):
    before = window.ask("len(bpy.data.objects)")
    window.click("maquette.add_head")
    window.wait_until(f"len(bpy.data.objects) > {before}")
    assert window.ask("bpy.context.view_layer.objects.active.get('maquette_role')") == "head"
    window.do("frame_selected()")
    window.picture("head")
    window.press("ctrl+z")
    window.wait_until(f"len(bpy.data.objects) == {before}")
