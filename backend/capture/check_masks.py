"""Whether the masks of a capture are there and agree with each other."""

import numpy as np

from .check_findings import GREEN, RED, YELLOW, Finding, named
from .masks.pictures import Picture
from .masks.volume import Volume
from .masks.where import Subject

DISAGREE, WRONG = 0.86, 0.6
"""Overlap of a mask with what all masks together leave, under which it is to be looked at, and is another thing."""


def mask_findings(pictures: list[Picture], masks: list[dict[str, np.ndarray]], subject: Subject) -> list[Finding]:
    missing = tuple(p.name for p, m in zip(pictures, masks, strict=True) if "hair" not in m and "person" not in m)
    if len(missing) == len(pictures):
        return [Finding("masks", RED, "There are no masks yet; make them (Make Masks), or bring yours.")]
    found = []
    if missing:
        found.append(
            Finding(
                "masks", YELLOW, f"{named(missing)} have no mask; make them (Make Masks), or leave them out.", missing
            )
        )
    empty = tuple(
        p.name for p, m in zip(pictures, masks, strict=True) if "hair" in m and m["hair"].max(initial=0.0) < 0.5
    )
    if empty:
        found.append(
            Finding("masks", YELLOW, f"The hair masks of {named(empty)} are empty; paint strokes there.", empty)
        )
    for kind, what in (("person", "the person"), ("hair", "hair")):
        for light, names in _disagreeing(pictures, masks, subject, kind).items():
            if names:
                found.append(
                    Finding(
                        "masks",
                        light,
                        f"What {named(names)} {'call' if len(names) > 1 else 'calls'} {what} does not fit the other"
                        " photographs; look at the mask and paint strokes.",
                        names,
                    )
                )
    return found or [Finding("masks", GREEN, "The masks agree with each other.")]


def _disagreeing(pictures, masks, subject: Subject, kind: str) -> dict[str, tuple[str, ...]]:
    """Light → the views whose mask differs from what all masks of a kind leave in space."""
    with_mask = [(p, m[kind]) for p, m in zip(pictures, masks, strict=True) if kind in m and m[kind].max() > 0.5]
    if not subject.posed or subject.centre is None or len(with_mask) < 4:
        return {}
    chosen = [p for p, _ in with_mask]
    volume = Volume(subject, chosen, nodes=56)
    hull = volume.carved([mask for _, mask in with_mask]) if kind == "person" else None
    if hull is None:
        # Hair hides behind the head, so its masks are no silhouettes: what is compared is the share of views that call
        # a place of the surface hair.
        return _surface_votes(volume, chosen, masks, pictures)
    overlaps = {}
    for (picture, mask), drawn in zip(with_mask, volume.drawn(hull), strict=True):
        inside, there = mask > 0.5, drawn > 0.5
        overlaps[picture.name] = (inside & there).sum() / max((inside | there).sum(), 1)
    usual = min(1.0, float(np.median(list(overlaps.values()))) / 0.97)
    wrong = tuple(name for name, overlap in overlaps.items() if overlap < WRONG * usual)
    odd = tuple(name for name, overlap in overlaps.items() if WRONG * usual <= overlap < DISAGREE * usual)
    return {RED: wrong, YELLOW: odd}


def _surface_votes(volume: Volume, chosen, masks, pictures) -> dict[str, tuple[str, ...]]:
    both = {p.name: m for p, m in zip(pictures, masks, strict=True)}
    if any("person" not in both[p.name] for p in chosen):
        return {}
    hull = volume.carved([both[p.name]["person"] for p in chosen])
    if not hull.any():
        return {}
    surface, depths = volume.surface(hull), volume.depth(hull)
    votes = volume.mean([2 * both[p.name]["hair"] - 1 for p in chosen], surface, depths)
    odd = []
    for picture, vote in zip(chosen, volume.painted(votes, surface, depths), strict=True):
        person = both[picture.name]["person"] > 0.5
        sure = person & (np.abs(vote) > 0.5)
        against = (both[picture.name]["hair"] > 0.5) != (vote > 0)
        if sure.any() and against[sure].mean() > 0.15:
            odd.append(picture.name)
    return {YELLOW: tuple(odd)}
