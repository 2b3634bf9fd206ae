"""How good a network is on pictures that training left out; every setting is chosen by these numbers."""

from typing import NamedTuple

import torch
from torch import Tensor

from din_style.augmentation import central_square
from din_style.compact_encoder import CompactEncoder
from din_style.config import TrainingConfig
from din_style.data import Pictures, as_tensor
from din_style.losses import content_loss, pair_energy, stack_moments, stacked_style_loss
from din_style.networks import TransferNetwork
from din_style.style_cache import Styles, combine, describe_styles
from din_style.vgg import VGG

CONTENTS, STYLES = 6, 10
"""Pictures that are paired, at most."""
CANDIDATES = 64
"""Styles among which a stylized picture has to find its own, at most."""


class Scores(NamedTuple):
    """Means over all pairs."""

    style: float
    """Style loss of the stylized pictures."""
    content: float
    """Content loss of the stylized pictures."""
    identity_style: float
    """Style loss of the contents themselves."""
    style_ratio: float
    """style / identity_style."""
    retrieval: float
    """Share of stylized pictures whose nearest style by moments is their own."""
    pairs: float
    """Energy of patterns with period 2 beyond the contents' own."""


class ValidationSet(NamedTuple):
    """Pictures with what the losses need of them."""

    contents: Tensor
    """(contents, 3, size, size)."""
    features: Tensor
    """Content features."""
    content_moments: Tensor
    """Moments of the contents."""
    styles: Styles
    """The first `STYLES` are paired, all are candidates."""


@torch.no_grad()
def prepare_validation(
    contents: Pictures,
    styles: Pictures,
    config: TrainingConfig,
    *,
    vgg: VGG,
    device: torch.device,
    encoder: CompactEncoder | None = None,
) -> ValidationSet:
    """Return evenly chosen pictures and their features, middle squares at the judged scale."""
    content_images = _middles(contents, CONTENTS, config.size).to(device)
    style_images = _middles(styles, CANDIDATES, config.size)
    layers = {config.loss.content_layer, *config.loss.style_layers}
    features = [vgg(image[None], layers) for image in content_images]
    rows = [
        describe_styles(vgg, image[None].to(device), config, encoder=encoder)
        for image in style_images
    ]
    # The pairs come first, spread over the styles, which are sorted by name and so by class.
    count = len(rows)
    paired = [i * count // STYLES for i in range(min(STYLES, count))]
    order = list(dict.fromkeys([*paired, *range(count)]))
    joined = combine(rows, torch.cat)
    return ValidationSet(
        content_images,
        torch.cat([f[config.loss.content_layer] for f in features]),
        torch.cat([stack_moments(f, config.loss.style_layers) for f in features]),
        joined.rows(torch.tensor(order, device=device)),
    )


@torch.no_grad()
def validate(
    network: TransferNetwork, pictures: ValidationSet, config: TrainingConfig, *, vgg: VGG
) -> Scores:
    """Return the scores of a network."""
    layers = config.loss.style_layers
    channels = [vgg.channels(name) for name in layers]
    rows: list[list[float]] = []
    for number in range(min(STYLES, len(pictures.styles.moments))):
        row = pictures.styles.rows(torch.tensor([number], device=pictures.contents.device))
        code = network.predict_code(row.inputs())
        for i, content in enumerate(pictures.contents):
            output = (network(content[None], code) * 255).round() / 255
            found = vgg(output, {config.loss.content_layer, *layers})
            stacked = stack_moments(found, layers)
            style = stacked_style_loss(stacked, row.moments, channels)
            own = stacked_style_loss(pictures.content_moments[i : i + 1], row.moments, channels)
            content_term = content_loss(
                found[config.loss.content_layer], pictures.features[i : i + 1]
            )
            distances = stacked_style_loss(stacked, pictures.styles.moments, channels)
            extra = pair_energy(output) - pair_energy(content[None])
            rows.append(
                [
                    float(style),
                    float(content_term),
                    float(own),
                    float(distances.argmin() == number),
                    float(extra),
                ]
            )
    style, content, own, right, pairs = torch.tensor(rows).mean(0).tolist()
    return Scores(style, content, own, style / own, right, pairs)


def _middles(pictures: Pictures, count: int, size: int) -> Tensor:
    """Return the middle squares of up to `count` pictures, evenly chosen."""
    chosen = [i * len(pictures) // count for i in range(min(count, len(pictures)))]
    if len(pictures) <= count:
        chosen = list(range(len(pictures)))
    return as_tensor([central_square(pictures.read(i), size) for i in chosen])
