"""Objects as they are evaluated, whether or not the viewport shows them."""

import contextlib
from collections.abc import Iterator

import bpy
from mathutils import Matrix


@contextlib.contextmanager
def evaluable(*things: bpy.types.Object, depsgraph: bpy.types.Depsgraph | None = None) -> Iterator[bpy.types.Depsgraph]:
    """Have objects evaluated while this lasts; yields the dependency graph, up to date.

    Blender evaluates what its viewport shows. Of an object that is hidden, by itself or with its collection, or that
    is in no collection at all, ``evaluated_get`` gives the original: no modifiers, shape keys or new transforms.
    """
    depsgraph = depsgraph or bpy.context.evaluated_depsgraph_get()
    scene, layer = depsgraph.scene, depsgraph.view_layer
    hidden = [thing for thing in dict.fromkeys(things) if not thing.visible_get(view_layer=layer)]
    if not hidden:
        yield depsgraph
        return
    before = [(thing, thing.hide_viewport, thing.hide_get(view_layer=layer)) for thing in hidden]
    # A collection of their own, for those they are in may be excluded from the view layer or hidden.
    shown = bpy.data.collections.new("Maquette Evaluation")
    try:
        scene.collection.children.link(shown)
        for thing in hidden:
            shown.objects.link(thing)
            thing.hide_viewport = False
            thing.hide_set(False, view_layer=layer)
        depsgraph.update()
        yield depsgraph
    finally:
        for thing, viewport, eye in before:
            if thing.name in layer.objects:
                thing.hide_set(eye, view_layer=layer)
            thing.hide_viewport = viewport
        bpy.data.collections.remove(shown)
        depsgraph.update()


def world_matrix(thing: bpy.types.Object) -> Matrix:
    """Where an object stands now. ``matrix_world`` of one that is hidden is that of when it was last seen."""
    bpy.context.view_layer.update()
    with evaluable(thing) as depsgraph:
        return thing.evaluated_get(depsgraph).matrix_world.copy()
