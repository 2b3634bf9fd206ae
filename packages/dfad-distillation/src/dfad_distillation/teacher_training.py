"""Training a teacher with labels: a run folder that resumes with the same bits."""

import math
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dfad_distillation.augmentation import augment
from dfad_distillation.data import LabeledPictures, normalize
from dfad_distillation.metrics import Scores, evaluate
from dfad_distillation.model_files import PACKAGE, TEACHER_FILE, save_model
from dfad_distillation.registry import build_network, task_of
from dfad_distillation.teacher_config import TeacherConfig
from dfad_distillation.teacher_losses import label_loss, rarity_weights
from tenfold_shared.devices import autocast, choose_device
from tenfold_shared.distributed import (
    current_world,
    mean_over_ranks,
    shard,
    start,
    stop,
    synchronize_batchnorm,
    wrap,
)
from tenfold_shared.errors import UserError
from tenfold_shared.runs import RunFolder
from tenfold_shared.seeds import epoch_order, numpy_stream

_MOMENTUM = 0.9
_WARM_SHARE, _FIRST_SHARE = 0.2, 0.1  # of one_cycle: length of the rise, and where it begins


class TeacherResult(NamedTuple):
    """What a training leaves."""

    network: nn.Module
    """In evaluation mode, also in the run folder as `teacher.safetensors`."""
    scores: Scores | None
    """On the validation pictures; None without them."""


def train_teacher(
    config: TeacherConfig,
    folder: Path,
    *,
    training: LabeledPictures,
    validation: LabeledPictures | None = None,
    seed: int = 0,
    device: str = "auto",
) -> TeacherResult:
    """Train a teacher, or go on with a training that was interrupted.

    Under `torchrun` the processes share each batch and compute what one would.

    Args:
        config: All settings.
        folder: Run folder with settings, metrics, checkpoint and the finished teacher.
        training: What it learns from.
        validation: What it is measured on at the end.
        seed: Of everything random.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

    Raises:
        UserError: Network and data do not fit, or the run folder belongs to another run.
        ValueError: The batch cannot be shared equally by the processes.
    """
    _check_data(config, training, validation)
    place = choose_device(device)
    world = start(place)
    try:
        if config.batch % world.size:
            raise ValueError(
                f"batch must be a multiple of the {world.size} processes, got {config.batch}"
            )
        with RunFolder(
            folder,
            config=config,
            package=PACKAGE,
            seed=seed,
            checkpoint_every=config.checkpoint_every,
        ) as run:
            return _Training(config, run, training, seed=seed, device=place).go(validation)
    finally:
        stop()


def rate_at(step: int, total: int, config: TeacherConfig) -> float:
    """Return the learning rate of a step, counted from 1: a pure function."""
    done = (step - 1) / max(total, 1)
    share = 1.0
    if config.schedule == "steps":
        share = 0.1 ** sum(done >= border for border in (0.4, 0.8))
    elif config.schedule == "one_cycle" and done < _WARM_SHARE:
        share = _FIRST_SHARE + (1 - _FIRST_SHARE) * done / _WARM_SHARE
    elif config.schedule in ("one_cycle", "cosine"):
        warm = _WARM_SHARE if config.schedule == "one_cycle" else 0.0
        share = 0.5 * (1 + math.cos(math.pi * (done - warm) / (1 - warm)))
    return config.learning_rate * share


def teacher_step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    pictures: Tensor,
    labels: Tensor,
    *,
    config: TeacherConfig,
    weights: Tensor | None = None,
) -> Tensor:
    """Move the network towards the labels; touches nothing else. Returns the mean loss."""
    with autocast(pictures.device, config.precision):
        logits = network(pictures)
    loss = label_loss(logits, labels, config=config, weights=weights)
    count = loss.weight
    if current_world().size > 1:  # gradients are averaged over processes, whose weights differ
        count = count.new_tensor(mean_over_ranks(count))
    mean = loss.total / count.clamp(min=torch.finfo(count.dtype).tiny)
    optimizer.zero_grad(set_to_none=True)
    mean.backward()
    optimizer.step()
    return mean.detach()


class _Training:
    """The objects of one training."""

    def __init__(
        self,
        config: TeacherConfig,
        run: RunFolder,
        training: LabeledPictures,
        *,
        seed: int,
        device: torch.device,
    ) -> None:
        self.config, self.run, self.training = config, run, training
        self.seed, self.device = seed, device
        self.arguments = _arguments(config)
        network = build_network(
            config.network,
            classes=len(training.classes),
            channels=config.input.shape[0],
            arguments=self.arguments,
        )
        if config.backbone is not None:
            from dfad_distillation.deeplab import load_backbone

            load_backbone(network, config.backbone)
        self.network = network.to(device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        if current_world().size > 1:
            synchronize_batchnorm(self.network)
        self.player = wrap(self.network, device)
        self.optimizer = _optimizer(self.network, config)
        self.weights: Tensor | None = None
        if config.class_weights:
            weights = rarity_weights(training.labels, classes=len(training.classes))
            self.weights = weights.to(device)
        self.batch = min(config.batch, len(training))
        self.steps_per_epoch = len(training) // self.batch
        self.epoch, self.order = 0, epoch_order(len(training), seed, 0)

    def go(self, validation: LabeledPictures | None) -> TeacherResult:
        """Run the remaining steps, measure and write the teacher."""
        config, run = self.config, self.run
        run.track(models={"teacher": self.network}, optimizers={"optimizer": self.optimizer})
        total = config.epochs * self.steps_per_epoch
        self.network.train()
        for step in run.steps(total):
            for group in self.optimizer.param_groups:
                group["lr"] = rate_at(step, total, config)
            loss = teacher_step(
                self.player,
                self.optimizer,
                *self._batch(step),
                config=config,
                weights=self.weights,
            )
            if step % self.steps_per_epoch == 0 or step % 100 == 0:
                run.log(step, loss=mean_over_ranks(loss))
        scores = None
        if validation is not None:
            scores = evaluate(self.network, validation, config.input, device=self.device)
            run.log(total, split="validation", **scores.numbers())
        self._save(scores)
        # As the file holds it: another memory layout would compute other last digits.
        plain = self.network.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
        return TeacherResult(plain.eval(), scores)

    def _batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Return this process's pictures and labels of a step: a function of seed and step."""
        epoch, index = divmod(step - 1, self.steps_per_epoch)
        if epoch != self.epoch:
            self.epoch, self.order = epoch, epoch_order(len(self.training), self.seed, epoch)
        chosen = torch.from_numpy(self.order[index * self.batch : (index + 1) * self.batch])
        images, labels = augment(
            self.training.images[chosen],
            self.training.labels[chosen],
            self.config.augment,
            random=numpy_stream(self.seed, "augment", step),
        )
        images, labels = shard(images), shard(labels)
        pictures = normalize(images.to(self.device), self.config.input)
        return pictures.to(memory_format=torch.channels_last), labels.to(self.device)

    def _save(self, scores: Scores | None) -> None:
        """Write the finished teacher."""
        if not current_world().is_first:
            return
        about = {
            "data": self.training.name,
            "pictures": len(self.training),
            "epochs": self.config.epochs,
            "seed": self.seed,
            "validation": scores.numbers() if scores else {},
        }
        save_model(
            self.run.folder / TEACHER_FILE,
            self.network,
            source=self.config.network,
            arguments=self.arguments,
            input=self.config.input,
            classes=self.training.classes,
            about=about,
        )


def _arguments(config: TeacherConfig) -> dict[str, int]:
    """Return what the network's constructor is given."""
    return {"width": config.width} if config.width else {}


def _optimizer(network: nn.Module, config: TeacherConfig) -> torch.optim.Optimizer:
    """Return the optimizer."""
    if config.optimizer == "adam":
        return torch.optim.AdamW(
            network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
    return torch.optim.SGD(
        network.parameters(),
        lr=config.learning_rate,
        momentum=_MOMENTUM,
        nesterov=True,
        weight_decay=config.weight_decay,
    )


def _check_data(
    config: TeacherConfig, training: LabeledPictures, validation: LabeledPictures | None
) -> None:
    """Refuse data that the network is not for, before anything is written."""
    if task_of(config.network) != training.task:
        raise UserError(
            f"{config.network} is for {task_of(config.network)} and {training.name} has labels for "
            f"{training.task}; choose another network."
        )
    if len(training) < 2:
        raise UserError(f"{training.name} has only {len(training)} training pictures; add more.")
    if training.task == "segmentation" and training.images.shape[-2:] != config.input.shape[1:]:
        raise UserError(
            f"{training.name} is {training.images.shape[-2]} x {training.images.shape[-1]} and the "
            f"input space {config.input.shape[1:]}; masks are not resized with pictures, so read the "
            "data in that size."
        )
    if validation is not None and validation.classes != training.classes:
        raise UserError(f"{validation.name} has other classes for validation than for training.")
