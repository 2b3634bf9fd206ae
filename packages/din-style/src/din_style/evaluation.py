"""Methods on pairs of content and style: losses, retrieval and measures that no loss uses, in one table.

Every method sees the same pairs. Results are rounded to 8 bits, as files are. Losses are those of training, on the
normalized VGG-16; the other columns are of networks and measures that nothing here was trained with.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from din_style.gatys import CONTENT_LAYER, STYLE_LAYERS
from din_style.judges import (
    Retrieval,
    color_vectors,
    mobilenet_vectors,
    ranks_to_retrieval,
    retrieve,
    texture_vectors,
)
from din_style.losses import content_loss, stack_moments, stacked_style_loss
from din_style.mobilenet import MobileNetV2
from din_style.picture_measures import period_two_share, structural_similarity
from din_style.vgg import VGG

Method = Callable[[Tensor, int], Tensor]
"""(content (1, 3, height, width), number of the style) -> stylized, likewise."""


class PairScores(NamedTuple):
    """Numbers of one stylized picture."""

    style: float
    """Style loss."""
    content: float
    """Content loss."""
    similarity: float
    """SSIM of the luminance with the content's."""
    checkerboard: float
    """Period-2 share of the high-pass energy beyond the content's."""


@dataclass
class MethodScores:
    """What a method came to over all pairs."""

    method: str
    """Its name."""
    pairs: list[tuple[int, int]] = field(default_factory=list)
    """Content and style of each pair."""
    scores: list[PairScores] = field(default_factory=list)
    """One for each pair."""
    retrieval: dict[str, Retrieval] = field(default_factory=dict)
    """By the name of the judge."""
    cpu_seconds: float = 0.0
    """Spent by the method itself, without the judges."""

    def mean(self, name: str) -> float:
        """Return the mean of a field of `PairScores`."""
        return sum(getattr(score, name) for score in self.scores) / len(self.scores)

    def row(self) -> dict[str, str | float]:
        """Return a line of the table."""
        row: dict[str, str | float] = {"method": self.method}
        row |= {name: self.mean(name) for name in PairScores._fields}
        for judge, found in self.retrieval.items():
            row[f"top1_{judge}"] = found.top1
        row["cpu_seconds"] = self.cpu_seconds
        return row


class Gallery:
    """Candidates of the retrieval, described once by every judge.

    Args:
        vgg: normalized features, of the losses.
        mobilenet: a judge; left out if None.
        images: candidates (number, 3, height, width).
    """

    def __init__(self, vgg: VGG, mobilenet: MobileNetV2 | None, images: Tensor) -> None:
        self.vgg, self.mobilenet = vgg, mobilenet
        self.moments = torch.cat([self.describe_by_vgg(image[None]) for image in images])
        self.vectors = self.describe(images)

    def describe_by_vgg(self, image: Tensor) -> Float[Tensor, "1 numbers"]:
        """Return the moments of the style loss."""
        with torch.no_grad():
            return stack_moments(self.vgg(image, STYLE_LAYERS), STYLE_LAYERS)

    def describe(self, images: Tensor) -> dict[str, Tensor]:
        """Return the descriptors of the judges that no loss uses."""
        judges = {"texture": texture_vectors, "color": color_vectors}
        vectors = {
            name: torch.cat([judge(image[None]) for image in images])
            for name, judge in judges.items()
        }
        if self.mobilenet is not None:
            rows = [mobilenet_vectors(image[None], self.mobilenet) for image in images]
            vectors["mobilenet"] = torch.cat(rows)
        return vectors


def evaluate_methods(
    methods: Mapping[str, Method],
    contents: Float[Tensor, "contents 3 height width"],
    styles: Sequence[int],
    gallery: Gallery,
    *,
    pairs: Sequence[tuple[int, int]] | None = None,
) -> list[MethodScores]:
    """Score methods on the same pairs.

    Args:
        methods: by name.
        contents: pictures.
        styles: which candidates of the gallery are the styles.
        gallery: candidates of the retrieval.
        pairs: numbers of content and style (a place in `styles`); all pairs if missing.
    """
    chosen = list(pairs or [(i, j) for i in range(len(contents)) for j in range(len(styles))])
    wanted = {
        i: gallery.vgg(contents[i : i + 1], [CONTENT_LAYER])[CONTENT_LAYER]
        for i in sorted({i for i, _ in chosen})
    }
    return [
        _score_method(name, method, contents, styles, gallery, chosen, wanted)
        for name, method in methods.items()
    ]


class _Described(NamedTuple):
    """What the judges see of one result."""

    content: Tensor
    """Features of the content loss."""
    moments: Tensor
    """Moments of the style loss."""
    vectors: dict[str, Tensor]
    """Descriptors of the other judges."""
    checkerboard: float
    """Period-2 share."""


def _score_method(
    name: str,
    method: Method,
    contents: Tensor,
    styles: Sequence[int],
    gallery: Gallery,
    pairs: Sequence[tuple[int, int]],
    wanted: Mapping[int, Tensor],
) -> MethodScores:
    """Score one method."""
    result = MethodScores(name, list(pairs))
    channels = [gallery.vgg.channels(layer) for layer in STYLE_LAYERS]
    distances, vectors = [], []
    before: Tensor | None = None
    found: _Described | None = None
    for i, j in pairs:
        content = contents[i : i + 1]
        start = time.process_time()
        output = method(content, j)
        result.cpu_seconds += time.process_time() - start
        output = (output.clamp(0, 1) * 255).round() / 255
        # The same picture for many styles (identity) is looked at once.
        if found is None or before is None or not torch.equal(output, before):
            found = _describe(output, gallery)
        before = output
        vectors.append(found.vectors)
        distances.append(stacked_style_loss(found.moments, gallery.moments, channels))
        result.scores.append(
            PairScores(
                style=float(distances[-1][styles[j]]),
                content=float(content_loss(found.content, wanted[i])),
                similarity=float(structural_similarity(output, content)),
                checkerboard=found.checkerboard - float(period_two_share(content)),
            )
        )
    truth = torch.tensor([styles[j] for _, j in pairs])
    result.retrieval["vgg"] = ranks_to_retrieval(torch.stack(distances), truth)
    for judge, candidates in gallery.vectors.items():
        queries = torch.cat([vector[judge] for vector in vectors])
        result.retrieval[judge] = retrieve(queries, candidates, truth)
    return result


@torch.no_grad()
def _describe(output: Tensor, gallery: Gallery) -> _Described:
    """Return what the judges see of a result."""
    features = gallery.vgg(output, {CONTENT_LAYER, *STYLE_LAYERS})
    return _Described(
        content=features[CONTENT_LAYER],
        moments=stack_moments(features, STYLE_LAYERS),
        vectors=gallery.describe(output),
        checkerboard=float(period_two_share(output)),
    )
