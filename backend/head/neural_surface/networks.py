"""The three networks (prior-guided-head, sections III-B, III-D and IV-A): surface F, renderer g, semantics s."""

import math

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from ..priors.semantics import CLASSES
from .config import NeuralConfig


class Encoding(nn.Module):
    """x, sin(2^k x), cos(2^k x) for k below ``bands`` (Mildenhall et al., NeRF, 2020): (N, 3) to (N, size)."""

    def __init__(self, bands: int):
        super().__init__()
        self.register_buffer("frequencies", 2.0 ** torch.arange(bands), persistent=False)
        self.size = 3 + 6 * bands

    def forward(self, x: Tensor) -> Tensor:
        angles = (self.frequencies[:, None] * x[:, None, :]).flatten(1)
        return torch.cat([x, torch.sin(angles), torch.cos(angles)], dim=1)


class SurfaceNetwork(nn.Module):
    """F(x | beta) = (f, z): signed distance, below zero inside, and the global geometry feature.

    It begins as the distance to a sphere: weights as in Atzmon and Lipman (SAL, 2020), and none on the encoding's
    waves, so that those come in only as they are learnt (IDR).
    """

    def __init__(self, config: NeuralConfig):
        super().__init__()
        self.encoding = Encoding(config.bands)
        self.skip = config.layers // 2
        first = self.encoding.size
        self.layers = nn.ModuleList()
        inputs = first
        for k in range(config.layers):
            # What joins again takes its place in the width.
            outputs = config.width - first if k + 1 == self.skip else config.width
            layer = nn.Linear(inputs, outputs)
            nn.init.normal_(layer.weight, 0.0, math.sqrt(2 / outputs))
            nn.init.zeros_(layer.bias)
            with torch.no_grad():
                if k == 0:
                    layer.weight[:, 3:] = 0
                elif k == self.skip:
                    layer.weight[:, -(first - 3) :] = 0
            self.layers.append(weight_norm(layer))
            inputs = config.width
        last = nn.Linear(inputs, 1 + config.features)
        nn.init.normal_(last.weight, math.sqrt(math.pi / inputs), 1e-4)
        nn.init.constant_(last.bias, -config.start_radius)
        self.last = weight_norm(last)
        # Close to a ramp, yet twice differentiable: equation 16 needs the curvature.
        self.activation = nn.Softplus(beta=100)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """f (N,) and z (N, features) at points (N, 3)."""
        encoded = self.encoding(x)
        hidden = encoded
        for k, layer in enumerate(self.layers):
            if k == self.skip:
                hidden = torch.cat([hidden, encoded], dim=1) / math.sqrt(2)
            hidden = self.activation(layer(hidden))
        found = self.last(hidden)
        return found[:, 0], found[:, 1:]

    def distance(self, x: Tensor) -> Tensor:
        """f (N,) alone."""
        return self(x)[0]

    def with_normals(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """f (N,), its gradient (N, 3), equation 13, and z, differentiable in the points and the weights."""
        with torch.enable_grad():
            x = x if x.requires_grad else x.detach().requires_grad_()
            values, features = self(x)
            normals = torch.autograd.grad(values.sum(), x, create_graph=True)[0]
        return values, normals, features


class RenderingNetwork(nn.Module):
    """g(x, v, n, z | zeta), equation 5: the colour, (N, 3) from -1 to 1, seen at points from directions v."""

    def __init__(self, config: NeuralConfig):
        super().__init__()
        self.encoding = Encoding(config.view_bands)
        inputs = 3 + self.encoding.size + 3 + config.features
        self.layers = _perceptron(inputs, config.renderer_width, config.renderer_layers, 3)

    def forward(self, x: Tensor, v: Tensor, n: Tensor, z: Tensor) -> Tensor:
        return torch.tanh(self.layers(torch.cat([x, self.encoding(v), n, z], dim=1)))


class SemanticNetwork(nn.Module):
    """s(x | delta), section III-D: logits (N, len(CLASSES)) of the part of the head that points belong to."""

    def __init__(self, config: NeuralConfig):
        super().__init__()
        self.encoding = Encoding(config.bands)
        self.layers = _perceptron(
            self.encoding.size, config.semantic_width, config.semantic_layers, len(CLASSES)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.encoding(x))


class Networks(nn.Module):
    """All three of one head."""

    def __init__(self, config: NeuralConfig):
        super().__init__()
        self.surface = SurfaceNetwork(config)
        self.renderer = RenderingNetwork(config)
        self.semantics = SemanticNetwork(config)


def _perceptron(inputs: int, width: int, layers: int, outputs: int) -> nn.Sequential:
    parts: list[nn.Module] = []
    for _ in range(layers):
        parts += [weight_norm(nn.Linear(inputs, width)), nn.ReLU()]
        inputs = width
    return nn.Sequential(*parts, weight_norm(nn.Linear(inputs, outputs)))
