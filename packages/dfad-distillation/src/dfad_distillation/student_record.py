"""What is told of a finished student: rounds, agreement, and the temperature that makes it as sure as its teacher."""

import copy
import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dfad_distillation.calibration import match_temperature
from dfad_distillation.config import DistillationConfig
from dfad_distillation.distillation import DistillationResult
from dfad_distillation.model_files import save_model
from dfad_distillation.pairing import Student, Teacher
from dfad_distillation.progress import paint_bank, score
from dfad_distillation.run_files import open_run
from tenfold_shared.seeds import torch_stream

TEMPERATURE = "matched_temperature"
"""Under which name a student's file says its temperature."""


def score_again(
    result: DistillationResult,
    config: DistillationConfig,
    folder: Path,
    teacher: nn.Module,
    *,
    seed: int,
) -> DistillationResult:
    """Return a result whose score of the chosen state is that of the student as it is now.

    States are scored as they were kept; `reestimate` changes the chosen one afterwards.
    """
    if not (config.reestimate and result.table):
        return result
    bank = paint_bank(
        folder,
        open_run(folder).snapshots,
        generator=result.generator,
        teacher=teacher,
        count=config.bank,
        seed=seed,
    )
    again = score(result.student, bank, number=result.chosen)
    table = [again if one.round == result.chosen else one for one in result.table]
    return result._replace(table=table)


@torch.no_grad()
def find_temperature(
    result: DistillationResult, teacher: nn.Module, *, batch: int, seed: int
) -> float:
    """Return the temperature under which the student is as sure as the teacher of a generated batch.

    All three networks must be on one device; the generator is only copied.
    """
    painter = copy.deepcopy(result.generator).train()
    weight = next(painter.parameters())
    noise = torch.randn(batch, painter.latent, generator=torch_stream(seed, "temperature"))  # pyright: ignore[reportArgumentType,reportCallIssue]
    pictures = painter(noise.to(weight.device, weight.dtype))
    logits = (network(pictures).cpu().float() for network in (result.student, teacher))
    return round(match_temperature(*logits), 4)


def save_student(
    path: Path,
    config: DistillationConfig,
    teacher: Teacher,
    student: Student,
    result: DistillationResult,
    *,
    seed: int,
    temperature: float,
) -> None:
    """Write the student; its bytes depend on nothing but teacher, student, settings and seed."""
    with torch.no_grad():
        outputs = result.student(torch.zeros(2, *config.input.shape)).shape[1]
    about: dict[str, Any] = {
        "rounds": open_run(path.parent).rounds,
        "state": result.chosen,
        "seed": seed,
        "teacher": teacher.source,
        "teacher_sha256": teacher.fingerprint(),
        "teacher_parameters": sum(p.numel() for p in teacher.module.parameters()),
        "settings": dataclasses.asdict(config),
        "outputs": student.outputs,
        TEMPERATURE: temperature,
    }
    scores = {one.round: one for one in result.table}
    if result.chosen in scores:
        about["agreement"] = scores[result.chosen].agreement
    save_model(
        path,
        result.student,
        source=student.source,
        arguments=student.arguments,
        input=config.input,
        classes=teacher.classes or tuple(map(str, range(outputs))),
        about=about,
    )
