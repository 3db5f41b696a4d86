"""The direction of hair in a picture, pixel by pixel, and how sure it is.

Two ways give the same kind of map: a bank of even Gabor kernels (prior-guided-head, equations 11 and 12) and the
structure tensor. Directions are unsigned, so they are averaged as vectors of the doubled angle.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.fft import next_fast_len

from .presets import OrientationConfig


@dataclass(frozen=True)
class OrientationMap:
    """Hair directions of one view.

    Attributes:
        angle: (H, W) float32 in [0, pi): the line's direction from the picture's x axis towards its y axis (down).
        confidence: (H, W) float32 in [0, 1]: 0 outside the hair; the length of the mean doubled-angle vector inside.
        variance: (H, W) float32, radians squared: spread of the responses about the angle (Neural Haircut's Var).
    """

    angle: torch.Tensor
    confidence: torch.Tensor
    variance: torch.Tensor

    def doubled(self) -> torch.Tensor:
        """(2, H, W): confidence times (cos 2 angle, sin 2 angle), which may be interpolated and averaged."""
        return self.confidence * torch.stack([torch.cos(2 * self.angle), torch.sin(2 * self.angle)])


def orientation_map(image: np.ndarray, hair: np.ndarray, config: OrientationConfig) -> OrientationMap:
    """The hair directions of one picture.

    Args:
        image: (H, W, 3) float32 in [0, 1] or uint8.
        hair: (H, W) float32 in [0, 1], the hair mask.
    """
    mask = torch.as_tensor(hair, dtype=torch.float32)
    contrast = local_contrast(log_intensity(image), mask, config.contrast)
    doubled, energy, spread = (_gabor if config.method == "gabor" else _structure_tensor)(contrast, config)
    # Responses at the mask's edge see the edge itself, so they weigh less there.
    inside = (mask > 0.5).float()
    # Hair cut off by the picture's border ends in an edge as well.
    border = round(1.5 * config.edge)
    inside[:border], inside[-border:], inside[:, :border], inside[:, -border:] = 0, 0, 0, 0
    inner = blurred(inside, config.edge)
    inner = ((inner - 0.5) * 2).clamp(0, 1) * (mask > 0.5)
    local = blurred(energy * inner, config.normalise) / blurred(inner, config.normalise).clamp(min=1e-3)
    # Each pixel's weight is bounded by its neighbourhood's energy, so that a highlight does not speak for all around.
    weight = inner / (local + 1e-3 * energy.amax().clamp(min=1e-12))
    doubled, energy = blurred(doubled * weight, config.smooth), blurred(energy * weight, config.smooth)
    length = torch.linalg.vector_norm(doubled, dim=0)
    coherence = (length / energy.clamp(min=1e-9)).clamp(0, 1)
    angle = torch.remainder(0.5 * torch.atan2(doubled[1], doubled[0]), torch.pi)
    support = blurred(inner, config.smooth).clamp(min=1e-3)
    strength = (energy / support).clamp(0, 1)
    confidence = coherence * strength * (mask > 0.5)
    # Circular statistics: the variance of a doubled angle whose mean vector has length R is about -2 ln R.
    variance = spread if spread is not None else -0.5 * torch.log(coherence.clamp(1e-4, 1))
    return OrientationMap(angle, confidence, variance)


def log_intensity(image: np.ndarray) -> torch.Tensor:
    """(H, W) float32, the logarithm of the luminance of a picture (H, W, 3) uint8 or float32 in [0, 1]."""
    values = np.asarray(image)
    values = values.astype(np.float32) / (255.0 if values.dtype == np.uint8 else 1.0)
    intensity = values @ np.array([0.2126, 0.7152, 0.0722], np.float32) if values.ndim == 3 else values
    # The floor keeps noise in black hair from weighing as much as strands in the light.
    return torch.log(torch.from_numpy(np.ascontiguousarray(intensity)) + 0.04)


def local_contrast(intensity: torch.Tensor, mask: torch.Tensor, sigma: float) -> torch.Tensor:
    """Hair minus its blurred self, zero outside the hair: shading goes, strands stay, and the mask makes no edge."""
    inside = (mask > 0.5).float()
    mean = blurred(intensity * inside, sigma) / blurred(inside, sigma).clamp(min=1e-3)
    return (intensity - mean) * inside


def gabor_responses(contrast: torch.Tensor, config: OrientationConfig):
    """Responses of the bank of even Gabor kernels, equation 12, to a picture (H, W), one by one: pairs of a kernel's
    angle theta and its response (H, W). They are multiplied in the frequency domain."""
    height, width = contrast.shape
    pad = int(3 * max(config.sigma_u, config.sigma_v))
    shape = tuple(next_fast_len(n + pad, real=True) for n in (height, width))
    spectrum = torch.fft.fft2(contrast, s=shape)
    fy = torch.fft.fftfreq(shape[0])[:, None]
    fx = torch.fft.fftfreq(shape[1])[None, :]
    for k in range(0, config.kernels, 2):
        angles = [np.pi * k / config.kernels, np.pi * (k + 1) / config.kernels]
        # Both kernels are even and the picture is real, so one complex transform carries two real responses.
        pair = _gabor_transform(fx, fy, angles[0], config) + 1j * _gabor_transform(fx, fy, angles[1], config)
        both = torch.fft.ifft2(spectrum * pair)[:height, :width]
        yield from zip(angles, (both.real, both.imag))


def _gabor(contrast: torch.Tensor, config: OrientationConfig):
    """Squared responses of the bank, as vectors of the doubled angle, their energy and their spread."""
    height, width = contrast.shape
    doubled = torch.zeros(2, height, width)
    energy = torch.zeros(height, width)
    mean = torch.zeros(2, height, width)
    amplitude = torch.full((height, width), 1e-9)
    for theta, response in gabor_responses(contrast, config):
        # The line runs along (-sin theta, cos theta), a quarter turn from u, so the doubled angle changes sign.
        squared, size = response**2, response.abs()
        doubled[0] -= squared * np.cos(2 * theta)
        doubled[1] -= squared * np.sin(2 * theta)
        mean[0] -= size * np.cos(2 * theta)
        mean[1] -= size * np.sin(2 * theta)
        energy += squared
        amplitude += size
    # Equation 11 takes the best of the kernels; the mean of the doubled angles falls between them. An angle whose
    # doubled vectors average to a length R has a variance of about -ln(R) / 2.
    spread = -0.5 * torch.log((torch.linalg.vector_norm(mean, dim=0) / amplitude).clamp(1e-4, 1))
    return doubled, energy, spread


def _gabor_transform(fx: torch.Tensor, fy: torch.Tensor, theta: float, config: OrientationConfig) -> torch.Tensor:
    """Equation 12's Fourier transform: two Gaussians about the frequencies +-1/lambda along u, across the line."""
    along_u = fx * np.cos(theta) + fy * np.sin(theta)
    along_v = -fx * np.sin(theta) + fy * np.cos(theta)
    su, sv = 2 * np.pi**2 * config.sigma_u**2, 2 * np.pi**2 * config.sigma_v**2
    across = torch.exp(-su * (along_u - 1 / config.wavelength) ** 2)
    across += torch.exp(-su * (along_u + 1 / config.wavelength) ** 2)
    # The kernel's own mean is taken out, so that even shading gives no response.
    across -= 2 * np.exp(-su / config.wavelength**2) * torch.exp(-su * along_u**2)
    return across * torch.exp(-sv * along_v**2)


def _structure_tensor(contrast: torch.Tensor, config: OrientationConfig):
    """The doubled angle of the mean gradient, a quarter turn from the line."""
    smooth = blurred(contrast, config.gradient)
    gy, gx = torch.gradient(smooth)
    doubled = torch.stack([gy**2 - gx**2, -2 * gx * gy])
    return doubled, gx**2 + gy**2, None


def blurred(image: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian blur of (H, W) or (C, H, W), borders repeated."""
    if sigma <= 0:
        return image
    radius = max(1, int(3 * sigma + 0.5))
    x = torch.arange(-radius, radius + 1, dtype=image.dtype)
    kernel = torch.exp(-0.5 * (x / sigma) ** 2)
    kernel = kernel / kernel.sum()
    stacked = image.reshape(-1, 1, *image.shape[-2:])
    stacked = F.conv2d(F.pad(stacked, (0, 0, radius, radius), mode="replicate"), kernel[None, None, :, None])
    stacked = F.conv2d(F.pad(stacked, (radius, radius, 0, 0), mode="replicate"), kernel[None, None, None, :])
    return stacked.reshape(image.shape)


def viewable(found: OrientationMap) -> np.ndarray:
    """(H, W, 3) uint8 RGB: hue is the angle, brightness the confidence."""
    import colorsys

    wheel = np.array([colorsys.hsv_to_rgb(k / 180, 0.75, 1.0) for k in range(180)], np.float32)
    index = (found.angle.numpy() * (180 / np.pi)).astype(int) % 180
    bright = np.sqrt(found.confidence.numpy())[..., None]
    return (wheel[index] * bright * 255).astype(np.uint8)
