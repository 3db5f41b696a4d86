"""A groom on its head: it stays where it was seen, follows the head, and its guides grow it again."""

import bpy
import numpy as np
import pytest
from mathutils import Matrix


@pytest.fixture
def parts(maquette_part):
    class Parts:
        groom = maquette_part("addon.groom")
        scene = maquette_part("addon.strands_scene")
        versions = maquette_part("addon.versions")
        attachment = maquette_part("addon.attachment")
        Strands = maquette_part("backend.formats.strands").Strands

    return Parts


def make_head(*, uv=True, location=(0.1, -0.2, 1.5), rotation=(0.3, 0.2, 1.0), scale=(1.0, 1.3, 0.8)):
    """An egg of 10 cm, turned and unevenly scaled."""
    bpy.ops.mesh.primitive_uv_sphere_add(segments=32, ring_count=16, radius=0.1, calc_uvs=uv)
    head = bpy.context.object
    head.location, head.rotation_euler, head.scale = location, rotation, scale
    bpy.context.view_layer.update()
    return head


def make_strands(parts, head, count=2000, points=20, seed=0):
    """Hair that leaves the upper half along its normal and falls, in the world."""
    random = np.random.default_rng(seed)
    normal = random.normal(size=(4 * count, 3))
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    normal = normal[normal[:, 2] > 0.1][:count]
    t = np.linspace(0, 1, points)[None, :, None]
    local = normal[:, None] * (0.0995 + 0.05 * t) - [0, 0, 0.1] * t**2
    matrix = np.array(head.matrix_world)
    return parts.Strands.from_array((local @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32))


def evaluated(parts, hair):
    with parts.groom.full_density(hair):
        return parts.scene.strands_from_object(hair)


def add_shape_key(head):
    """Move the whole head rigidly by a shape key, so that every point of the hair has one right place."""
    head.shape_key_add(name="Basis", from_mix=False)
    key = head.shape_key_add(name="Moved", from_mix=False)
    key.value = 0.0
    points = np.empty((len(head.data.vertices), 3), np.float32)
    head.data.vertices.foreach_get("co", points.ravel())
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], np.float32)
    key.data.foreach_set("co", (points @ turn.T + [0.02, 0.0, 0.05]).astype(np.float32).ravel())
    return key, turn, np.array([0.02, 0.0, 0.05])


def expected_after(head, points, turn, shift):
    matrix = np.array(head.matrix_world)
    local = (points - matrix[:3, 3]) @ np.linalg.inv(matrix[:3, :3]).T
    return (local @ turn.T + shift) @ matrix[:3, :3].T + matrix[:3, 3]


def test_stays_where_it_was_seen(parts):
    head = make_head()
    strands = make_strands(parts, head)
    made = parts.groom.add_groom(bpy.context, strands, head, job_id="job-1")
    assert np.abs(evaluated(parts, made.hair).points - strands.points).max() < 1e-6
    assert made.hair["maquette_job"] == made.guides["maquette_job"] == "job-1"
    assert (made.hair["maquette_role"], made.guides["maquette_role"]) == ("groom", "guides")
    assert made.hair.parent == made.guides.parent == head
    assert 300 <= len(made.guides.data.curves) <= 2000


def test_follows_a_shape_key(parts):
    head = make_head()
    strands = make_strands(parts, head)
    made = parts.groom.add_groom(bpy.context, strands, head)
    key, turn, shift = add_shape_key(head)
    key.value = 1.0
    moved = evaluated(parts, made.hair).points
    assert np.abs(moved - strands.points).max() > 0.03
    assert np.abs(moved - expected_after(head, strands.points, turn, shift)).max() < 2e-6


def test_hair_made_on_a_posed_head_stays_and_goes_back_with_the_pose(parts):
    head = make_head()
    key, turn, shift = add_shape_key(head)
    key.value = 1.0
    bpy.context.view_layer.update()
    rest = make_strands(parts, head)
    seen = parts.Strands(expected_after(head, rest.points, turn, shift), rest.counts)
    made = parts.groom.add_groom(bpy.context, seen, head)
    assert np.abs(evaluated(parts, made.hair).points - seen.points).max() < 2e-6
    key.value = 0.0
    assert np.abs(evaluated(parts, made.hair).points - rest.points).max() < 1e-5


def test_follows_an_armature(parts):
    head = make_head(rotation=(0, 0, 0), scale=(1, 1, 1))
    strands = make_strands(parts, head)
    made = parts.groom.add_groom(bpy.context, strands, head)
    armature = bpy.data.objects.new("Rig", bpy.data.armatures.new("Rig"))
    bpy.context.scene.collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    bone = armature.data.edit_bones.new("Head")
    bone.head, bone.tail = (0, 0, 0), (0, 0, 1)
    bpy.ops.object.mode_set(mode="OBJECT")
    head.vertex_groups.new(name="Head").add(range(len(head.data.vertices)), 1.0, "REPLACE")
    head.modifiers.new("Armature", "ARMATURE").object = armature
    pose = armature.pose.bones["Head"]
    pose.rotation_mode = "XYZ"
    pose.rotation_euler = (0.0, 0.7, 0.0)  # about the bone, which stands along Z
    bpy.context.view_layer.update()
    local = armature.matrix_world @ pose.matrix @ pose.bone.matrix_local.inverted() @ armature.matrix_world.inverted()
    matrix = np.array(local)
    expected = strands.points @ matrix[:3, :3].T + matrix[:3, 3]
    assert np.abs(expected - strands.points).max() > 0.1
    assert np.abs(evaluated(parts, made.hair).points - expected).max() < 2e-6


def overlapping(head):
    layer = head.data.uv_layers.active
    layer.uv.foreach_set(
        "vector", np.tile(np.array([0, 0, 1, 0, 1, 1, 0, 1], np.float32), len(layer.uv))[: 2 * len(layer.uv)]
    )


@pytest.mark.parametrize("spoil", ["no map", "overlapping"])
def test_a_head_without_usable_uv_gets_a_map(parts, spoil):
    head = make_head(uv=spoil != "no map")
    if spoil == "overlapping":
        overlapping(head)
    strands = make_strands(parts, head)
    made = parts.groom.add_groom(bpy.context, strands, head)
    assert made.hair.data.surface_uv_map == parts.attachment.UV_MAP
    key, turn, shift = add_shape_key(head)
    key.value = 1.0
    expected = expected_after(head, strands.points, turn, shift)
    assert np.abs(evaluated(parts, made.hair).points - expected).max() < 2e-6


def test_a_good_uv_map_is_kept(parts):
    head = make_head()
    own = head.data.uv_layers.active.name
    made = parts.groom.add_groom(bpy.context, make_strands(parts, head), head)
    assert made.hair.data.surface_uv_map == own
    assert len(head.data.uv_layers) == 1


def test_display_percentage(parts):
    head = make_head()
    made = parts.groom.add_groom(bpy.context, make_strands(parts, head), head)
    made.guides.hide_viewport = False
    for hair in (made.hair, made.guides):
        modifier = parts.groom.groom_modifier(hair)
        parts.versions.set_modifier_input(modifier, "Viewport Display", 10.0)
        shown = len(parts.scene.strands_from_object(hair))
        assert 140 < shown < 260
        assert abs(len(evaluated(parts, hair)) - 2000) < 60  # roots are scattered by chance
        assert parts.versions.get_modifier_input(modifier, "Viewport Display") == 10.0


def test_guides_grow_the_groom_again(parts):
    head = make_head()
    strands = make_strands(parts, head)
    made = parts.groom.add_groom(bpy.context, strands, head)
    grown = evaluated(parts, made.guides)
    assert abs(len(grown) - len(strands)) < 60
    assert made.guide_error < 0.002
    truth, result = strands.resampled(12), grown.resampled(12)
    # The roots lie as densely, and each strand grown has one like it in the groom.
    quantiles = [0.1, 0.5, 0.9]
    for axis in range(3):
        np.testing.assert_allclose(
            np.quantile(result[:, 0, axis], quantiles),
            np.quantile(truth[:, 0, axis], quantiles),
            atol=0.006,
        )
    gaps = np.sqrt(((result[:200, None] - truth[None]) ** 2).sum(-1)).mean(-1).min(1)
    assert np.median(gaps) < 0.004
    # And they follow the head as the groom does.
    key, turn, shift = add_shape_key(head)
    key.value = 1.0
    expected = expected_after(head, grown.points, turn, shift)
    assert np.abs(evaluated(parts, made.guides).points - expected).max() < 5e-6


def hide_by(way, thing):
    """Hide an object as an artist may."""
    if way == "viewport":
        thing.hide_viewport = True
    elif way == "eye":
        thing.hide_set(True)
    else:
        apart = bpy.data.collections.new("Apart")
        bpy.context.scene.collection.children.link(apart)
        for collection in thing.users_collection:
            collection.objects.unlink(thing)
        apart.objects.link(thing)
        layer = bpy.context.view_layer.layer_collection.children["Apart"]
        setattr(layer if way == "excluded" else apart, "exclude" if way == "excluded" else "hide_viewport", True)
    bpy.context.view_layer.update()


@pytest.mark.parametrize("way", ["viewport", "eye", "excluded", "collection"])
def test_what_is_hidden_is_read_as_it_would_be_seen(parts, maquette_part, way):
    head_from_object = maquette_part("addon.heads").head_from_object
    head = make_head()
    strands = make_strands(parts, head, count=1000)
    made = parts.groom.add_groom(bpy.context, strands, head)
    made.guides.hide_viewport = False
    parts.versions.set_modifier_input(parts.groom.groom_modifier(made.hair), "Viewport Display", 10.0)
    key, turn, shift = add_shape_key(head)
    key.value = 1.0
    hidden = [made.hair, made.guides, head]
    for thing in hidden:
        hide_by(way, thing)
    before = [(t.hide_viewport, t.visible_get(), [c.name for c in t.users_collection]) for t in hidden]
    collections = len(bpy.data.collections)

    expected = expected_after(head, strands.points, turn, shift)
    assert np.abs(evaluated(parts, made.hair).points - expected).max() < 5e-6
    assert abs(len(evaluated(parts, made.guides)) - len(strands)) < 60
    rest = np.array([v.co for v in head.data.vertices])
    posed = rest @ turn.T + shift
    world = np.array(head.matrix_world)
    assert np.abs(head_from_object(head).vertices - (posed @ world[:3, :3].T + world[:3, 3])).max() < 5e-6
    surface = parts.attachment.evaluated_surface(bpy.context, head, "UVMap")
    assert np.abs(surface.vertices - posed).max() < 1e-6

    assert [(t.hide_viewport, t.visible_get(), [c.name for c in t.users_collection]) for t in hidden] == before
    assert len(bpy.data.collections) == collections
    modifier = parts.groom.groom_modifier(made.hair)
    assert parts.versions.get_modifier_input(modifier, "Viewport Display") == 10.0


def test_a_hidden_head_that_was_moved_is_met_where_it_stands(parts):
    head = make_head()
    hide_by("viewport", head)
    head.location, head.rotation_euler = (1.0, 2.0, 0.5), (0.0, 0.5, 0.1)
    # Where it stands now; the matrix of an object that is hidden is not kept up to date.
    matrix = np.array(Matrix.LocRotScale(head.location, head.rotation_euler, head.scale))
    local = np.random.default_rng(0).normal(size=(300, 1, 3))
    local = local / np.linalg.norm(local, axis=-1, keepdims=True) * np.linspace(0.0995, 0.13, 12)[:, None]
    points = (local @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32)
    made = parts.groom.add_groom(bpy.context, parts.Strands.from_array(points), head)
    head.hide_viewport = False
    bpy.context.view_layer.update()
    assert np.abs(evaluated(parts, made.hair).points - points.reshape(-1, 3)).max() < 5e-6


def test_a_head_keeps_the_densities_of_the_grooms_that_it_has(parts):
    head = make_head()

    def densities():
        return sorted(a.name for a in head.data.attributes if "density" in a.name)

    grooms = [parts.groom.add_groom(bpy.context, make_strands(parts, head, count=300), head) for _ in range(2)]
    used = [parts.versions.get_modifier_input(parts.groom.groom_modifier(made.guides), "Density") for made in grooms]
    assert densities() == sorted(used) and len(set(used)) == 2
    head.data.attributes.new("maquette_root_density_of_mine", "FLOAT", "FACE")
    for thing in (grooms[0].hair, grooms[0].guides):
        bpy.data.objects.remove(thing)
    parts.groom.add_groom(bpy.context, make_strands(parts, head, count=300), head)
    assert densities() == sorted([*used, "maquette_root_density_of_mine"])
    # Those that stay still grow by theirs.
    grooms[1].guides.hide_viewport = False
    assert abs(len(evaluated(parts, grooms[1].guides)) - 300) < 30


def test_radius_falls_to_the_tip(parts):
    head = make_head(scale=(2, 2, 2))
    strands = make_strands(parts, head, points=40)
    made = parts.groom.add_groom(bpy.context, strands, head)
    radius = np.empty(len(made.hair.data.points), np.float32)
    made.hair.data.attributes["radius"].data.foreach_get("value", radius)
    radius = 2 * radius.reshape(-1, 40)  # in the world, which is twice the head's own
    assert np.allclose(radius[:, 0], parts.groom.strand_radius(len(strands)), rtol=1e-4)
    assert (np.diff(radius, axis=1) <= 1e-9).all()
    assert 0.1 < radius[0, -1] / radius[0, 0] < 0.4


def render(samples=4, engine="CYCLES"):
    scene = bpy.context.scene
    scene.render.engine = engine
    scene.cycles.samples, scene.cycles.device = samples, "CPU"
    scene.render.resolution_x = scene.render.resolution_y = 64
    scene.render.film_transparent = True
    scene.render.filepath = bpy.app.tempdir + "groom.exr"
    scene.render.image_settings.file_format = "OPEN_EXR"
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(scene.render.filepath)
    pixels = np.array(image.pixels[:], np.float32).reshape(64, 64, 4)
    bpy.data.images.remove(image)
    return pixels


def test_renders_in_its_colour_with_all_strands(parts):
    head = make_head(location=(0, 0, 0), rotation=(0, 0, 0), scale=(1, 1, 1))
    strands = make_strands(parts, head)
    red = np.tile(np.array([[0.6, 0.05, 0.05]], np.float32), (len(strands), 1))
    made = parts.groom.add_groom(bpy.context, strands, head, colour=red)
    parts.versions.set_modifier_input(parts.groom.groom_modifier(made.hair), "Viewport Display", 1.0)
    head.hide_render = True
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.location, camera.rotation_euler, camera.data.lens = (0, -0.8, 0), (np.pi / 2, 0, 0), 80
    bpy.context.scene.collection.objects.link(camera)
    bpy.context.scene.camera = camera
    world = bpy.data.worlds.new("World")
    parts.versions.use_nodes(world)
    background = world.node_tree.nodes.new("ShaderNodeBackground")
    out = world.node_tree.nodes.new("ShaderNodeOutputWorld")
    world.node_tree.links.new(background.outputs[0], out.inputs[0])
    background.inputs[0].default_value = (1, 1, 1, 1)
    bpy.context.scene.world = world
    pixels = render()
    inside = pixels[..., 3] > 0.5
    assert inside.mean() > 0.1  # one strand of a hundred would leave nothing
    colour = pixels[inside][:, :3].mean(0)
    assert colour[0] > 0.05
    assert colour[0] > 2 * colour[1]
    # The guides render as the same hair.
    parts.groom.show([made.hair], [made.guides], "guides")
    again = render()
    assert abs((again[..., 3] > 0.5).mean() - inside.mean()) < 0.3 * inside.mean()
    again_colour = again[again[..., 3] > 0.5][:, :3].mean(0)
    np.testing.assert_allclose(again_colour, colour, rtol=0.25, atol=0.01)


def test_survives_saving(parts, tmp_path):
    head = make_head()
    strands = make_strands(parts, head)
    made = parts.groom.add_groom(bpy.context, strands, head, job_id="job-7")
    names = made.hair.name, made.guides.name
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "groom.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "groom.blend"))
    hair, light = (bpy.data.objects[name] for name in names)
    assert np.abs(evaluated(parts, hair).points - strands.points).max() < 1e-6
    assert hair["maquette_job"] == "job-7"
    assert parts.groom.groom_modifier(light).node_group["maquette_group"] == "Maquette Guides"
    light.hide_viewport = False
    assert abs(len(evaluated(parts, light)) - len(strands)) < 60


def test_says_what_is_wrong_with_a_head_without_faces(parts, maquette_part):
    head = make_head()
    strands = make_strands(parts, head, 10)
    head.data.clear_geometry()
    with pytest.raises(maquette_part("backend.errors").HeadError, match="no faces"):
        parts.groom.add_groom(bpy.context, strands, head)
