"""The stage: a scene of its own with the subject, soft light and one camera, taken down afterwards."""

import contextlib
from collections.abc import Iterator

import bpy
import numpy as np
from mathutils import Matrix, Vector

from ...backend.contract import RenderGroundTruth
from .. import versions

BACKGROUND = 0.42
"""Linear grey that cameras see around the subject: brighter than hair, darker than skin's highlights."""

FILL = 0.14
"""Linear grey that lights it from all around: little, or hair loses the shadows that tell its strands apart."""

_LIGHTS = (
    # azimuth and elevation in degrees, edge and distance in subject sizes, share of light
    (-40.0, 45.0, 1.2, 3.0, 1.0),
    (70.0, 25.0, 1.2, 3.0, 0.6),
    (190.0, 40.0, 1.2, 3.0, 0.5),
)
_WATTS = 6.5
"""Of the first light at one metre from a subject of one metre; light falls with the square of the distance."""


@contextlib.contextmanager
def studio(
    subject: list[bpy.types.Object], points: np.ndarray, settings: RenderGroundTruth, own: bpy.types.Scene
) -> Iterator[tuple[bpy.types.Scene, bpy.types.Object]]:
    """A scene that holds the subject and a camera, both gone when the block ends.

    Args:
        subject: objects to be seen, with their own materials.
        points: (N, 3) of the subject, metres, which the lights surround.
        own: the scene whose light, frame and colour management are taken where ``settings.lighting`` is "scene".
    """
    made = []
    shown = {thing.name: (thing.hide_render, thing.visible_camera) for thing in subject}
    scene = bpy.data.scenes.new("Maquette Ground Truth")
    try:
        scene.frame_set(own.frame_current)
        for thing in subject:
            thing.hide_render, thing.visible_camera = False, True
            scene.collection.objects.link(thing)
        if settings.lighting == "scene":
            scene.world = own.world
            scene.view_settings.view_transform = own.view_settings.view_transform
            scene.view_settings.look = own.view_settings.look
            scene.view_settings.exposure = own.view_settings.exposure
            for light in (o for o in own.objects if o.type == "LIGHT" and not o.hide_render):
                scene.collection.objects.link(light)
        else:
            scene.view_settings.view_transform = "Standard"
            made += _add_lights(scene, points)
            scene.world = _grey_world()
            made.append(scene.world)
        camera = bpy.data.objects.new("Ground Truth", bpy.data.cameras.new("Ground Truth"))
        made += [camera, camera.data]
        scene.collection.objects.link(camera)
        scene.camera = camera
        yield scene, camera
    finally:
        # Switched off, Blender frees what it kept of the render; left on, that outlives the scene and points into it,
        # and the next object or collection linked anywhere may crash.
        scene.render.use_persistent_data = False
        bpy.data.scenes.remove(scene)
        bpy.data.batch_remove(made)
        for name, (hide, visible) in shown.items():
            thing = bpy.data.objects[name]
            thing.hide_render, thing.visible_camera = hide, visible


def _add_lights(scene: bpy.types.Scene, points: np.ndarray) -> list[bpy.types.ID]:
    low, high = points.min(axis=0), points.max(axis=0)
    centre, size = (low + high) / 2, float(np.linalg.norm(high - low))
    made = []
    for azimuth, elevation, edge, distance, share in _LIGHTS:
        light = bpy.data.lights.new("Ground Truth", "AREA")
        light.size = edge * size
        light.energy = _WATTS * share * (distance * size) ** 2 * np.pi
        thing = bpy.data.objects.new("Ground Truth", light)
        a, e = np.radians([azimuth, elevation])
        away = Vector((np.sin(a) * np.cos(e), -np.cos(a) * np.cos(e), np.sin(e)))
        turn = away.to_track_quat("Z", "Y").to_matrix().to_4x4()
        thing.matrix_world = Matrix.Translation(Vector(centre.tolist()) + away * distance * size) @ turn
        scene.collection.objects.link(thing)
        made += [thing, light]
    return made


def _grey_world() -> bpy.types.World:
    world = bpy.data.worlds.new("Ground Truth")
    tree = versions.use_nodes(world)
    background = tree.nodes.new("ShaderNodeBackground")
    background.inputs["Color"].default_value = (BACKGROUND, BACKGROUND, BACKGROUND, 1.0)
    fill = tree.nodes.new("ShaderNodeBackground")
    fill.inputs["Color"].default_value = (FILL, FILL, FILL, 1.0)
    path = tree.nodes.new("ShaderNodeLightPath")
    mix = tree.nodes.new("ShaderNodeMixShader")
    tree.links.new(path.outputs["Is Camera Ray"], mix.inputs[0])
    tree.links.new(fill.outputs[0], mix.inputs[1])
    tree.links.new(background.outputs[0], mix.inputs[2])
    output = tree.nodes.new("ShaderNodeOutputWorld")
    tree.links.new(mix.outputs[0], output.inputs["Surface"])
    return world
