"""The game equals the official loop; each step changes exactly what it says; nothing computes useless gradients."""

import copy

import pytest
import torch
from slow_reference import NO_FAULTS, Faults, SlowGame
from torch import nn

from dfad_distillation.adversarial_game import (
    Players,
    RoundLosses,
    freeze,
    generation_step,
    imitation_step,
    play_round,
    prepare_lesson,
)
from dfad_distillation.config import GenerationLoss, GeneratorConfig, InputSpace
from dfad_distillation.generators import Generator
from tenfold_shared.seeds import seed_global_state

SPACE = InputSpace(shape=(2, 8, 8), mean=(0.5,), std=(0.5,))
LATENT, BATCH, K = 6, 8, 3


def classifier(width: int, seed: int) -> nn.Module:
    """Return a small network with batch normalization."""
    seed_global_state(seed)
    return nn.Sequential(
        nn.Conv2d(2, width, 3),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * width, 5),
    )


def players(dtype: torch.dtype, name: str = "a") -> Players:
    """Return three small networks."""
    seed_global_state(3)
    generator = Generator(GeneratorConfig(name=name, width=4, latent=LATENT), SPACE)
    group = Players(classifier(6, 1), classifier(3, 2), generator)
    for network in group:
        network.to(dtype).train()
    group.teacher.eval()
    return group


def noise(rounds: int, count: int, dtype: torch.dtype) -> list[list[torch.Tensor]]:
    """Return `count` batches of noise for each round."""
    random = torch.Generator().manual_seed(5)
    return [
        [
            torch.randn(BATCH, LATENT, generator=random, dtype=torch.float64).to(dtype)
            for _ in range(count)
        ]
        for _ in range(rounds)
    ]


def play(
    group: Players,
    batches: list[list[torch.Tensor]],
    *,
    loss: GenerationLoss = "mae",
    pool: int = K,
    layout: torch.memory_format = torch.channels_last,
) -> list[RoundLosses]:
    """Play as the package does."""
    for network in group:
        network.to(memory_format=layout)
    freeze(group.teacher)
    optimizers = (
        torch.optim.SGD(
            group.student.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4, fused=True
        ),
        torch.optim.Adam(group.generator.parameters(), lr=1e-3, fused=True),
    )
    return [
        play_round(
            group,
            group.student,
            optimizers,
            iter(one),
            student_steps=K,
            pool=pool,
            losses=("mae", loss),
        )[0]
        for one in batches
    ]


def largest_difference(one: Players, other: Players) -> float:
    """Return the largest difference of any weight or buffer of student and generator."""
    worst = 0.0
    for mine, theirs in zip(one[1:], other[1:], strict=True):
        state = theirs.state_dict()
        for name, value in mine.state_dict().items():
            worst = max(worst, float((value.double() - state[name].double()).abs().max()))
    return worst


def run_both(*, adaptive: bool, faults: Faults = NO_FAULTS, rounds: int = 3) -> tuple[float, float]:
    """Return the largest difference of networks and of losses after some rounds in float64."""
    ours = players(torch.float64)
    theirs = copy.deepcopy(ours)
    batches = noise(rounds, K + 1, torch.float64)
    found = play(ours, batches, loss="log_mae" if adaptive else "mae")
    game = SlowGame(*theirs, adaptive=adaptive, faults=faults)
    worst = 0.0
    for one, losses in zip(batches, found, strict=True):
        imitation, distance = game.round(iter(one), student_steps=K)
        worst = max(worst, abs(imitation - float(losses.imitation)))
        worst = max(worst, abs(distance - float(losses.discrepancy)))
    return largest_difference(ours, theirs), worst


@pytest.mark.parametrize("adaptive", [False, True])
def test_three_rounds_equal_the_official_loop_in_float64(adaptive: bool) -> None:
    networks, losses = run_both(adaptive=adaptive)
    assert networks < 1e-9
    assert losses < 1e-9


@pytest.mark.parametrize(
    "faults",
    [
        Faults(momentum=0.0),
        Faults(squared=True),
        Faults(wrong_sign=True),
        Faults(student_in_evaluation=True),
        Faults(teacher_for_student=True),
    ],
    ids=lambda f: next(n for n in f._fields if getattr(f, n) != getattr(NO_FAULTS, n)),
)
def test_the_comparison_sees_each_planted_fault(faults: Faults) -> None:
    networks, _ = run_both(adaptive=False, faults=faults)
    assert networks > 1e-6


def test_losses_of_the_first_rounds_agree_in_float32() -> None:
    ours = players(torch.float32)
    theirs = copy.deepcopy(ours)
    batches = noise(3, K + 1, torch.float32)
    found = play(ours, batches)
    game = SlowGame(*theirs)
    for one, losses in zip(batches, found, strict=True):
        imitation, distance = game.round(iter(one), student_steps=K)
        assert float(losses.imitation) == pytest.approx(imitation, abs=1e-4)
        assert float(losses.discrepancy) == pytest.approx(distance, abs=1e-4)


def test_a_reused_batch_differs_from_fresh_ones() -> None:
    ours, theirs = players(torch.float64), players(torch.float64)
    batches = noise(1, K + 1, torch.float64)
    play(ours, batches)
    play(theirs, [one[-2:] for one in batches], pool=1)
    assert largest_difference(ours, theirs) > 1e-6


def states(group: Players) -> list[dict[str, torch.Tensor]]:
    """Return copies of all weights and buffers."""
    return [copy.deepcopy(network.state_dict()) for network in group]


def changed(before: dict[str, torch.Tensor], network: nn.Module) -> set[str]:
    """Return the names of weights and buffers that differ from before."""
    after = network.state_dict()
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


def is_buffer(name: str) -> bool:
    """Tell whether a name is one of batch normalization's running statistics."""
    return name.rpartition(".")[2] in ("running_mean", "running_var", "num_batches_tracked")


def test_a_lesson_moves_only_the_running_statistics_of_the_generator() -> None:
    group = players(torch.float32)
    before = states(group)
    lesson = prepare_lesson(group, torch.randn(BATCH, LATENT))
    assert not lesson.pictures.requires_grad
    assert not lesson.logits.requires_grad
    assert not changed(before[0], group.teacher)
    assert not changed(before[1], group.student)
    moved = changed(before[2], group.generator)
    assert moved
    assert all(map(is_buffer, moved))


def test_imitation_changes_the_student_and_nothing_else() -> None:
    group = players(torch.float32)
    freeze(group.teacher)
    lesson = prepare_lesson(group, torch.randn(BATCH, LATENT))
    before = states(group)
    optimizer = torch.optim.SGD(group.student.parameters(), lr=0.01)
    imitation_step(group.student, optimizer, lesson)
    assert not changed(before[0], group.teacher)
    assert not changed(before[2], group.generator)
    # A convolution's bias in front of batch normalization has gradient 0; all weights move.
    weights = {n for n, _ in group.student.named_parameters() if n.endswith("weight")}
    assert weights <= changed(before[1], group.student)
    assert all(
        p.grad is None for network in (group.teacher, group.generator) for p in network.parameters()
    )


def test_generation_changes_the_generator_and_the_statistics_of_the_student_only() -> None:
    group = players(torch.float32)
    freeze(group.teacher)
    before = states(group)
    optimizer = torch.optim.Adam(group.generator.parameters(), lr=1e-3)
    generation_step(group, group.student, optimizer, torch.randn(BATCH, LATENT))
    assert not changed(before[0], group.teacher)
    moved = changed(before[1], group.student)
    assert moved
    assert all(map(is_buffer, moved))
    weights = {n for n, _ in group.generator.named_parameters() if n.endswith("weight")}
    assert weights <= changed(before[2], group.generator)
    assert all(p.grad is None for n in (group.teacher, group.student) for p in n.parameters())
    assert all(p.requires_grad for p in group.student.parameters())


def test_the_generator_makes_pictures_harder_and_the_student_makes_them_easier() -> None:
    group = players(torch.float64)
    freeze(group.teacher)
    fixed = torch.randn(BATCH, LATENT, dtype=torch.float64)
    adam = torch.optim.Adam(group.generator.parameters(), lr=1e-3)
    hardness = [float(generation_step(group, group.student, adam, fixed)) for _ in range(20)]
    assert hardness[-1] > 1.1 * hardness[0]
    lesson = prepare_lesson(group, fixed)
    sgd = torch.optim.SGD(group.student.parameters(), lr=0.01, momentum=0.9)
    distances = [float(imitation_step(group.student, sgd, lesson)) for _ in range(50)]
    assert distances[-1] < 0.8 * distances[0]


def count_passes(module: nn.Module) -> list[int]:
    """Count forward passes of a network."""
    calls: list[int] = []
    module.register_forward_hook(lambda *_: calls.append(1))
    return calls


@pytest.mark.parametrize(("pool", "passes"), [(K, K + 1), (1, 2)])
def test_the_generator_runs_once_per_fresh_batch_and_once_to_learn(pool: int, passes: int) -> None:
    group = players(torch.float32)
    generator, teacher = count_passes(group.generator), count_passes(group.teacher)
    play(group, noise(1, pool + 1, torch.float32), pool=pool)
    assert len(generator) == passes
    assert len(teacher) == passes


def test_the_steps_take_the_fresh_batches_in_turn() -> None:
    group = players(torch.float32)
    seen: list[torch.Tensor] = []
    group.student.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    play(group, noise(1, 3, torch.float32), pool=2)
    first, second, third, generated = seen
    assert not torch.equal(first, second)
    assert torch.equal(first, third)
    assert not torch.equal(generated, second)
