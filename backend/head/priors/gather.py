"""What is known about a head beside its photographs: each prior is there or not, and what follows asks for it here."""

from dataclasses import dataclass, field, replace

from ...hair.presets import OrientationConfig
from ...protocol import Reporter
from .orientation import hair_orientation
from .proxy import Proxy
from .semantics import without_hair_label
from .views import HeadView

FROM_PICTURES, FROM_HEAD, NONE = "label images", "fitted head", ""


@dataclass(frozen=True, eq=False)
class Priors:
    """The priors that take part.

    Attributes:
        proxy: the fitted head (equation 14), or None.
        semantics: where the views' labels (equation 15) come from: ``FROM_PICTURES``, ``FROM_HEAD`` or ``NONE``.
        orientation: whether views have directions of hair (equation 16).
    """

    proxy: Proxy | None = None
    semantics: str = NONE
    orientation: bool = False
    missing: tuple[str, ...] = field(default=())

    def told(self) -> dict:
        """For a report."""
        return {
            "proxy": self.proxy.name or True if self.proxy else False,
            "semantics": self.semantics or False,
            "orientation": self.orientation,
            "asked_for_but_missing": list(self.missing),
        }


def gather(
    views: list[HeadView],
    proxy: Proxy | None,
    reporter: Reporter,
    *,
    semantics: bool = True,
    hair_label: bool = True,
    orientation: bool = True,
    published: bool = False,
    config: OrientationConfig | None = None,
) -> tuple[list[HeadView], Priors]:
    """The views with labels and directions of hair, as far as they are wanted and there, and which priors these are.

    Args:
        views: as loaded; labels that their files had are used, else the proxy's regions.
        proxy: in the views' world, or None.
        semantics, hair_label, orientation: which to use.
        published: directions as in equation 11.
        config: of the bank of kernels.
    """
    reporter.stage("Finding what guides the surface", len(views))
    told = FROM_PICTURES if any(view.labels is not None for view in views) else FROM_HEAD if proxy else NONE
    found = []
    for view in views:
        labels, directions = None, None
        if semantics:
            labels = proxy.labels(view) if told == FROM_HEAD else view.labels
            labels = labels if hair_label or labels is None else without_hair_label(labels)
        if orientation:
            directions = hair_orientation(view, config or OrientationConfig(), published)
        found.append(replace(view, labels=labels, orientation=directions))
        reporter.step()
    labelled = any(view.labels is not None for view in found)
    directed = any(view.orientation is not None for view in found)
    missing = [
        name
        for name, wanted, there in (("semantics", semantics, labelled), ("orientation", orientation, directed))
        if wanted and not there
    ]
    return found, Priors(proxy, told if labelled else NONE, directed, tuple(missing))
