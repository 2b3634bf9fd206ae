"""Colors of one picture given to another: baselines of style transfer, and ways to keep the content's.

Each function takes and returns images in [0, 1], (batch, 3, height, width); batch sizes agree or one is 1.
"""

import torch
from jaxtyping import Float
from torch import Tensor

Images = Float[Tensor, "batch 3 height width"]
Reference = Float[Tensor, "references 3 reference_height reference_width"]
"""Of any size, and one for all images or one for each."""
Matched = Float[Tensor, "matched 3 height width"]
"""As many as the larger of both batches."""

# ITU-R BT.601, the weights that Pillow, JPEG and OpenCV use.
LUMINANCE = (0.299, 0.587, 0.114)
_FLOOR = 1e-5
"""Added to variances: a picture of one color has none."""


def luminance(images: Images) -> Float[Tensor, "batch 1 height width"]:
    """Return how bright each pixel is."""
    weights = images.new_tensor(LUMINANCE)[:, None, None]
    return (images * weights).sum(1, keepdim=True)


def match_moments(images: Images, reference: Reference) -> Matched:
    """Give each channel the mean and the standard deviation that it has in the reference."""
    mean, deviation = _moments(images)
    new_mean, new_deviation = _moments(reference)
    return ((images - mean) / deviation * new_deviation + new_mean).clamp(0, 1)


def match_histogram(images: Images, reference: Reference) -> Matched:
    """Give each channel the histogram that it has in the reference: ranks to quantiles."""
    batch = max(len(images), len(reference))
    shape = (batch, *images.shape[1:])
    pixels = images.expand(shape).flatten(2)
    targets = reference.expand(batch, -1, -1, -1).flatten(2).sort(dim=2).values
    order = pixels.argsort(dim=2, stable=True)
    count, known = pixels.shape[2], targets.shape[2]
    places = torch.linspace(0, known - 1, count, device=images.device, dtype=torch.float64)
    low = places.floor().long()
    share = (places - low).to(images.dtype)
    quantiles = torch.lerp(targets[..., low], targets[..., (low + 1).clamp(max=known - 1)], share)
    return torch.empty_like(pixels).scatter_(2, order, quantiles).view(shape)


def match_covariance(images: Images, reference: Reference) -> Matched:
    """Give the pixels the mean color and the color covariance of the reference (CORAL).

    x' = S^(1/2) C^(-1/2) (x - mean) + mean', C and S the covariances of both.
    """
    batch = max(len(images), len(reference))
    mean, root = _square_root(images, power=-0.5)
    new_mean, new_root = _square_root(reference, power=0.5)
    pixels = images.expand(batch, -1, -1, -1).flatten(2) - mean
    moved = (new_root @ root) @ pixels + new_mean
    return moved.view(batch, *images.shape[1:]).clamp(0, 1)


def keep_color(stylized: Images, content: Images) -> Images:
    """Return the brightness of the stylized picture in the hues and saturations of the content.

    The difference of both luminances is added to all channels (a shift along gray, as in YCbCr). Where that
    would leave [0, 1], the color is drawn towards the gray of that luminance, which stays exact.
    """
    target = luminance(stylized).clamp(0, 1)
    chroma = content - luminance(content)
    low, high = chroma.amin(1, keepdim=True), chroma.amax(1, keepdim=True)
    tiny = torch.finfo(chroma.dtype).tiny
    room = torch.minimum((1 - target) / high.clamp(min=tiny), target / (-low).clamp(min=tiny))
    return (target + chroma * room.clamp(0, 1)).clamp(0, 1)


def _moments(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each channel, (batch, 3, 1, 1)."""
    variance, mean = torch.var_mean(images, dim=(2, 3), keepdim=True, correction=0)
    return mean, (variance + _FLOOR).sqrt()


def _square_root(images: Tensor, *, power: float) -> tuple[Tensor, Tensor]:
    """Return the mean color (batch, 3, 1) and a power of the color covariance (batch, 3, 3)."""
    pixels = images.flatten(2)
    mean = pixels.mean(2, keepdim=True)
    centered = pixels - mean
    covariance = centered @ centered.mT / pixels.shape[2]
    covariance = covariance + _FLOOR * torch.eye(3, device=images.device, dtype=images.dtype)
    values, vectors = torch.linalg.eigh(covariance)
    # Rounding makes eigenvalues of flat pictures slightly negative.
    powers = values.clamp(min=_FLOOR / 10) ** power
    return mean, (vectors * powers[:, None]) @ vectors.mT
