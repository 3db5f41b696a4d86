"""Pictures into an H.264 video by Blender's own encoder, which OpenCV's wheels do not have: run in Blender's Python."""

import sys
from pathlib import Path

import bpy

RATE = 10
"""Frames a second."""


def write(pictures: list[Path], out: Path) -> None:
    """A video of pictures of one size, each shown for one frame."""
    scene = bpy.context.scene
    width, height = bpy.data.images.load(str(pictures[0])).size
    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
    render.fps, scene.frame_start, scene.frame_end = RATE, 1, len(pictures)
    scene.view_settings.view_transform = "Standard"
    settings = render.image_settings
    if hasattr(settings, "media_type"):  # Blender 5.0
        settings.media_type = "VIDEO"
    settings.file_format = "FFMPEG"
    render.ffmpeg.format, render.ffmpeg.codec = "MPEG4", "H264"
    render.ffmpeg.constant_rate_factor = "HIGH"
    render.filepath, render.use_file_extension = str(out), False
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    strip = strips.new_image("pictures", str(pictures[0]), 1, 1)
    for picture in pictures[1:]:
        strip.elements.append(picture.name)
    strip.frame_final_duration = len(pictures)
    bpy.ops.render.render(animation=True)


if __name__ == "__main__":
    folder, out = map(Path, sys.argv[1:])
    write(sorted(folder.glob("*.png")), out)
