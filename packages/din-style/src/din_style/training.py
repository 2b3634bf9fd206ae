"""Training: pixel pre-training, then VGG losses against cached styles; Adam with a falling rate."""

import copy
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from din_style.compact_encoder import CompactEncoder, load_encoder
from din_style.config import TrainingConfig
from din_style.content_cache import CachedContents, ContentBatch, fresh_contents
from din_style.data import Pictures, open_pictures
from din_style.losses import (
    color_loss,
    content_loss,
    gram_matrices,
    identity_loss,
    moments,
    pair_energy,
    stack_moments,
    stacked_style_loss,
    total_variation,
)
from din_style.network_files import NETWORK_FILE, PACKAGE, load_network, save_network
from din_style.networks import TransferNetwork, build_network
from din_style.presets import load_vgg_encoder, require_vgg19
from din_style.style_cache import Styles, cache_styles, combine, pixel_moments
from din_style.validation import Scores, ValidationSet, prepare_validation, validate
from din_style.vgg import VGG, load_vgg
from tenfold_shared.devices import choose_device
from tenfold_shared.distributed import current_world, mean_over_ranks, shard, start, stop, wrap
from tenfold_shared.errors import UserError
from tenfold_shared.runs import RunFolder
from tenfold_shared.seeds import numpy_stream


class TrainingResult(NamedTuple):
    """What a training leaves."""

    network: TransferNetwork
    """The averaged network, also in the run folder as `network.safetensors`."""
    scores: Scores | None
    """On the pictures left out; None where there are none."""


class StepLosses(NamedTuple):
    """Means over the batch."""

    total: Tensor
    """What is minimized."""
    content: Tensor
    """Content loss."""
    style: Tensor
    """Style loss."""


def train(
    config: TrainingConfig,
    folder: Path,
    *,
    contents: Path,
    styles: Path,
    seed: int = 0,
    device: str = "auto",
    data: Path | None = None,
) -> TrainingResult:
    """Train a transfer network, or go on with a training that was interrupted.

    Under `torchrun` the processes share each batch and compute what one would.

    Args:
        config: All settings.
        folder: Run folder with settings, metrics, checkpoint and the finished network.
        contents: Folder or zip archive of pictures.
        styles: Folder or zip archive of pictures.
        seed: Of everything random.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        data: Where the offline VGG lies, if not in TENFOLD_DATA.

    Raises:
        UserError: Pictures, weights or the run folder are missing, damaged or do not fit.
        ValueError: The batch cannot be shared equally by the processes, or VGG lacks a layer of the losses.
    """
    place = choose_device(device)
    world = start(place)
    try:
        for size in (config.batch, config.pixel_batch):
            if size % world.size:
                raise ValueError(
                    f"batches must be multiples of the {world.size} processes, got {size}"
                )
        judge = load_vgg(config.vgg, data=data).to(place)
        judge.require({config.loss.content_layer, *config.loss.style_layers})
        if config.network.preset == "vgg" and config.init is None:
            require_vgg19(judge)
        encoder = None if config.encoder is None else load_encoder(config.encoder).to(place)
        pictures = (
            open_pictures(contents, size=config.size),
            open_pictures(styles, size=config.size),
        )
        with RunFolder(
            folder,
            config=config,
            package=PACKAGE,
            seed=seed,
            checkpoint_every=config.checkpoint_every,
        ) as run:
            return _Training(
                config, run, judge, pictures, encoder=encoder, seed=seed, device=place
            ).go()
    finally:
        stop()


def pixel_step(
    stylizer: nn.Module,
    optimizer: torch.optim.Optimizer,
    content: Tensor,
    styles: Styles,
    *,
    config: TrainingConfig,
) -> Tensor:
    """Move the network towards the content in the style's colors; touches nothing else."""
    own, style = moments(content), pixel_moments(styles)
    scale = (style.std / own.std)[:, :, None, None]
    shift = style.mean[:, :, None, None] - own.mean[:, :, None, None] * scale
    target = (content * scale + shift).clamp(0, 1)
    loss = (stylizer(content, styles.inputs()) - target).square().mean()
    _update(stylizer, optimizer, loss, config.clip)
    return loss.detach()


def style_step(
    stylizer: nn.Module,
    optimizer: torch.optim.Optimizer,
    content: ContentBatch,
    styles: Styles,
    *,
    config: TrainingConfig,
    vgg: VGG,
) -> StepLosses:
    """Move the network towards content and style in VGG's features; touches nothing else."""
    losses = config.loss
    output = stylizer(content.images, styles.inputs())
    features = vgg(output, {losses.content_layer, *losses.style_layers})
    content_term = content_loss(features[losses.content_layer], content.features).mean()
    style_term = _style_term(features, styles, config, vgg).mean()
    total = losses.content_weight * content_term + losses.style_weight * style_term
    if losses.variation_weight:
        total = total + losses.variation_weight * total_variation(output).mean()
    if losses.pair_weight:
        total = total + losses.pair_weight * pair_energy(output).mean()
    if losses.color_weight:
        if styles.colors is None:
            raise ValueError("the color loss needs styles that were described with it")
        total = total + losses.color_weight * color_loss(output, styles.colors).mean()
    if losses.identity_weight:
        if content.moments is None:
            raise ValueError("the identity loss needs networks that read moments, not maps")
        same = stylizer(content.images, content.moments)
        total = total + losses.identity_weight * identity_loss(same, content.images).mean()
    _update(stylizer, optimizer, total, config.clip)
    return StepLosses(total.detach(), content_term.detach(), style_term.detach())


def _style_term(
    features: dict[str, Tensor], styles: Styles, config: TrainingConfig, vgg: VGG
) -> Tensor:
    """Return the style loss of each sample against the cache."""
    layers = config.loss.style_layers
    if styles.grams is None:
        channels = [vgg.channels(name) for name in layers]
        return stacked_style_loss(stack_moments(features, layers), styles.moments, channels)
    grams = [gram_matrices(features[name]).flatten(1) for name in layers]
    wanted = styles.grams.split([gram.shape[1] for gram in grams], dim=1)
    return torch.stack([(g - w).square().mean(1) for g, w in zip(grams, wanted, strict=True)]).sum(
        0
    )


def _update(
    stylizer: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor, clip: float
) -> None:
    """Take one step of Adam with a gradient of limited length."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(stylizer.parameters(), clip)
    optimizer.step()


@torch.no_grad()
def follow_average(average: nn.Module, network: nn.Module, *, step: int, decay: float) -> None:
    """Move the averaged weights towards the network's; touches only the average.

    The first steps count less, so that the random beginning is forgotten.
    """
    share = 1 - min(decay, step / (10 + step))
    latest = network.state_dict()
    for name, kept in average.state_dict().items():
        kept.lerp_(latest[name], share)


def falling_rate(step: int, config: TrainingConfig) -> float:
    """Return Adam's rate: linear from `learning_rate` to `last_rate` over all steps."""
    progress = (step - 1) / max(total_steps(config) - 1, 1)
    return config.learning_rate + (config.last_rate - config.learning_rate) * progress


def total_steps(config: TrainingConfig) -> int:
    """Return the number of steps, pre-training included."""
    return config.steps + (0 if config.init else config.pixel_steps)


class Stylizer(nn.Module):
    """A network together with its weight- and bias-nets in one forward, as data parallelism needs it."""

    def __init__(self, network: TransferNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        """Return the stylized pictures."""
        return self.network(content, self.network.predict_code(style))


class _Training:
    """The objects of one training."""

    def __init__(
        self,
        config: TrainingConfig,
        run: RunFolder,
        judge: VGG,
        pictures: tuple[Pictures, Pictures],
        *,
        encoder: CompactEncoder | None,
        seed: int,
        device: torch.device,
    ) -> None:
        self.config, self.run, self.judge = config, run, judge
        self.seed, self.device = seed, device
        self.vgg = judge.to_bfloat16() if config.precision == "bf16" else judge
        (self.contents, self.held_contents), (self.style_pictures, self.held_styles) = (
            part.split(config.validation_share) for part in pictures
        )
        self.encoder = encoder
        self.network = self._first_network().to(device)
        self.average = copy.deepcopy(self.network)
        self.stylizer = wrap(Stylizer(self.network), device)
        trained = [p for p in self.network.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(trained, lr=config.learning_rate)

    def _first_network(self) -> TransferNetwork:
        """Return the network before training: random, or read from a file."""
        numbers = 2 * sum(self.judge.channels(name) for name in self.config.loss.style_layers)
        if self.config.network.style_input == "map":
            numbers = self.judge.channels("relu3_1")
        settings = dataclasses.replace(self.config.network, style_numbers=numbers)
        if self.config.init is None:
            network = build_network(settings)
            if settings.preset == "vgg":
                load_vgg_encoder(network.encoder, self.judge)
            return network
        network = load_network(self.config.init)
        if network.config != settings:
            raise UserError(
                f"{self.config.init} has other settings than this training ({network.config}); pass "
                "the same."
            )
        return network.train()

    def go(self) -> TrainingResult:
        """Run the remaining steps and write the network."""
        config, run = self.config, self.run
        styles = cache_styles(
            self.style_pictures,
            config,
            vgg=self.vgg,
            folder=run.folder,
            seed=self.seed,
            device=self.device,
            encoder=self.encoder,
        )
        if config.init is None:
            for network in (self.network, self.average):
                network.codes.standardize_by(styles.inputs())
        run.track(
            models={"network": self.network, "average": self.average},
            optimizers={"adam": self.optimizer},
        )
        batches = self._batches()
        held_out: ValidationSet | None = None
        for step in run.steps(total_steps(config)):
            self._step(step, next(batches), styles)
            if config.validate_every and step % config.validate_every == 0:
                held_out = held_out or self._held_out()
                self._validate(step, held_out)
        scores = self._validate(total_steps(config), held_out or self._held_out())
        if current_world().is_first:
            about = {"training": run.step, "validation": scores._asdict() if scores else {}}
            save_network(run.folder / NETWORK_FILE, self.average, about=about)
        return TrainingResult(self.average.eval(), scores)

    def _pixel_steps(self) -> int:
        """Return the number of steps of pre-training."""
        return total_steps(self.config) - self.config.steps

    def _batches(self) -> Iterator[ContentBatch]:
        """Yield the contents of the remaining steps."""
        config, world = self.config, current_world()
        plan: list[list[int]] = []
        for step in range(self.run.step + 1, total_steps(config) + 1):
            size = config.pixel_batch if step <= self._pixel_steps() else config.batch
            plan.append(shard(self._square_numbers(step, size), world))
        arguments = {"vgg": self.vgg, "config": config, "seed": self.seed, "device": self.device}
        if config.content_crops:
            cached = CachedContents(self.contents, **arguments)
            first_style_step = self._pixel_steps() + 1
            for step, numbers in enumerate(plan, start=self.run.step + 1):
                yield cached.batch(numbers, with_features=step >= first_style_step)
        else:
            yield from fresh_contents(self.contents, plan, **arguments)

    def _square_numbers(self, step: int, size: int) -> list[int]:
        """Return which squares of contents a step sees: drawn from the list, or new ones."""
        if not self.config.content_crops:
            largest = max(self.config.batch, self.config.pixel_batch)
            return [step * largest + i for i in range(size)]
        random = numpy_stream(self.seed, "contents", step)
        return random.integers(self.config.content_crops, size=size).tolist()

    def _step(self, step: int, content: ContentBatch, styles: Styles) -> None:
        """Update the network and its average once."""
        config = self.config
        rate = falling_rate(step, config)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        size = len(content.images) * current_world().size
        chosen = self._choose_styles(step, size, styles)
        if step <= self._pixel_steps():
            loss = pixel_step(self.stylizer, self.optimizer, content.images, chosen, config=config)
            self.run.log(step, pixel=mean_over_ranks(loss))
        else:
            losses = style_step(
                self.stylizer, self.optimizer, content, chosen, config=config, vgg=self.vgg
            )
            total, content_term, style_term = map(mean_over_ranks, losses)
            self.run.log(step, total=total, content=content_term, style=style_term)
        follow_average(self.average, self.network, step=step, decay=config.average)

    def _choose_styles(self, step: int, size: int, styles: Styles) -> Styles:
        """Return this process's part of the styles of a step; some are blends of two."""
        random = numpy_stream(self.seed, "styles", step)
        count = len(styles.moments)
        first, second = random.integers(count, size=(2, size))
        share = random.random(size) * (random.random(size) < self.config.mix_styles)
        world = current_world()
        first, second, share = (shard(part, world) for part in (first, second, share))
        one, two = (styles.rows(torch.from_numpy(i).to(self.device)) for i in (first, second))
        if not share.any():
            return one
        blend = torch.from_numpy(share).to(self.device, one.moments.dtype)

        def blended(parts: list[Tensor]) -> Tensor:
            start, end = parts
            return torch.lerp(start, end, blend.view(-1, *[1] * (start.ndim - 1)))

        return combine([one, two], blended)

    def _held_out(self) -> ValidationSet | None:
        """Return the pictures to choose by."""
        if not len(self.held_contents) or not len(self.held_styles):
            return None
        return prepare_validation(
            self.held_contents,
            self.held_styles,
            self.config,
            vgg=self.judge,
            device=self.device,
            encoder=self.encoder,
        )

    def _validate(self, step: int, pictures: ValidationSet | None) -> Scores | None:
        """Measure the averaged network and log it."""
        if pictures is None:
            return None
        scores = validate(self.average, pictures, self.config, vgg=self.judge)
        self.run.log(step, split="validate", **scores._asdict())
        return scores
