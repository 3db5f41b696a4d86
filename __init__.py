"""Maquette: pictures of a person in, hair curves and a head out.

Nothing is imported before register(), so that the folder can be tested without Blender.
"""


def register():
    from .addon import registration

    registration.register()


def unregister():
    from .addon import registration

    registration.unregister()
