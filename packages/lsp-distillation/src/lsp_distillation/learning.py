"""The loop of every training here: labels and terms, the best state on validation nodes, bits that survive a kill."""

import copy
import json
import logging
import math
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from lsp_distillation.inference import NotFiniteError
from lsp_distillation.passes import begin_again, copies, passes_of
from lsp_distillation.term_weights import STRUCTURE, TermWeights, gradient_norm
from lsp_distillation.terms_config import LABELS_ALONE, TermsConfig
from lsp_distillation.training_config import TrainingConfig
from tenfold_shared.distributed import (
    current_world,
    mean_over_ranks,
    start,
    stop,
    sum_over_ranks,
    synchronize_batchnorm,
    wrap,
)
from tenfold_shared.errors import UserError
from tenfold_shared.files import write_atomically
from tenfold_shared.records import CONFIG_NAME
from tenfold_shared.runs import RunFolder

logger = logging.getLogger(__name__)

PACKAGE = "lsp-distillation"
SHARE_EVERY = 10
"""Epochs between logs of the structure term's share of the gradient, which takes two more passes from the loss."""
SHARE_NAME = "structure_share"
"""Of that log."""
LABELS = "labels"
"""Name of the loss on true labels."""
ORIGIN_FILE = "origin.json"
"""In a run folder: digests of what it learns from."""


class Losses(NamedTuple):
    """What a student is told in one step."""

    terms: dict[str, Tensor]
    """Scalars by name; `labels` among them. Under torchrun, gradients averaged over processes are the whole batch's."""
    anchors: tuple[Tensor, ...]
    """Features of the student's matched layers, where gradients are compared; none: no term needs them."""


class Problem(Protocol):
    """What is learned: it makes batches of its data and knows the losses."""

    constant_loss: float
    """The labels' loss of the best constant prediction."""

    @property
    def steps_per_epoch(self) -> int:
        """Number of steps that see everything once."""
        ...

    def losses(self, network: nn.Module, step: int, *, wanted: set[str]) -> Losses:
        """Return the labels' loss and the wanted terms of a step, counted from 1: a pure function."""
        ...

    def modules(self) -> dict[str, nn.Module]:
        """Return what learns beside the network."""
        ...

    def score(self, network: nn.Module, split: str) -> float:
        """Return how good a network is on `train`, `val` or `test`; larger is better."""
        ...


class Learned(NamedTuple):
    """What a training leaves."""

    network: nn.Module
    """The state that was best on validation nodes, in evaluation mode."""
    epoch: int
    """When it was reached; 0 is the first state. Those after the asked epochs are of the pass without the term."""
    validation: float
    """Its score."""
    weights: dict[str, float]
    """Of the terms, at the end; 0 for one that was never set."""
    dropped: bool = False
    """Whether the state is of the pass without the structure term; see `StructureConfig.schedule`."""


class Best(nn.Module):
    """The best state so far, tracked like a network so that checkpoints hold it."""

    epoch: Tensor
    score: Tensor
    risen: Tensor
    """Epoch in which the score rose last in the present pass."""
    peak: Tensor
    """The best score of the present pass."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        for name in ("epoch", "risen"):
            self.register_buffer(name, torch.zeros((), dtype=torch.int64))
        for name in ("score", "peak"):
            self.register_buffer(name, torch.full((), -torch.inf, dtype=torch.float64))

    def offer(self, network: nn.Module, epoch: int, score: float, *, anyway: bool = False) -> None:
        """Keep a state if it is better, or anyway; of equals the first."""
        if anyway or score > float(self.peak):
            self.risen.fill_(epoch)
            self.peak.fill_(score)
        if anyway or score > float(self.score):
            self.network.load_state_dict(network.state_dict())
            self.epoch.fill_(epoch)
            self.score.fill_(score)

    def begin_pass(self, epoch: int) -> None:
        """Wait anew for a rise of the score; the best state stays."""
        self.risen.fill_(epoch)
        self.peak.fill_(-torch.inf)


def learn(
    config: TrainingConfig,
    folder: Path,
    problem: Problem,
    network: nn.Module,
    *,
    record: Any,
    origin: Mapping[str, Any] | None = None,
    terms: TermsConfig | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> Learned:
    """Train a network, or go on with a training that was interrupted.

    Args:
        config: How.
        folder: Run folder.
        problem: Batches and losses.
        network: It is trained in place; the best state is returned as another.
        record: The dataclass that the run folder writes down and compares on resuming.
        origin: Digests of data and teacher, JSON values by name, compared on resuming too.
        terms: Weights of what is learned beside the labels.
        seed: Of torch's global state.
        device: Where.

    Raises:
        UserError: The training diverged, or the folder belongs to another run.
    """
    place = torch.device(device)
    _refuse_strangers(folder)
    with (
        joined_processes(place),
        RunFolder(
            folder,
            config=record,
            package=PACKAGE,
            seed=seed,
            checkpoint_every=config.checkpoint_every,
        ) as run,
    ):
        agree_on_origin(folder, origin or {})
        if current_world().size > 1:
            network = synchronize_batchnorm(network)
        loop = _Loop(config, run, problem, network.to(place), terms or LABELS_ALONE)
        return loop.go(place)


@contextmanager
def joined_processes(device: torch.device) -> Generator[None]:
    """Join the other processes of torchrun, unless that was done; problems are built inside."""
    outermost = current_world().size == 1
    start(device)
    try:
        yield
    finally:
        if outermost:
            stop()


def _refuse_strangers(folder: Path) -> None:
    """Refuse a folder whose files this run would overwrite, though no run wrote them."""
    if (folder / CONFIG_NAME).exists() or not folder.exists():
        return
    for name in ("model.safetensors", "comparison.json", "trials.jsonl"):
        if (folder / name).exists():
            raise UserError(f"{folder} holds a {name} that is of no run; choose another --out.")


def agree_on_origin(folder: Path, origin: Mapping[str, Any]) -> None:
    """Write down what a run learns from, or refuse a folder that learned from something else.

    Args:
        folder: It exists.
        origin: JSON values, such as digests, by name.

    Raises:
        UserError: Something differs; the sentence names it.
    """
    if not current_world().is_first:
        return
    path, ours = folder / ORIGIN_FILE, json.loads(json.dumps(origin))
    if path.exists():
        try:
            theirs = dict(json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"{path} is damaged; use another folder.") from error
        for name in {**theirs, **ours}:
            if theirs.get(name) != ours.get(name):
                raise UserError(
                    f"{folder} holds a run on another {name}; use another folder, or delete it."
                )
    write_atomically(path, json.dumps(ours, indent=1) + "\n")


def rate_at(step: int, total: int, config: TrainingConfig) -> float:
    """Return the learning rate of a step, counted from 1: a pure function."""
    share = 0.5 * (1 + math.cos(math.pi * (step - 1) / total)) if config.cosine else 1.0
    return config.learning_rate * share


class _Loop:
    """The objects of one training."""

    def __init__(
        self,
        config: TrainingConfig,
        run: RunFolder,
        problem: Problem,
        network: nn.Module,
        terms: TermsConfig,
    ) -> None:
        self.config, self.run, self.problem, self.network = config, run, problem, network
        self.weights = TermWeights(terms)
        self.best = Best(network)
        self.learners = {"network": network, **problem.modules()}
        self.beside = [p for one in problem.modules().values() for p in one.parameters()]
        self.optimizer = torch.optim.Adam(
            [p for one in self.learners.values() for p in one.parameters()],
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
        )
        self.passes = passes_of(config.epochs, terms.structure)
        self.first = copies(self.learners) if self.passes.twice else None

    def go(self, device: torch.device) -> Learned:
        """Run the remaining steps and return the best state."""
        run = self.run
        self.best.to(device)
        self._track()
        player = wrap(self.network, device)
        if not bool(torch.isfinite(self.best.score)):
            self._validate(0)
            run.save()  # so that it is not logged again
        for end in self.passes.ends:
            self._pass(player, end)
        if self.weights.open:
            logger.warning(
                "the training ended before a weight was set for %s: it taught nothing; train for more than %d epochs",
                ", ".join(self.weights.open),
                self.weights.config.measure_after,
            )
        return Learned(
            self.best.network.eval(),
            int(self.best.epoch),
            float(self.best.score),
            {name: 0.0 if w != w else w for name, w in self.weights.as_numbers().items()},
            dropped=int(self.best.epoch) > self.config.epochs,
        )

    def _track(self) -> None:
        """Name what checkpoints hold, and go on from one."""
        models = {"best": self.best, "weights": self.weights, **self.learners}
        if self.first is not None:
            models["first"] = self.first
        self.run.track(models=models, optimizers={"optimizer": self.optimizer})

    def _pass(self, player: nn.Module, end: int) -> None:
        """Do what remains of a pass that ends after so many epochs, or once the score has not risen for long."""
        run, per_epoch = self.run, self.problem.steps_per_epoch
        last = end * per_epoch
        if run.step >= last:
            return
        for step in run.steps(last):
            self._step(player, step)
            if step % per_epoch == 0:
                self._validate(step // per_epoch)
                waited = self._has_waited(step // per_epoch)
                if (
                    (waited or step == last)
                    and self.first is not None
                    and end == self.config.epochs
                ):
                    begin_again(self.learners, self.first, self.optimizer)
                    self.best.begin_pass(end)
                if waited:
                    break
        run.step = last  # though the loop may have been left in its midst
        run.save()

    def _step(self, player: nn.Module, step: int) -> None:
        """Move the network (and what learns beside it) once."""
        per_epoch = self.problem.steps_per_epoch
        trained = (step - 1) // per_epoch
        epoch, without = self.passes.place(trained), self.passes.is_second(trained)
        rate = rate_at(
            step - (trained - epoch) * per_epoch, self.config.epochs * per_epoch, self.config
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.network.train()
        wanted = self.weights.wanted(epoch, without_structure=without)
        losses = self.problem.losses(player, step, wanted=wanted)
        if self.weights.is_due(epoch) and not without and self._has_begun(losses, epoch):
            self._weigh(losses)
        factors = self.weights.at(epoch, without_structure=without)
        whole = torch.stack([factors[n] * term for n, term in losses.terms.items()]).sum()
        last = step % per_epoch == 0
        share = self._share(losses, factors) if last and epoch % SHARE_EVERY == 0 else {}
        self.optimizer.zero_grad(set_to_none=True)
        whole.backward()
        self._average_beside()
        self.optimizer.step()
        if last:
            named = {"loss": whole, **losses.terms}
            self.run.log(step, **{n: mean_over_ranks(term) for n, term in named.items()}, **share)  # pyright: ignore[reportArgumentType]

    def _share(self, losses: Losses, factors: Mapping[str, float]) -> dict[str, float]:
        """Return the norm of the weighted structure term's gradient over that of the labels', where there is one."""
        if STRUCTURE not in losses.terms or not factors[STRUCTURE] * factors[LABELS]:
            return {}
        term, labels = (gradient_norm(losses.terms[n], losses.anchors) for n in (STRUCTURE, LABELS))
        if not labels:
            return {}
        return {SHARE_NAME: factors[STRUCTURE] * term / (factors[LABELS] * labels)}

    def _average_beside(self) -> None:
        """Average the gradients of what learns beside the network over processes; `wrap` does the network's."""
        size = current_world().size
        for parameter in self.beside if size > 1 else ():
            if parameter.grad is not None:
                sum_over_ranks(parameter.grad).div_(size)

    def _has_begun(self, losses: Losses, epoch: int) -> bool:
        """Tell whether labels are learned better than by a constant, or half of the training is over.

        Before, their gradient is large but only shrinks logits, and a share of it would be far too much.
        """
        loss = mean_over_ranks(losses.terms[LABELS])
        return loss < self.problem.constant_loss or 2 * epoch >= self.config.epochs

    def _weigh(self, losses: Losses) -> None:
        """Set the weights that are asked for by their share of the labels' gradient."""
        norms = {
            name: gradient_norm(term, losses.anchors)
            for name, term in losses.terms.items()
            if name == LABELS or name in self.weights.open
        }
        self.weights.settle(norms.pop(LABELS), norms)

    def _validate(self, epoch: int) -> None:
        """Score the network and keep it if it is the best."""
        try:
            score = self.problem.score(self.network, "val")
        except NotFiniteError:
            score = math.nan  # the log refuses it and names the last good state
        self.best.offer(self.network, epoch, score, anyway=epoch <= self.passes.early)
        self.run.log(epoch * self.problem.steps_per_epoch, split="validation", score=score)

    def _has_waited(self, epoch: int) -> bool:
        """Tell whether the score has not risen for `patience` epochs of this pass."""
        patience = self.config.patience
        return bool(patience) and epoch - int(self.best.risen) >= patience


def share_of_processes(count: Tensor | int) -> float:
    """Return world * count / sum of counts: the factor that makes an average over processes one over all rows."""
    world = current_world()
    if world.size == 1:
        return 1.0
    return float(count) / mean_over_ranks(float(count))
