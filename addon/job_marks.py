"""Marks on objects that jobs were asked for on, so that they are found whatever their names are when a result comes."""

import bpy

MOST = 16
"""Jobs that an object remembers, the last ones."""


def mark(thing: bpy.types.Object, key: str, job_id: str) -> None:
    """Have an object remember that a job was asked for on it, under the custom property ``key``."""
    thing[key] = " ".join([*str(thing.get(key, "")).split()[1 - MOST :], job_id])


def marked(key: str, job_id: str) -> bpy.types.Object | None:
    """The object of the scene that remembers a job; None where it is gone, or for no job."""
    for thing in bpy.context.scene.objects if job_id else ():
        if job_id in str(thing.get(key, "")).split():
            return thing
    return None
