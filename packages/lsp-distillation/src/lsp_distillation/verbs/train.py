"""`train`: a teacher with labels."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from lsp_distillation.recipes import TEACHERS
from lsp_distillation.training_config import TrainConfig
from lsp_distillation.verbs.sources import GraphOptions, open_graph, preparation, score_rows
from tenfold_shared.commands import emit
from tenfold_shared.presets import Presets
from tenfold_shared.refusals import refuses

PRESETS = Presets({n: lambda c=config: c for n, config in TEACHERS.items()}, default="standard")
Preset = Literal["standard", "proteins", "ppi", "digits"]


@dataclass(frozen=True, kw_only=True)
class Train(GraphOptions):
    """Settings of `train`."""

    preset: Preset = "standard"
    """Recipe that all other flags start from."""

    check: bool = False
    """Train for three epochs in a temporary folder, and tell what to expect of time, memory."""

    settings: Annotated[TrainConfig, tyro.conf.arg(name="")] = field(
        default_factory=PRESETS.settings
    )
    """All settings of the training."""


@refuses
def train(config: Train) -> None:
    """Train a network on labels, or go on with a training that was interrupted.

    --out is the run folder (default: teacher); the network is teacher/model.safetensors, in the state that was best on
    validation nodes.
    """
    from lsp_distillation.checking import check_training
    from lsp_distillation.distillation import train_teacher
    from lsp_distillation.model_files import MODEL_FILE

    out = config.out or Path("teacher")
    task = open_graph(config)
    if config.check:
        rows = check_training(config.settings, task=task, seed=config.seed, device=config.device)
        return emit(rows, json=config.json)
    trained = train_teacher(
        config.settings,
        out,
        task=task,
        seed=config.seed,
        device=config.device,
        **preparation(config),
    )
    rows = [
        {"name": "network", "value": str(out / MODEL_FILE)},
        {"name": "weights", "value": trained.student.parameters},
        {"name": "best epoch", "value": trained.learned.epoch},
        *score_rows(trained.student, task),
    ]
    return emit(rows, json=config.json)
