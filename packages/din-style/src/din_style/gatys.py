"""Style transfer by optimizing pixels, as Gatys, Ecker and Bethge did (CVPR 2016), for comparison.

Slow, and the reference of what is possible: the same losses as in training, minimized for one pair.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from din_style.losses import content_loss, stack_moments, stacked_style_loss
from din_style.vgg import VGG

CONTENT_LAYER = "relu3_3"
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu3_3")


def optimize_pixels(
    vgg: VGG,
    content: Float[Tensor, "1 3 height width"],
    style: Float[Tensor, "1 3 style_height style_width"],
    *,
    steps: int = 60,
    style_weight: float = 3.0,
    learning_rate: float = 0.03,
) -> Float[Tensor, "1 3 height width"]:
    """Return the picture with the least losses that Adam finds, from the content on.

    Args:
        vgg: normalized features.
        content: RGB in [0, 1].
        style: RGB in [0, 1].
        steps: of Adam.
        style_weight: of the style loss; the content loss weighs 1.
        learning_rate: of Adam, in units of the range of pixels.

    Raises:
        ValueError: if there is not at least one step.
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    with torch.no_grad():
        wanted = vgg(content, [CONTENT_LAYER])[CONTENT_LAYER]
        moments = stack_moments(vgg(style, STYLE_LAYERS), STYLE_LAYERS)
    channels = [vgg.channels(name) for name in STYLE_LAYERS]
    pixels = content.clone().requires_grad_()
    adam = torch.optim.Adam([pixels], lr=learning_rate)
    for _ in range(steps):
        features = vgg(pixels, {CONTENT_LAYER, *STYLE_LAYERS})
        style_term = stacked_style_loss(stack_moments(features, STYLE_LAYERS), moments, channels)
        loss = content_loss(features[CONTENT_LAYER], wanted) + style_weight * style_term
        adam.zero_grad()
        loss.sum().backward()
        adam.step()
        with torch.no_grad():
            pixels.clamp_(0, 1)
    return pixels.detach()
