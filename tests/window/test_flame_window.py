"""A FLAME head's panel in the sidebar."""

from backend.formats.flame_model import write_flame_model
from tests.unit.flame_example import example_model


def test_identity_is_thrown_and_reset_by_its_buttons(window, tmp_path):
    model = example_model(vertices=60, identity=8, expression=6)
    write_flame_model(tmp_path / "model.npz", model)
    window.do(f"bpy.ops.maquette.add_flame_head(filepath={str(tmp_path / 'model.npz')!r})")
    values = "[round(k.value, 4) for k in bpy.context.object.data.shape_keys.key_blocks[1:9]]"
    window.click("maquette.randomise_head")
    window.wait_until(f"any({values})")
    window.picture("flame-head")
    window.click("maquette.reset_head")
    window.wait_until(f"not any({values})")
