"""`tune`: weight and bandwidth of the structure term, on validation items alone."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from lsp_distillation.terms_config import AUTO
from lsp_distillation.training_config import DistillConfig
from lsp_distillation.verbs import distill
from lsp_distillation.verbs.sources import GraphOptions, TeacherOptions, open_graph, open_teacher
from tenfold_shared.commands import emit
from tenfold_shared.refusals import refuses


@dataclass(frozen=True, kw_only=True)
class Tune(GraphOptions, TeacherOptions):
    """Settings of `tune`."""

    weights: tuple[float, ...] = (AUTO, 0.1, 1.0, 10.0, 100.0)
    """Of the structure term; -1: from the gradients."""

    bandwidths: tuple[str, ...] = ("auto",)
    """Of its kernel: `auto`, or numbers."""

    seeds: tuple[int, ...] = (0, 1)
    """Of first weights."""

    preset: distill.Preset = "standard"
    """Recipe that all other flags start from."""

    settings: Annotated[DistillConfig, tyro.conf.arg(name="")] = field(
        default_factory=distill.PRESETS.settings
    )
    """The student, its training, and the other terms."""


@refuses
def tune(config: Tune) -> None:
    """Try weights and bandwidths of the structure term, and tell which are best on validation items.

    --out is a folder (default: tuning) with trials.jsonl, scores.png and all runs; called again, it goes on. Test
    items are not read.
    """
    from lsp_distillation import tuning
    from lsp_distillation.figures import setting_scores
    from tenfold_shared.plots import save_figure

    out, task = config.out or Path("tuning"), open_graph(config)
    trials = tuning.tune(
        tuning.TuneConfig(
            weights=config.weights,
            bandwidths=tuple(_bandwidth(one) for one in config.bandwidths),
            seeds=config.seeds,
        ),
        config.settings,
        out,
        task=task,
        teacher=open_teacher(config, task),
        device=config.device,
    )
    means = tuning.mean_scores(trials)
    save_figure(setting_scores(means), out / "scores.png")
    rows: list[dict[str, Any]] = [
        {"weight": "auto" if weight == AUTO else weight, "bandwidth": width, "validation": mean}
        for (weight, width), mean in means.items()
    ]
    emit(rows, json=config.json)


def _bandwidth(text: str) -> Any:
    """Return a bandwidth of the command line; what is no positive number is refused."""
    if text == "auto":
        return text
    try:
        return float(text)
    except ValueError as error:
        raise ValueError(f"bandwidths must be auto or numbers, got {text!r}") from error
