"""Landmarks in photographs: clicked through a capture's cameras, into its landmarks.json."""

import bpy

from ..addon import quiet_views, view_landmarks
from ..addon.captures import capture_cameras, look_through
from ..addon.landmark_guide import label, next_missing
from ..backend.errors import CaptureError, MaquetteError
from .landmark_asking import AsksForLandmarks


class NeedsViews:
    """Of operators that act on the capture whose cameras are in the scene."""

    @classmethod
    def poll(cls, context):
        if not any(map(view_landmarks.is_capture_camera, capture_cameras(context.scene))):
            cls.poll_message_set("Open a capture first")
            return False
        return True


class MAQUETTE_OT_click_landmarks(NeedsViews, AsksForLandmarks, bpy.types.Operator):
    bl_idname = "maquette.click_landmarks"
    bl_label = "Click Landmarks"
    bl_description = "Look through a camera of the capture and click the landmarks of the face in its photograph"
    bl_options = {"REGISTER"}

    only: bpy.props.StringProperty(
        name="Only", description="The one landmark to click; empty for all that are missing", options={"SKIP_SAVE"}
    )
    more_keys = "Left, Right: other photograph"

    @classmethod
    def description(cls, context, properties):
        return f"Click where this is: {label(properties.only)}" if properties.only else cls.bl_description

    @classmethod
    def poll(cls, context):
        if not super().poll(context):
            return False
        if context.mode != "OBJECT":
            cls.poll_message_set("Go to Object Mode first")
            return False
        return True

    def invoke(self, context, event):
        cameras = self._cameras(context)
        start = context.scene.camera if context.scene.camera in cameras else cameras[0]
        try:
            self._look(context, start)
            running = self.begin(context)
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.before_quiet = quiet_views.quieten(context.screen)
        for area in context.screen.areas:
            for region in area.regions if area.type == "VIEW_3D" else ():
                if region.type == "WINDOW":
                    with context.temp_override(area=area, region=region):
                        bpy.ops.view3d.view_center_camera()
        return running

    def end(self, context):
        quiet_views.restore(self.before_quiet)
        super().end(context)

    def _cameras(self, context) -> list[bpy.types.Object]:
        return [thing for thing in capture_cameras(context.scene) if view_landmarks.is_capture_camera(thing)]

    def _look(self, context, thing) -> None:
        look_through(context.scene, thing)
        for area in context.screen.areas:
            if area.type == "VIEW_3D":
                area.spaces.active.region_3d.view_perspective = "CAMERA"

    def _camera(self, context) -> bpy.types.Object:
        thing = context.scene.camera
        if not view_landmarks.is_capture_camera(thing):
            raise CaptureError("The scene's camera is none of the capture's any more; look through one again.")
        return thing

    def there(self, context):
        return view_landmarks.seen_in(self._camera(context))

    def places(self, context, region, view):
        if view.view_perspective != "CAMERA":
            return {}
        thing = self._camera(context)
        found = {}
        for name, seen in self.there(context).items():
            place = view_landmarks.place_of(thing, region, view, seen)
            if place is not None:
                found[name] = place
        return found

    def spot(self, context, under):
        _, region, view, place = under
        if view.view_perspective != "CAMERA":
            return None
        return view_landmarks.pixel_at(self._camera(context), region, view, place)

    def put(self, context, name, spot):
        view_landmarks.set_landmark(self._camera(context), name, spot)

    def settled(self, context, name):
        view_landmarks.keep_landmarks(view_landmarks.folder_of(self._camera(context)))

    def heading(self, context):
        cameras = self._cameras(context)
        thing = self._camera(context)
        return f"in {view_landmarks.view_of(thing)} ({cameras.index(thing) + 1} of {len(cameras)})"

    def navigate(self, context, event):
        # Turning the view would leave the camera, so the middle button moves the picture instead.
        if event.type == "MIDDLEMOUSE" and event.value == "PRESS" and not (event.shift or event.ctrl or event.alt):
            bpy.ops.view3d.move("INVOKE_DEFAULT")
            return {"RUNNING_MODAL"}
        return {"PASS_THROUGH"} if not event.type.startswith("NUMPAD") else {"RUNNING_MODAL"}

    def key(self, context, event):
        step = {"LEFT_ARROW": -1, "RIGHT_ARROW": 1}.get(event.type)
        if step is None:
            return
        cameras = self._cameras(context)
        self._look(context, cameras[(cameras.index(self._camera(context)) + step) % len(cameras)])
        self.done.clear()  # what is taken back is in the photograph that is looked at
        self.skipped.clear()
        self.asked = self.only or next_missing(self.there(context))
        self._tell(context)


class MAQUETTE_OT_remove_view_landmarks(NeedsViews, bpy.types.Operator):
    """Remove the landmarks of the photograph that is looked at"""

    bl_idname = "maquette.remove_view_landmarks"
    bl_label = "Remove Landmarks of View"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        if not super().poll(context):
            return False
        if not view_landmarks.is_capture_camera(context.scene.camera):
            cls.poll_message_set("Look through a camera of the capture first")
            return False
        return True

    def invoke(self, context, event):
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context):
        thing = context.scene.camera
        try:
            for name in list(view_landmarks.seen_in(thing)):
                view_landmarks.set_landmark(thing, name, None)
            view_landmarks.keep_landmarks(view_landmarks.folder_of(thing))
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


classes = (MAQUETTE_OT_click_landmarks, MAQUETTE_OT_remove_view_landmarks)
