"""A teacher and a student of a few hundred weights, and settings that take a second."""

from dataclasses import replace

import torch
from torch import nn

from dfad_distillation.config import (
    DistillationConfig,
    GeneratorConfig,
    InputSpace,
    RegularizerConfig,
)
from tenfold_shared.seeds import torch_stream

CONFIG = DistillationConfig(
    input=InputSpace(shape=(1, 8, 8), mean=(0.5,), std=(0.5,)),
    generator=GeneratorConfig(width=4, latent=6),
    rounds=6,
    batch=16,
    student_steps=3,
    states=3,
    snapshots=3,
    bank=32,
    checkpoint_every=3,
)

ALL_TERMS = replace(
    CONFIG,
    generation_loss="log_mae",
    regularizers=RegularizerConfig(balance=1.0, smoothness=1.0, one_hot=0.5, batch_statistics=1.0),
    replay=2,
    replay_every=1,
    occlusion=0.5,
    average=0.5,
)
"""Everything beyond the paper at once."""


def network(width: int) -> nn.Module:
    """Return a small classifier with batch normalization."""
    return nn.Sequential(
        nn.Conv2d(1, width, 3),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * width, 3),
    )


def tiny_pair() -> tuple[nn.Module, nn.Module]:
    """Return teacher and student, always the same."""
    with torch.random.fork_rng():
        torch.random.default_generator.set_state(torch_stream(0, "tiny").get_state())
        return network(8).eval(), network(4)
