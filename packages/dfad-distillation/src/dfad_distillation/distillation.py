"""One distillation in a run folder: rounds of the game, kept states, and the student that is the result.

checkpoint.safetensors   the latest state of all players
states/                  students and generators at equal distances, for the measure of progress
progress.json            the measure of every student that was kept
"""

import copy
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dfad_distillation.adversarial_game import (
    Alteration,
    Lesson,
    Players,
    freeze,
    play_round,
)
from dfad_distillation.averaging import follow_average, reestimate_statistics
from dfad_distillation.config import DistillationConfig
from dfad_distillation.generators import Generator
from dfad_distillation.layouts import fastest_layout, paint_plainly
from dfad_distillation.occlusion import keep_rectangles
from dfad_distillation.optimizers import (
    generator_optimizer,
    rate_factor,
    set_rate,
    student_factor,
    student_optimizer,
)
from dfad_distillation.outputs import check_pair, check_teacher
from dfad_distillation.progress import (
    PACKAGE,
    Bank,
    StateScore,
    choose,
    evenly_spaced,
    highest,
    keep_state,
    paint_bank,
    restore_state,
    score_states,
)
from dfad_distillation.regularizers import GeneratorPenalty
from dfad_distillation.replay import ReplayMemory
from tenfold_shared.devices import autocast, choose_device, compile_module
from tenfold_shared.distributed import (
    any_rank,
    current_world,
    mean_over_ranks,
    shard,
    start,
    stop,
    synchronize_batchnorm,
    wrap,
)
from tenfold_shared.files import write_atomically
from tenfold_shared.runs import RunFolder
from tenfold_shared.seeds import torch_stream

PROGRESS = "progress.json"

Watcher = Callable[[int, nn.Module], None]
"""Called with the round and the student wherever a state is kept; it must change nothing."""


class DistillationResult(NamedTuple):
    """What a distillation leaves."""

    student: nn.Module
    """In evaluation mode."""
    generator: nn.Module
    """The last one."""
    table: list[StateScore]
    """The measure of all students that were kept."""
    chosen: int
    """After which round the student was taken: the last, or what the measure prefers."""


def distill(
    config: DistillationConfig,
    folder: Path,
    *,
    teacher: nn.Module,
    student: nn.Module,
    seed: int = 0,
    device: str = "auto",
    watch: Watcher | None = None,
) -> DistillationResult:
    """Teach a student what a teacher does, without data, or go on with a distillation that was interrupted.

    Under `torchrun` the processes share each batch and compute what one would.

    Args:
        config: All settings.
        folder: Run folder with settings, metrics, checkpoint and kept states.
        teacher: Gives logits (N, classes) or (N, classes, H, W) for normalized pictures; is frozen.
        student: Gives logits of the same shape; is trained in place.
        seed: Of everything random.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        watch: Is shown each state that is kept, for curves; the result does not depend on it.

    Raises:
        UserError: The run folder is damaged or does not fit, the outputs of the two networks do not, or training
            diverged.
        ValueError: The settings do not fit the generator or the number of processes.
    """
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
            game = _Distillation(config, run, teacher, student, seed=seed, device=place)
            return game.go(watch)
    finally:
        stop()


def noise_of_round(
    number: int, *, count: int, batch: int, latent: int, seed: int
) -> Iterator[Tensor]:
    """Yield the noise of a round, (batch, latent) each: a pure function of seed and round."""
    random = torch_stream(seed, "noise", number)
    for _ in range(count):
        yield torch.randn(batch, latent, generator=random)


class _Distillation:
    """The objects of one distillation."""

    def __init__(
        self,
        config: DistillationConfig,
        run: RunFolder,
        teacher: nn.Module,
        student: nn.Module,
        *,
        seed: int,
        device: torch.device,
    ) -> None:
        self.config, self.run, self.seed, self.device = config, run, seed, device
        layout = fastest_layout((teacher, student), config.input.shape)
        self.teacher = freeze(teacher).to(device, memory_format=layout)
        self.student = student.to(device, memory_format=layout).train()
        generator = Generator(config.generator, config.input).to(device, memory_format=layout)
        if layout != torch.channels_last:
            paint_plainly(generator)
        self.dtype = next(student.parameters()).dtype
        self.generator = generator.to(self.dtype).train()
        self.average = copy.deepcopy(self.student) if config.average else None
        sample = self._check()
        if current_world().size > 1:
            synchronize_batchnorm(self.student)
            synchronize_batchnorm(self.generator)
        self.players = Players(
            *(
                compile_module(one, enabled=config.compile)
                for one in (
                    self.teacher,
                    wrap(self.student, device),
                    wrap(self.generator, device),
                )
            )
        )
        self.optimizers = (
            student_optimizer(self.student, config),
            generator_optimizer(self.generator, config),
        )
        self.random = torch_stream(seed, "replay")
        self.memory = (
            ReplayMemory(config.replay, sample, random=self.random) if config.replay else None
        )
        self.kept = set(evenly_spaced(config.rounds, config.states)) if config.states else set()
        self.painted = set(evenly_spaced(config.rounds, config.snapshots)) if self.kept else set()

    def _check(self) -> Lesson:
        """Let both networks see the generator's first pictures; refuse what cannot work."""
        config = self.config
        noise = torch.randn(
            config.batch, self.generator.latent, generator=torch_stream(self.seed, "check")
        )
        with torch.no_grad():
            pictures = copy.deepcopy(self.generator)(noise.to(self.device, self.dtype))
        check_teacher(self.teacher, pictures)
        check_pair(self.teacher, copy.deepcopy(self.student), pictures)
        with torch.no_grad():
            return Lesson(pictures, self.teacher(pictures))

    def go(self, watch: Watcher | None) -> DistillationResult:
        """Play the remaining rounds and return the result."""
        config, run = self.config, self.run
        models = {"student": self.student, "generator": self.generator}
        extra = {"average": self.average, "memory": self.memory}
        run.track(
            models=models | {name: one for name, one in extra.items() if one is not None},
            optimizers=dict(zip(("sgd", "adam"), self.optimizers, strict=True)),
            generators={"replay": self.random},
        )
        penalty = None
        if not config.regularizers.is_empty:
            penalty = GeneratorPenalty(config.regularizers, self.teacher)
        if not self._has_converged():
            for number in run.steps(config.rounds):
                self._play(number, penalty)
                if self._keep(number, watch) and self._has_converged(number):
                    run.step = number
                    run.save()
                    break
        if penalty is not None:
            penalty.close()
        return self._finish()

    def _play(self, number: int, penalty: GeneratorPenalty | None) -> None:
        """Play one round; moves student, generator, average and memory."""
        config, world = self.config, current_world()
        for optimizer, rate in zip(
            self.optimizers,
            (
                config.student_rate * student_factor(number, config),
                config.generator_rate * rate_factor(number, config),
            ),
            strict=True,
        ):
            set_rate(optimizer, rate)
        noise = noise_of_round(
            number,
            count=config.pool + 1,
            batch=config.batch,
            latent=self.generator.latent,
            seed=self.seed,
        )
        parts = (shard(one, world).to(self.device, self.dtype) for one in noise)
        with autocast(self.device, config.precision):
            losses, lesson = play_round(
                self.players,
                self.student,
                self.optimizers,
                parts,
                student_steps=config.student_steps,
                pool=config.pool,
                losses=(config.loss, config.generation_loss),
                penalty=penalty,
                memory=self.memory,
                alter=self._alteration(number),
            )
        if number % config.log_every == 0 or number == config.rounds:
            imitation, discrepancy = map(mean_over_ranks, losses)
            self.run.log(number, imitation=imitation, discrepancy=discrepancy)
        if self.memory is not None and number % config.replay_every == 0:
            self.memory.add(lesson)
        if self.average is not None:
            follow_average(self.average, self.student, rounds=number, decay=config.average)

    def _alteration(self, number: int) -> Alteration | None:
        """Return what is done to the pictures of the lessons of a round: a pure function of seed and round."""
        if not self.config.occlusion:
            return None
        random = torch_stream(self.seed, "occlusion", number)
        share = self.config.occlusion
        return partial(keep_rectangles, share=share, random=random, world=current_world())

    def _result(self) -> nn.Module:
        """Return the student that counts: the averaged one, where there is one."""
        return self.student if self.average is None else self.average

    def _keep(self, number: int, watch: Watcher | None) -> bool:
        """Keep what is due in this round; tell whether a student was kept."""
        first = current_world().is_first
        if number in self.painted and first:
            keep_state(self.run.folder, "generator", number, self.generator)
        if number not in self.kept:
            return False
        if first:
            keep_state(self.run.folder, "student", number, self._result())
            if watch is not None:
                student = copy.deepcopy(self._result()).eval()
                watch(number, student)
        return True

    def _has_converged(self, number: int | None = None) -> bool:
        """Tell whether the measure has not improved for `patience` states."""
        number = self.run.step if number is None else number
        if not self.config.patience or number not in self.kept:
            return False
        if number < min(self.painted):  # no generator was kept yet, so there is no bank
            return False
        any_rank(False)  # the first process has written the states
        table = self._score(self._bank(number), number)
        rounds = [one.round for one in table]
        return len(rounds) - 1 - rounds.index(highest(table).round) >= self.config.patience

    def _bank(self, last: int) -> Bank:
        """Paint the bank from all generators kept so far, of which there is at least one."""
        return paint_bank(
            self.run.folder,
            sorted(number for number in self.painted if number <= last),
            generator=self.generator,
            teacher=self.teacher,
            count=self.config.bank,
            seed=self.seed,
        )

    def _score(self, bank: Bank, last: int) -> list[StateScore]:
        """Score all students kept up to a round."""
        kept = sorted(number for number in self.kept if number <= last)
        return score_states(self.run.folder, kept, bank, student=self.student)

    def _finish(self) -> DistillationResult:
        """Score the states, choose the student and measure its normalizations anew."""
        any_rank(False)  # the first process has written the states
        last = self.run.step
        bank = self._bank(last) if self.kept else None
        table = self._score(bank, last) if bank else []
        chosen = last
        student = copy.deepcopy(self._result())
        if self.config.select and bank:
            chosen = choose(table, pictures=len(bank.pictures)).round
            restore_state(self.run.folder, "student", chosen, student)
        if self.config.reestimate:
            batches = self._batches(self.config.reestimate)
            reestimate_statistics(student, batches)
        if current_world().is_first and table:
            rows = [one._asdict() for one in table]
            note = {"chosen": chosen, "states": rows}
            write_atomically(self.run.folder / PROGRESS, json.dumps(note, indent=1) + "\n")
        return DistillationResult(student.eval(), self.generator, table, chosen)

    @torch.no_grad()
    def _batches(self, count: int) -> Iterator[Tensor]:
        """Yield generated batches of the last generator."""
        painter = copy.deepcopy(self.generator).train()
        for noise in noise_of_round(
            0,
            count=count,
            batch=self.config.batch,
            latent=self.generator.latent,
            seed=self.seed,
        ):
            yield painter(noise.to(self.device, self.dtype))
