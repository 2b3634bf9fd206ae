"""Training a density network from points: random crops, Adam, one cycle of the learning rate."""

import copy
import importlib
import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tbc_tracking.calibration import Calibration, fit_calibration
from tbc_tracking.crops import Crop, Distort, RandomCrops, load_crops
from tbc_tracking.data import AnnotatedFrames, TrainingData, read_training_data
from tbc_tracking.density_network import (
    NETWORK_NAME,
    PACKAGE,
    DensityNetwork,
    NetworkDescription,
    refuse_slow_precision,
)
from tbc_tracking.losses import DensityLosses, density_loss
from tbc_tracking.networks import MCNN, UNet, build_network
from tbc_tracking.tracks import Tracks
from tbc_tracking.training_config import TrainingConfig
from tbc_tracking.validation import (
    CountErrors,
    DensityScores,
    compare_maps,
    count_errors,
    score_frames,
)
from tenfold_shared.devices import autocast, choose_device, compile_module, unwrap_module
from tenfold_shared.distributed import current_world, start, stop, synchronize_batchnorm, wrap
from tenfold_shared.errors import UserError
from tenfold_shared.runs import RunFolder

_WARM_UP = 0.3
_FIRST_SHARE, _LAST_SHARE = 1 / 25, 1e-4
"""Share of steps with a rising rate, and of the peak at both ends (Smith and Topin, 1708.07120)."""


class TrainingResult(NamedTuple):
    """What a training leaves."""

    network: DensityNetwork
    """The calibrated network, also in the run folder as `NETWORK_NAME`."""
    scores: DensityScores | None
    """Errors on the validation frames before calibration, None without such frames."""
    counts: CountErrors | None
    """Count errors there after calibration and of a constant, None without such frames."""


def train(
    config: TrainingConfig,
    folder: Path,
    *,
    frames: Iterable[NDArray[np.float32]],
    tracks: Tracks,
    seed: int = 0,
    device: str = "auto",
) -> TrainingResult:
    """Train a density network, or go on with a training that was interrupted.

    Under `torchrun` the processes share each batch and compute what one would.

    Args:
        config: all settings.
        folder: run folder with settings, metrics, checkpoint and the finished network.
        frames: gray frames (height, width) in [0, 1] that can be iterated over again: `open_frames(path)`.
        tracks: the points; identities are not used.
        seed: of everything random.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

    Raises:
        UserError: as `read_training_data` and `RunFolder`.
        ValueError: if the batch cannot be shared equally by the processes.
    """
    place = choose_device(device)
    refuse_slow_precision(place, config.precision)
    distort = _strong_distortion() if config.augmentation == "strong" else None
    world = start(place)
    try:
        if config.batch % world.size:
            raise ValueError(
                f"batch must be a multiple of the {world.size} processes, got {config.batch}"
            )
        stride = (UNet if config.network == "unet" else MCNN).stride
        data = read_training_data(frames, tracks, config=config, stride=stride, seed=seed)
        with RunFolder(
            folder,
            config=config,
            package=PACKAGE,
            seed=seed,
            checkpoint_every=config.checkpoint_every,
        ) as run:
            return _Training(config, data, run=run, seed=seed, device=place).go(distort)
    finally:
        stop()


def train_step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    crop: Crop,
    *,
    config: TrainingConfig,
) -> DensityLosses:
    """Move the network towards the targets of one batch; touches nothing else."""
    with autocast(crop.image.device, config.precision):
        maps = network(crop.image)
    losses = density_loss(
        maps.float(),
        crop.target * config.target_scale,
        weights=crop.weight,
        count_weight=config.count_weight,
    )
    optimizer.zero_grad(set_to_none=True)
    losses.total.backward()
    optimizer.step()
    return DensityLosses(*(term.detach() for term in losses))


@torch.no_grad()
def follow_average(average: nn.Module, network: nn.Module, *, step: int, decay: float) -> None:
    """Move the averaged weights towards the network's; touches only the average.

    The first steps count less, so that the random beginning is forgotten.
    """
    share = 1 - min(decay, (1 + step) / (10 + step))
    latest = unwrap_module(network).state_dict()
    for name, kept in average.state_dict().items():
        if kept.is_floating_point():  # weights, and the statistics that belong to them
            kept.lerp_(latest[name], share)
        else:
            kept.copy_(latest[name])


def cycle_rate(step: int, *, steps: int, peak: float) -> float:
    """Return the learning rate of a step: half a cosine up to the peak, half a cosine down to nothing."""
    progress = (step - 1) / max(steps - 1, 1)
    if progress < _WARM_UP:
        begin, end, share = _FIRST_SHARE, 1.0, progress / _WARM_UP
    else:
        begin, end, share = 1.0, _LAST_SHARE, (progress - _WARM_UP) / (1 - _WARM_UP)
    return peak * (end + (begin - end) * (1 + math.cos(math.pi * share)) / 2)


class _Training:
    """The objects of one training."""

    def __init__(
        self,
        config: TrainingConfig,
        data: TrainingData,
        *,
        run: RunFolder,
        seed: int,
        device: torch.device,
    ) -> None:
        self.config, self.data, self.run, self.seed, self.device = config, data, run, seed, device
        module = build_network(
            config.network, channels=data.inputs.channels, widths=config.widths
        ).to(device)
        if current_world().size > 1:
            module = synchronize_batchnorm(module)
        self.average = copy.deepcopy(module)
        self.module = module
        self.network = compile_module(wrap(module, device), enabled=config.compile)
        self.optimizer = torch.optim.AdamW(
            module.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )

    def go(self, distort: Distort | None) -> TrainingResult:
        """Run the remaining steps and write the network."""
        config, run = self.config, self.run
        run.track(
            models={"network": self.module, "average": self.average},
            optimizers={"adam": self.optimizer},
        )
        if run.step < config.steps and current_world().is_first:
            (run.folder / NETWORK_NAME).unlink(missing_ok=True)  # of a shorter training
        crops = RandomCrops(self.data.fit, config, seed=self.seed, distort=distort)
        batches = load_crops(
            crops,
            first_step=run.step + 1,
            world=current_world(),
            pin_memory=self.device.type == "cuda",
        )
        for step in run.steps(config.steps):
            losses = self._step(step, next(batches))
            run.log(step, **losses._asdict())
            if config.validate_every and step % config.validate_every == 0 and step < config.steps:
                self._validate(step)
        return self._finish()

    def _step(self, step: int, crop: Crop) -> DensityLosses:
        """Update the network and its average once."""
        self.network.train()
        rate = cycle_rate(step, steps=self.config.steps, peak=self.config.learning_rate)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        batch = Crop(*(part.to(self.device, non_blocking=True) for part in crop))
        losses = train_step(self.network, self.optimizer, batch, config=self.config)
        follow_average(self.average, self.network, step=step, decay=self.config.average)
        return losses

    def _current(self) -> DensityNetwork:
        """Return the network as it is now, uncalibrated, apart from the one in training."""
        kept = self.average if self.config.average else self.module
        return DensityNetwork(
            copy.deepcopy(kept),
            describe(self.config, self.data),
            device=self.device,
            precision=self.config.precision,
        )

    def _validate(self, step: int) -> DensityScores | None:
        """Log the errors on the validation frames."""
        if not len(self.data.validate):
            return None
        scores = score_frames(compare_maps(self._current(), self.data.validate))
        self.run.log(step, split="validate", **scores._asdict())
        return scores

    def _finish(self) -> TrainingResult:
        """Validate, calibrate and write the finished network."""
        network, scores, counts = self._current(), None, None
        calibration = Calibration(scale=self.config.calibration_scale)
        path = self.run.folder / NETWORK_NAME
        if len(self.data.validate):
            frames = list(compare_maps(network, self.data.validate))
            scores = score_frames(frames)
            self.run.log(self.config.steps, split="validate", **scores._asdict())
            rows = [(sums.predicted, sums.target) for sums in frames]
            calibration = fit_calibration(self.config.calibration, rows)
            factors = np.array([calibration.at(row) for row in range(len(frames[0].predicted))])
            seen = float(np.mean([len(points) for points in self.data.fit.points]))
            counts = count_errors(frames, factors=factors, constant=seen)
            facts = {**network.description.data, "validation": scores._asdict()}
            network.description = replace(network.description, data=facts)
        network.description = replace(network.description, calibration=calibration)
        if current_world().is_first:
            network.save(path)
        return TrainingResult(network, scores, counts)


def describe(config: TrainingConfig, data: TrainingData) -> NetworkDescription:
    """Return what a checkpoint says about a network that was trained so."""
    fit: AnnotatedFrames = data.fit
    height, width = fit.images.shape[1:]
    return NetworkDescription(
        kind=config.network,
        widths=config.widths,
        inputs=data.inputs,
        size=fit.size,
        stride=fit.stride,
        target_scale=config.target_scale,
        data={
            "frames": len(fit),
            "points": sum(map(len, fit.points)),
            "width": width,
            "height": height,
            "fit": list(config.fit),
            "validate": list(config.validate),
            "steps": config.steps,
        },
    )


def _strong_distortion() -> Distort:
    """Return the distortion that needs the extra `augmentation`.

    Raises:
        UserError: if it is not installed.
    """
    try:
        return importlib.import_module("tbc_tracking.augmentation").strong_distortion
    except ImportError as error:
        raise UserError(
            'Strong augmentation needs albumentations; run pip install "tbc-tracking[augmentation]".'
        ) from error
