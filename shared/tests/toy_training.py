"""A training with everything that makes resuming hard; tests start it and kill it.

Arguments: folder, steps, checkpoint_every, and what to do (`train`, or a mishap).
"""

import os
import signal
import sys
import time
from dataclasses import dataclass

import torch
from torch import nn

from tenfold_shared import Options, RunFolder, run_commands, torch_stream

torch.set_num_threads(1)


@dataclass(frozen=True, kw_only=True)
class TrainOptions(Options):
    """Settings of the toy."""

    steps: int = 60
    """Updates."""

    checkpoint_every: int = 7
    """Steps between checkpoints."""

    rate: float = 0.01
    """Learning rate."""

    mishap: str = "none"
    """What goes wrong; the name of nobody's setting."""

    pause: float = 0.0
    """Seconds to wait in a step."""


def train(options: TrainOptions) -> None:
    """Train two networks with two optimizers, dropout, batch norm and a private generator."""
    settings = TrainOptions(steps=options.steps, rate=options.rate)
    with RunFolder(
        options.out,
        config=settings,
        package="tenfold-shared",
        seed=options.seed,
        checkpoint_every=options.checkpoint_every,
    ) as run:
        critic = nn.Sequential(nn.Linear(6, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.3))
        critic.append(nn.Linear(32, 1))
        maker = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Dropout(0.2), nn.Linear(32, 6))
        adam = torch.optim.Adam(maker.parameters(), lr=options.rate)
        sgd = torch.optim.SGD(critic.parameters(), lr=options.rate, momentum=0.9)
        private = torch_stream(options.seed, "private")
        run.track(
            models={"critic": critic, "maker": maker},
            optimizers={"adam": adam, "sgd": sgd},
            generators={"private": private},
        )
        for step in run.steps(options.steps):
            real = torch.randn(16, 6, generator=torch_stream(options.seed, "real", step))
            made = maker(torch.randn(16, 4, generator=private))
            critic_loss = (critic(real) - 1).square().mean() + critic(made.detach()).square().mean()
            sgd.zero_grad()
            critic_loss.backward()
            sgd.step()
            maker_loss = (critic(made) - 1).square().mean()
            adam.zero_grad()
            maker_loss.backward()
            adam.step()
            if step == 10:
                suffer(options.mishap, maker)
            if options.mishap == "nan loss" and step == 10:
                maker_loss = maker_loss * float("nan")
            run.log(step, critic=critic_loss, maker=maker_loss)
            time.sleep(options.pause)
            if options.mishap == "say":
                print(step, flush=True)  # noqa: T201


def suffer(mishap: str, maker: nn.Module) -> None:
    """Do what the test wants to happen in the middle of a step."""
    if mishap == "SIGTERM":
        os.kill(os.getpid(), signal.SIGTERM)
    elif mishap == "SIGINT":
        os.kill(os.getpid(), signal.SIGINT)
    elif mishap == "nan weight":
        with torch.no_grad():
            maker[0].weight[0, 0] = float("nan")


def main(argv: list[str] | None = None) -> int:
    return run_commands("toy", {"train": train}, version="1", argv=argv)


if __name__ == "__main__":
    if sys.argv[-1] == "--twice":
        sys.argv.pop()
        main()
    sys.exit(main())
