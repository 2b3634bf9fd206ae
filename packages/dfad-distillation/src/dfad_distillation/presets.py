"""Settings by name: ours for one CPU core, and those of the paper's experiments.

The paper's are the defaults of its official code (section 1.5 of the specification); its epochs have 50 rounds.
"""

from collections.abc import Callable
from dataclasses import replace

from dfad_distillation.config import (
    DistillationConfig,
    GeneratorConfig,
    InputSpace,
    RegularizerConfig,
)

MNIST = InputSpace(shape=(1, 32, 32), mean=(0.1307,), std=(0.3081,))
FASHION_MNIST = InputSpace(shape=(1, 32, 32), mean=(0.2860,), std=(0.3530,))
DIGITS = InputSpace(shape=(1, 32, 32), mean=(0.305,), std=(0.376,))
CIFAR = InputSpace(shape=(3, 32, 32), mean=(0.4914, 0.4822, 0.4465), std=(0.2023, 0.1994, 0.2010))
HALVES = InputSpace(shape=(3, 128, 128), mean=(0.5,), std=(0.5,))
"""Pictures in [-1, 1], as the paper's 128 px teachers read them."""

_EPOCH = 50


def standard(rounds: int = 800) -> DistillationConfig:
    """Return our settings for small teachers on a CPU.

    A small and slow generator, one batch reused for all k student steps, the adaptive loss, and terms that the paper
    does not have: docs/packages/dfad-distillation/deviations.md says why.
    """
    return DistillationConfig(
        rounds=rounds,
        generation_loss="log_mae",
        student_rate=0.05,
        warmup=20,
        generator_rate=5e-4,
        regularizers=RegularizerConfig(balance=4.0, smoothness=1.0),
        replay=40,
        replay_every=6,
        occlusion=0.5,
    )


def quick() -> DistillationConfig:
    """Return `standard` for a first look: about a CPU minute with LeNet-5."""
    return standard(330)


def long(rounds: int = 3200) -> DistillationConfig:
    """Return `standard` for the best student: about ten CPU minutes with LeNet-5.

    The generator is slower: given many rounds, a fast one leaves what the teacher's data look like, and more time
    makes a worse student.
    """
    return replace(standard(rounds), generator_rate=3e-4)


def digits() -> DistillationConfig:
    """Return the settings of the demonstration: scikit-learn's digits, blurred by enlarging, within half a minute.

    In so few rounds the generator has to be fast.
    """
    return replace(
        standard(300),
        input=DIGITS,
        batch=64,
        student_rate=0.03,
        generator_rate=1e-3,
        replay_every=3,
        regularizers=RegularizerConfig(balance=4.0, smoothness=4.0),
        occlusion=0.0,
        states=8,
    )


def photographs(rounds: int = 330) -> DistillationConfig:
    """Return settings for small classifiers of photographs with batch normalization."""
    return replace(
        standard(rounds),
        input=CIFAR,
        batch=64,
        regularizers=RegularizerConfig(balance=4.0, smoothness=1.0, batch_statistics=0.5),
    )


def camvid() -> DistillationConfig:
    """Return settings for a small segmenter of street scenes, about five CPU minutes.

    The generator begins with the spectrum of photographs and is held near the statistics that the teacher knows. It
    costs little beside the student, so that each of its steps sees fresh pictures.
    """
    return DistillationConfig(
        input=InputSpace(shape=(3, 96, 128), mean=(0.5,), std=(0.5,)),
        generator=GeneratorConfig(name="natural", output="range"),
        rounds=160,
        batch=16,
        pool=5,
        generation_loss="log_mae",
        student_rate=0.05,
        warmup=5,
        generator_rate=2e-3,
        regularizers=RegularizerConfig(balance=2.0, batch_statistics=2.0),
        bank=32,  # a picture has thousands of pixels to agree on
    )


def _paper(
    generator: str,
    latent: int,
    space: InputSpace,
    *,
    batch: int,
    epochs: int,
    student_rate: float,
    weight_decay: float,
    milestones: tuple[int, ...] = (),
    decay: float = 0.1,
    adaptive: bool = False,
) -> DistillationConfig:
    """Return one column of the paper's settings: k fresh batches, no further terms, the last student."""
    return DistillationConfig(
        input=space,
        generator=GeneratorConfig(
            name=generator,  # pyright: ignore[reportArgumentType]
            width=64,
            latent=latent,
            output="range" if generator == "b" else "standardized",
            crop=False,
        ),
        batch=batch,
        rounds=_EPOCH * epochs,
        pool=5,
        generation_loss="log_mae" if adaptive else "mae",
        student_rate=student_rate,
        weight_decay=weight_decay,
        schedule="steps" if milestones else "constant",
        milestones=tuple(_EPOCH * epoch for epoch in milestones),
        decay=decay,
    )


def _paper_mnist() -> DistillationConfig:
    return _paper("a", 100, MNIST, batch=512, epochs=40, student_rate=0.01, weight_decay=1e-4)


def _paper_cifar() -> DistillationConfig:
    return _paper(
        "a", 256, CIFAR, batch=256, epochs=500, student_rate=0.1, weight_decay=5e-4,
        milestones=(100, 200),
    )  # fmt: skip


def _paper_caltech() -> DistillationConfig:
    return _paper(
        "b", 256, HALVES, batch=64, epochs=300, student_rate=0.05, weight_decay=5e-4,
        milestones=(100, 200),
    )  # fmt: skip


def _paper_camvid() -> DistillationConfig:
    return _paper(
        "b", 256, HALVES, batch=64, epochs=300, student_rate=0.1, weight_decay=5e-4,
        milestones=(100, 200), adaptive=True,
    )  # fmt: skip


def _paper_nyuv2() -> DistillationConfig:
    return _paper(
        "b", 256, HALVES, batch=64, epochs=300, student_rate=0.1, weight_decay=5e-5,
        milestones=(100, 200), decay=0.3, adaptive=True,
    )  # fmt: skip


DISTILLATIONS: dict[str, Callable[[], DistillationConfig]] = {
    "quick": quick,
    "standard": standard,
    "long": long,
    "digits": digits,
    "photographs": photographs,
    "camvid": camvid,
    "paper": _paper_mnist,
    "paper-cifar": _paper_cifar,
    "paper-caltech101": _paper_caltech,
    "paper-camvid": _paper_camvid,
    "paper-nyuv2": _paper_nyuv2,
}
"""Settings of `distill` by name."""


def preset(name: str) -> DistillationConfig:
    """Return the settings with a name.

    Raises:
        ValueError: There is no such preset.
    """
    if name not in DISTILLATIONS:
        raise ValueError(f"preset must be one of {', '.join(DISTILLATIONS)}, got {name!r}")
    return DISTILLATIONS[name]()
