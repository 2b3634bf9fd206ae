"""A run folder: everything that a training needs to be repeated, and to go on after a kill.

config.json             the settings, so that `--config config.json` repeats the run
environment.json        versions, command line, device and seed of each start
metrics.jsonl           one number a line
checkpoint.safetensors  the latest state
"""

import logging
import math
import signal
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from tenfold_shared.checkpoints import load_checkpoint, save_checkpoint
from tenfold_shared.devices import unwrap_module
from tenfold_shared.distributed import any_rank, current_world
from tenfold_shared.errors import UserError
from tenfold_shared.files import lock_folder, sweep_stale_temporaries
from tenfold_shared.metrics import MetricsWriter
from tenfold_shared.records import agree_on_config, as_json, note_environment, show_progress
from tenfold_shared.seeds import seed_global_state

logger = logging.getLogger(__name__)

CHECKPOINT_NAME = "checkpoint.safetensors"
METRICS_NAME = "metrics.jsonl"


class RunFolder:
    """A folder that one training owns; use it as a context manager.

    The first call starts a training; a later one in the same folder resumes from the latest
    checkpoint and, on the CPU, computes the same bits as a run that was never interrupted. All
    randomness must come from torch's global state, from tracked generators or from streams named by
    the step (`seeds`). Under `torchrun` the first process writes.

    Args:
        folder: Created if needed.
        config: The settings, a dataclass; a resumed run must have the same, except for the number of
            steps, the device, paths and what only concerns the terminal.
        package: The distribution that trains.
        seed: Seeds torch's global state.
        checkpoint_every: Steps between checkpoints.
        tensorboard: Also write TensorBoard's event files.

    Raises:
        UserError: The folder is in use, belongs to other settings, or cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        *,
        config: Any,
        package: str,
        seed: int,
        checkpoint_every: int = 500,
        tensorboard: bool = False,
    ) -> None:
        if checkpoint_every < 1:
            raise ValueError(f"checkpoint_every must be at least 1, got {checkpoint_every}")
        self.folder = Path(folder)
        self.step = 0
        """Number of completed steps."""
        self._config, self._package, self._seed = config, package, seed
        self._every, self._tensorboard = checkpoint_every, tensorboard
        self._models: Mapping[str, nn.Module] | None = None
        self._optimizers: Mapping[str, Optimizer] = {}
        self._generators: dict[str, torch.Generator] = {}
        self._metrics: MetricsWriter | None = None
        self._signal: int | None = None
        self._saved_step: int | None = None
        self._stack = ExitStack()

    @property
    def checkpoint(self) -> Path:
        """The file with the latest state."""
        return self.folder / CHECKPOINT_NAME

    def __enter__(self) -> Self:
        """Lock the folder, compare or write its settings, and seed torch."""
        if current_world().is_first:
            with ExitStack() as stack:
                stack.enter_context(lock_folder(self.folder))
                sweep_stale_temporaries(self.folder)
                agree_on_config(self.folder, self._config)
                note_environment(self.folder, self._config, package=self._package, seed=self._seed)
                self._stack = stack.pop_all()
        seed_global_state(self._seed, "global", current_world().rank)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the metrics and free the folder."""
        if self._metrics is not None:
            self._metrics.close()
        self._stack.close()

    def track(
        self,
        *,
        models: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer] | None = None,
        generators: Mapping[str, torch.Generator] | None = None,
    ) -> bool:
        """Name the state that checkpoints hold, and restore it if there is a checkpoint.

        Without one, the untrained state is saved at once, so that a disk that is full or read-only
        is found before hours of training.

        Returns:
            Whether the run was resumed; `step` says after how many steps.

        Raises:
            UserError: The checkpoint is damaged or does not fit.
        """
        self._models, self._optimizers = models, optimizers or {}
        if {"torch", "cuda"} & set(generators or {}):
            raise ValueError("generators must not be named torch or cuda; those are tracked anyway")
        self._generators = {**(generators or {}), "torch": torch.default_generator}
        if torch.cuda.is_initialized():
            self._generators["cuda"] = torch.cuda.default_generators[torch.cuda.current_device()]
        # The first process decides: a moment later its own first checkpoint exists.
        resumed = any_rank(current_world().is_first and self.checkpoint.exists())
        if resumed:
            self._restore(models)
        if current_world().is_first:
            path = self.folder / METRICS_NAME
            self._metrics = MetricsWriter(path, last_step=self.step, tensorboard=self._tensorboard)
            if not resumed:
                self.save()
        return resumed

    def steps(self, count: int) -> Iterator[int]:
        """Return the numbers of the steps still to do, up to and including `count`.

        After each step that is due, the state is saved. Ctrl-C and SIGTERM let the current step end,
        save and exit with 130 or 143; a second one stops at once.
        """
        if self._models is None:
            raise ValueError("call run.track(models=...) before run.steps(...)")
        loop = self._loop(count)
        # When the body of the caller's loop raises, nobody else closes it and frees the signals.
        self._stack.callback(loop.close)
        return loop

    def _loop(self, count: int) -> Generator[int]:
        """Yield steps, and save and stop between them."""
        with show_progress(self.step, count) as advance, self._deferred_signals():
            for step in range(self.step + 1, count + 1):
                yield step
                self.step = step
                advance()
                stopping = any_rank(self._signal is not None)
                if stopping or step % self._every == 0 or step == count:
                    self.save()
                if stopping:
                    logger.warning("stopped after step %d; run it again to go on", step)
                    raise SystemExit(128 + (self._signal or signal.SIGTERM))

    @contextmanager
    def _deferred_signals(self) -> Generator[None]:
        """Remember the first Ctrl-C or SIGTERM instead of acting on it."""
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread may handle signals
            return

        def remember(number: int, _frame: FrameType | None) -> None:
            if self._signal is not None:
                raise SystemExit(128 + number)
            self._signal = number
            logger.warning("finishing this step and saving; once more stops at once")

        before = {n: signal.signal(n, remember) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def log(self, step: int, *, split: str = "train", **values: Tensor | float) -> None:
        """Append numbers to the metrics after checking that they are finite.

        Raises:
            UserError: A number is NaN or infinite: the training has diverged.
        """
        numbers = {
            name: float(value.detach() if isinstance(value, Tensor) else value)
            for name, value in values.items()
        }
        for name, number in numbers.items():
            if not math.isfinite(number):
                raise self._diverged(step, f"{name} is {number}")
        if self._metrics is not None:
            self._metrics.write(step, numbers, split=split)

    def save(self) -> None:
        """Write the checkpoint now.

        Raises:
            UserError: A weight is NaN or infinite, or the file cannot be written; the last good
                checkpoint is kept.
        """
        if not current_world().is_first or self._models is None:
            return
        for name, model in self._models.items():
            for key, tensor in unwrap_module(model).named_parameters():
                if not bool(torch.isfinite(tensor).all()):
                    raise self._diverged(self.step, f"{key} of network {name} is not finite")
        save_checkpoint(
            self.checkpoint,
            models=self._models,
            optimizers=self._optimizers,
            generators=self._generators,
            metadata={"step": self.step, "seed": self._seed, "config": as_json(self._config)},
            package=self._package,
        )
        self._saved_step = self.step

    def _restore(self, models: Mapping[str, nn.Module]) -> None:
        """Load the checkpoint into what is tracked."""
        checkpoint = load_checkpoint(self.checkpoint, package=self._package)
        if checkpoint.metadata.get("seed") != self._seed:
            raise UserError(
                f"{self.folder} was started with seed {checkpoint.metadata.get('seed')}, not "
                f"{self._seed}; use that seed or another folder."
            )
        stored = checkpoint.generators  # a run that moves to or from a GPU has others
        known = {n: g for n, g in self._generators.items() if n in stored or n != "cuda"}
        checkpoint.restore(models=models, optimizers=self._optimizers, generators=known)
        self.step = self._saved_step = int(checkpoint.metadata["step"])
        rank = current_world().rank
        if rank:  # the file holds the random state of the first process
            seed_global_state(self._seed, "global", rank, self.step)
        logger.info("resuming %s after step %d", self.folder, self.step)

    def _diverged(self, step: int, what: str) -> UserError:
        """Return the sentence for a training that has left the numbers."""
        good = "there is no good checkpoint"
        if self._saved_step is not None:
            good = f"the last good checkpoint is {self.checkpoint} (step {self._saved_step})"
        return UserError(
            f"Training diverged at step {step}: {what}; {good}. Lower the learning rate or check "
            "the data."
        )
