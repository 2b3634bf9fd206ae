"""A smaller network from a trained one in one call: opens both, distills, and writes the student."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dfad_distillation.checking import look_at_teacher
from dfad_distillation.config import DistillationConfig, InputSpace
from dfad_distillation.distillation import DistillationResult, Watcher, distill
from dfad_distillation.memory import check_game, refusing_exhaustion
from dfad_distillation.model_files import STUDENT_FILE, save_model
from dfad_distillation.outputs import adapt_outputs
from dfad_distillation.pairing import (
    Student,
    Teacher,
    agree_on_pair,
    open_student,
    open_teacher,
)
from dfad_distillation.presets import standard
from dfad_distillation.students import HALF
from tenfold_shared.devices import choose_device
from tenfold_shared.files import make_folder
from tenfold_shared.seeds import seed_global_state


def compress(
    teacher: nn.Module | str | Path,
    folder: Path | str = "run",
    *,
    student: nn.Module | str = HALF,
    input: InputSpace | None = None,
    config: DistillationConfig | None = None,
    teacher_arguments: Mapping[str, Any] | None = None,
    teacher_weights: Path | None = None,
    teacher_outputs: str = "logits",
    student_arguments: Mapping[str, Any] | None = None,
    student_outputs: str = "logits",
    seed: int = 0,
    device: str = "auto",
) -> DistillationResult:
    """Teach a smaller network what a trained one does, without any data.

    Args:
        teacher: A network, or where one is: a file of `train`, a .pt2 or TorchScript file,
            `torchvision:NAME`, `package.module:factory`; see `load_model`.
        folder: Run folder; the student becomes its `student.safetensors`, and an interrupted run goes on.
        student: A network, a source as for the teacher, or `half`.
        input: What the teacher reads; its file knows, other teachers need it.
        config: All settings; `preset("standard")` without it.
        teacher_arguments: Of the teacher's constructor.
        teacher_weights: The teacher's weights, if its source has none.
        teacher_outputs: `logits`, `probabilities`, `log_probabilities`, or which of several outputs.
        student_arguments: Of the student's constructor.
        student_outputs: As for the teacher.
        seed: Of everything random.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

    Returns:
        The student in evaluation mode, the generator, and the data-free measure of all kept states.

    Raises:
        UserError: A file cannot be used, the networks do not fit, or training diverged.
        ValueError: A setting is out of range, or nothing says what the teacher reads.
    """
    settings = standard() if config is None else config
    if input is not None:
        settings = dataclasses.replace(settings, input=input)
    opened = _opened(
        teacher,
        settings,
        said=input is not None or settings.input != InputSpace(),
        arguments=teacher_arguments,
        weights=teacher_weights,
        outputs=teacher_outputs,
    )
    settings = dataclasses.replace(settings, input=opened.input)
    pupil = prepare_student(
        settings,
        opened,
        student,
        arguments=student_arguments,
        outputs=student_outputs,
        seed=seed,
    )
    return teach(settings, Path(folder), opened, pupil, seed=seed, device=device)


def prepare_student(
    config: DistillationConfig,
    teacher: Teacher,
    student: nn.Module | str,
    *,
    arguments: Mapping[str, Any] | None = None,
    weights: Path | None = None,
    outputs: str = "logits",
    seed: int,
) -> Student:
    """Return a student for what the teacher answers; its first weights depend on the seed alone.

    Raises:
        UserError: The teacher cannot be distilled, or the student not built.
    """
    check_game(config)
    kind = look_at_teacher(config, teacher.module, seed=seed)
    if isinstance(student, nn.Module):
        return Student(adapt_outputs(student, outputs), _place(student), {}, outputs)
    seed_global_state(seed, "student")
    return open_student(
        student,
        arguments=arguments,
        weights=weights,
        outputs=outputs,
        teacher=teacher,
        classes=kind.classes,
        task=kind.task,
    )


def teach(
    config: DistillationConfig,
    folder: Path,
    teacher: Teacher,
    student: Student,
    *,
    seed: int,
    device: str,
    watch: Watcher | None = None,
) -> DistillationResult:
    """Distill into a run folder and write `student.safetensors`, whose bytes do not depend on `watch`.

    Raises:
        UserError: See `distill`; or the folder holds a run of other networks.
    """
    choose_device(device)
    make_folder(folder)
    agree_on_pair(folder, teacher, student, config)
    with refusing_exhaustion():
        result = distill(
            config,
            folder,
            teacher=teacher.module,
            student=student.module,
            seed=seed,
            device=device,
            watch=watch,
        )
    result = result._replace(student=result.student.cpu())
    teacher.module.cpu()
    _save(folder / STUDENT_FILE, config, teacher, student, result, seed=seed)
    return result


def _save(
    path: Path,
    config: DistillationConfig,
    teacher: Teacher,
    student: Student,
    result: DistillationResult,
    *,
    seed: int,
) -> None:
    """Write the student; its bytes depend on nothing but teacher, settings and seed."""
    with torch.no_grad():
        outputs = result.student(torch.zeros(2, *config.input.shape)).shape[1]
    about: dict[str, Any] = {
        "rounds": result.chosen,
        "seed": seed,
        "teacher": teacher.source,
        "teacher_sha256": teacher.fingerprint(),
        "teacher_parameters": sum(p.numel() for p in teacher.module.parameters()),
        "settings": dataclasses.asdict(config),
        "outputs": student.outputs,
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


def _opened(
    teacher: nn.Module | str | Path,
    settings: DistillationConfig,
    *,
    said: bool,
    arguments: Mapping[str, Any] | None,
    weights: Path | None,
    outputs: str,
) -> Teacher:
    """Return the teacher; `said` tells whether the user told what it reads."""
    if isinstance(teacher, nn.Module):
        opened = Teacher(
            module=adapt_outputs(teacher, outputs).eval(),
            source=_place(teacher),
            arguments={},
            input=settings.input,
        )
    else:
        opened = open_teacher(
            str(teacher),
            arguments=arguments,
            weights=weights,
            outputs=outputs,
            input=settings.input,
            default=None if said else settings.input,
        )
    if not said and opened.input == InputSpace():
        raise ValueError(
            "input must say what the teacher reads, such as InputSpace(shape=(3, 32, 32), mean=(0.5,), "
            "std=(0.25,)); only files of train know it"
        )
    return opened


def _place(module: nn.Module) -> str:
    """Return where the class of a network is."""
    return f"{type(module).__module__}:{type(module).__qualname__}"
