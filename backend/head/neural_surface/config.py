"""Sizes and schedule of the published reconstruction (prior-guided-head, section IV-A), and a size for processors.

What the paper leaves to the method that it builds on (IDR: Yariv et al., Multiview Neural Surface Reconstruction,
2020) has that one's values: encodings, the sphere at the beginning, tracing, alpha, the learning rate.
"""

from dataclasses import dataclass, replace

from ..loss_factors import loss_factors

PRIORS = {"P": "proxy", "S": "semantics", "O": "direction"}
"""Letters of figure 6 → losses that join with them."""


@dataclass(frozen=True)
class Weights:
    """Factors of the losses in equation 21: w_rgb, w_m, w_e, w_p, w_s, w_d."""

    rgb: float = 1.0
    mask: float = 100.0
    eikonal: float = 0.1
    proxy: float = 1.0
    semantics: float = 0.05
    direction: float = 1.0


@dataclass(frozen=True)
class NeuralConfig:
    """How large the networks are and how they are fitted. Lengths are radii of the sphere around the head."""

    layers: int = 8
    """Hidden layers of F; its input joins again in the middle."""
    width: int = 512
    features: int = 256
    """Of the global geometry feature z."""
    bands: int = 6
    """Frequencies of the encoding of points, each twice the one before."""
    renderer_layers: int = 4
    renderer_width: int = 512
    view_bands: int = 4
    """Frequencies of the encoding of viewing directions."""
    semantic_layers: int = 4
    semantic_width: int = 512
    start_radius: float = 0.6
    """Of the sphere that F is at the beginning."""

    rays: int = 2048
    """In the head's region of one picture, a step."""
    hair_rays: int = 2048
    """Further ones in its hair, from when directions join."""
    epochs: int = 3000
    """Rounds over all pictures, one picture a step."""
    joining: tuple[float, float, float] = (0.0, 1 / 3, 2 / 3)
    """When the first, second and third prior join, as shares of the epochs."""
    order: str = "P-S-O"
    weights: Weights = Weights()
    with_direction: tuple[float, float] = (100.0, 10.0)
    """w_rgb and w_e from when directions join."""
    alpha: float = 50.0
    """Sharpness of the silhouette in equation 19."""
    alpha_doubles: tuple[float, ...] = (1 / 12, 1 / 6, 1 / 4, 1 / 3, 5 / 12)
    """When alpha doubles (IDR: every 250 epochs, five times), as shares of the epochs."""
    rate: float = 1e-4
    rate_halves: tuple[float, ...] = (1 / 3, 1 / 2)
    """When the learning rate halves (IDR: after 1000 and 1500 epochs), as shares of the epochs."""
    camera_rate: float = 1e-4
    cameras: bool = False
    """Whether cameras move as well."""
    proxy_points: int = 2048
    """Of equation 14, a step."""

    trace_steps: int = 10
    trace_threshold: float = 5e-5
    trace_samples: int = 100
    """Along a ray that sphere tracing left undecided, or that misses the head."""
    secant_steps: int = 8

    def weights_at(self, epoch: int) -> Weights:
        """The weights of an epoch; 0 for a prior that has not joined yet."""
        joined = self._joined(epoch)
        off = {name: 0.0 for name in PRIORS.values() if name not in joined}
        weights = replace(self.weights, **off)
        if "direction" in joined:
            # Factors on the weights (table II) hold on.
            rgb, eikonal = (new / old for new, old in zip(self.with_direction, (Weights.rgb, Weights.eikonal)))
            weights = replace(weights, rgb=weights.rgb * rgb, eikonal=weights.eikonal * eikonal)
        return weights

    def _joined(self, epoch: int) -> set[str]:
        if self.order == "all":
            return set(PRIORS.values())
        begins = zip(self.order.split("-"), self.joining, strict=True)
        return {PRIORS[letter] for letter, share in begins if epoch >= round(share * self.epochs)}

    def alpha_at(self, epoch: int) -> float:
        """Of equation 19."""
        return self.alpha * 2 ** sum(epoch >= share * self.epochs for share in self.alpha_doubles)

    def rate_at(self, epoch: int) -> float:
        """Share of the learning rate in an epoch."""
        return 0.5 ** sum(epoch >= share * self.epochs for share in self.rate_halves)

    def with_factors(self, text: str) -> "NeuralConfig":
        """With factors on the weights, such as "rgb=0.5 mask=2". Raises RequestError as ``loss_factors`` does."""
        factors = loss_factors(text, list(Weights.__dataclass_fields__))
        changed = {name: factor * getattr(self.weights, name) for name, factor in factors.items()}
        return replace(self, weights=replace(self.weights, **changed))


PUBLISHED = NeuralConfig()
REDUCED = NeuralConfig(
    layers=4, width=128, features=64, bands=4, renderer_layers=2, renderer_width=128, semantic_layers=2,
    semantic_width=64, rays=384, hair_rays=128, epochs=150, rate=2e-3, rate_halves=(0.6, 0.8), camera_rate=3e-4,
    proxy_points=384, with_direction=(10.0, 3.0), trace_samples=40,
)  # fmt: skip
"""For two CPU cores: networks with a fortieth of the weights, a fifth of the rays, a twentieth of the rounds at a
higher rate. The third prior has few rounds left, so that it changes the weights by less."""
