"""What a fit found out about a head, as colours on it (residuals, skin) and as numbers for the panel."""

import json

import bpy
import numpy as np

from . import versions
from .landmarks import scan_asked

RESIDUAL = "residual"
"""Float attribute of the mesh, metres along the normal: above zero where the scan lies outside the head. Zero, and
grey in colour, where the scan has nothing."""
COLOUR, ALBEDO = "residual colour", "albedo"
LAYERS = {"residual": COLOUR, "albedo": ALBEDO}
"""What a fitted head may be coloured by → colour attribute of its mesh."""
LAYER = "maquette_layer"
"""Custom property of the materials that show them."""
REPORT = "maquette_fit"
"""Custom property of the mesh, JSON: what the panel shows of the fit's report."""
COVERS = "maquette_covers"
"""Custom property of the mesh: the scan that was hidden to show the colours."""
LIMITS = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0)
"""Millimetres at which the colours may end."""
STOPS = ((0.2, 0.33, 0.95), (0.3, 0.78, 0.95), (0.5, 0.86, 0.5), (0.98, 0.85, 0.3), (0.95, 0.25, 0.2))
"""sRGB, evenly from the scan deep inside the head to far outside of it."""
NOTHING = (0.3, 0.3, 0.3)


def set_residual(mesh: bpy.types.Object, residual: np.ndarray, judged: np.ndarray) -> float:
    """Give a mesh its residuals as an attribute and as colours.

    Args:
        mesh: with V vertices.
        residual: (V,) metres, NaN where there are none.
        judged: (K,) vertices that the colours are for: a head's, say, whatever its shoulders are like.

    Returns:
        The millimetres at which the colours end.
    """
    known = np.isfinite(residual)
    limit = colour_limit(residual[judged][known[judged]])
    _attribute(mesh.data, RESIDUAL, "FLOAT").data.foreach_set("value", np.where(known, residual, 0).astype(np.float32))
    colours = np.ones((len(residual), 4), np.float32)
    colours[:, :3] = np.where(known[:, None], colour_of(np.where(known, residual, 0) * 1000 / limit), NOTHING)
    colours[:, :3] = _linear(colours[:, :3])
    attribute = _attribute(mesh.data, COLOUR, "FLOAT_COLOR")
    attribute.data.foreach_set("color", colours.ravel())
    mesh.data.color_attributes.active_color = mesh.data.color_attributes[COLOUR]
    mesh.data.update()
    return limit


def set_albedo(mesh: bpy.types.Object, colours: np.ndarray) -> None:
    """Give a mesh the colours (V, 3) of its skin, linear Rec. 709, as a colour attribute."""
    values = np.ones((len(colours), 4), np.float32)
    values[:, :3] = colours
    _attribute(mesh.data, ALBEDO, "FLOAT_COLOR").data.foreach_set("color", values.ravel())
    mesh.data.update()


def colour_limit(residual: np.ndarray) -> float:
    """The millimetres at which colours end: those that 95 in 100 of the residuals (metres) are below."""
    most = float(np.percentile(np.abs(residual), 95)) * 1000 if len(residual) else 0.0
    return next((limit for limit in LIMITS if most <= limit), LIMITS[-1])


def colour_of(share: np.ndarray) -> np.ndarray:
    """sRGB (N, 3) of residuals (N,) in shares of the limit, -1 to 1."""
    at = np.linspace(-1, 1, len(STOPS))
    return np.stack([np.interp(share, at, [stop[c] for stop in STOPS]) for c in range(3)], axis=-1)


def set_report(mesh: bpy.types.Object, report: dict) -> None:
    mesh[REPORT] = json.dumps(report)


def report_of(mesh: bpy.types.Object) -> dict | None:
    """What ``set_report`` kept; None for a head that was not fitted."""
    try:
        report = json.loads(mesh.get(REPORT, "null"))
    except (ValueError, TypeError):
        return None  # somebody else's property under our name
    return report if isinstance(report, dict) else None


def layers_of(mesh: bpy.types.Object) -> list[str]:
    """The layers of colours that a fitted head has: of LAYERS."""
    return [layer for layer, name in LAYERS.items() if name in mesh.data.attributes]


def shown_layer(mesh: bpy.types.Object) -> str:
    """The layer that is shown in place of the head's materials; "" for none."""
    for slot in mesh.material_slots:
        if slot.link == "OBJECT" and slot.material is not None and slot.material.get(LAYER) in LAYERS:
            return slot.material[LAYER]
    return ""


def show_layer(context: bpy.types.Context, mesh: bpy.types.Object, layer: str) -> None:
    """Show a head in a layer of colours, its residuals without the scan that lies on it; "" as it was before."""
    for slot in mesh.material_slots:
        # An object's own material goes before its mesh's, which stays what it is.
        slot.link = "OBJECT"
        slot.material = _material(layer) if layer else None
        if not layer:
            slot.link = "DATA"
    if layer:
        mesh.data.color_attributes.active_color = mesh.data.color_attributes[LAYERS[layer]]
    _cover_scan(context, mesh, layer == "residual")
    _solid_colours(context, bool(layer))


def _cover_scan(context: bpy.types.Context, mesh: bpy.types.Object, shown: bool) -> None:
    job_id = str(mesh.get("maquette_job", ""))
    if shown:
        if COVERS in mesh:
            return
        scan = scan_asked(job_id, (report_of(mesh) or {}).get("scan", ""))
        if scan is not None and scan is not mesh and scan.visible_get():
            scan.hide_set(True)
            mesh[COVERS] = scan.name
    elif COVERS in mesh:
        scan = scan_asked(job_id, mesh[COVERS])
        if scan is not None and scan.name in context.view_layer.objects:
            scan.hide_set(False)
        del mesh[COVERS]


def _solid_colours(context: bpy.types.Context, shown: bool) -> None:
    """Have 3D views in solid shading show colour attributes, or again what they showed before."""
    fit = context.scene.maquette.fit
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            shading = area.spaces.active.shading if area.type == "VIEW_3D" else None
            if shading is None:
                continue
            if shown and shading.color_type != "VERTEX":
                fit.solid_colour, shading.color_type = shading.color_type, "VERTEX"
            elif not shown and shading.color_type == "VERTEX":
                shading.color_type = fit.solid_colour or "MATERIAL"


def _attribute(data: bpy.types.Mesh, name: str, kind: str) -> bpy.types.Attribute:
    found = data.attributes.get(name)
    if found is not None:
        data.attributes.remove(found)
    return data.attributes.new(name, kind, "POINT")


def _linear(colour: np.ndarray) -> np.ndarray:
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


def _material(layer: str) -> bpy.types.Material:
    """The colours as they are, shaded a little so that the face can be told."""
    for material in bpy.data.materials:
        if material.get(LAYER) == layer and not material.library:
            return material
    material = bpy.data.materials.new(f"Fit {layer.title()}")
    material[LAYER] = layer
    tree = versions.use_nodes(material)
    attribute, surface, output = (
        tree.nodes.new(f"ShaderNode{kind}") for kind in ("Attribute", "BsdfDiffuse", "OutputMaterial")
    )
    attribute.attribute_name = LAYERS[layer]
    attribute.location, surface.location, output.location = (-400, 0), (-200, 0), (0, 0)
    tree.links.new(attribute.outputs["Color"], surface.inputs["Color"])
    tree.links.new(surface.outputs["BSDF"], output.inputs["Surface"])
    return material
