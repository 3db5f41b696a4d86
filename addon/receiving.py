"""When and how a result may enter the scene: not in the middle of something, and in one undo step."""

import contextlib

import bpy

RECEIVING_MODES = {"OBJECT", "POSE", "SCULPT_CURVES"}
"""Modes whose undo steps hold the whole scene, so that a result that arrives in them can be undone."""


def hindrance() -> str:
    """What the artist is in the middle of, that a result must not break into; "" if nothing."""
    mode = bpy.context.mode
    if mode not in RECEIVING_MODES:
        return f"Leave {mode.replace('_', ' ').title()} Mode to receive it."
    for window in bpy.context.window_manager.windows:
        if any(operator.bl_idname.startswith("TRANSFORM_OT") for operator in window.modal_operators):
            return "Finish moving to receive it."
    return ""


def push_undo(title: str) -> None:
    """End an undo step; a timer has no window of its own to do it in."""
    window = bpy.context.window or next(iter(bpy.context.window_manager.windows), None)
    with bpy.context.temp_override(window=window) if window else contextlib.nullcontext():
        if bpy.ops.ed.undo_push.poll():
            bpy.ops.ed.undo_push(message=f"Maquette: {title}"[:60])


def redraw() -> None:
    """Ask the panels that show jobs to be drawn again."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "PREFERENCES":
                area.tag_redraw()
            elif area.type == "VIEW_3D":
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()
