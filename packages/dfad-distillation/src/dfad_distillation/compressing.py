"""A smaller network from a trained one in one call: opens both, distills, and writes the student."""

import copy
import dataclasses
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dfad_distillation.checking import first_pictures, look_at_teacher
from dfad_distillation.config import DistillationConfig, InputSpace
from dfad_distillation.distillation import DistillationResult, Watcher, distill
from dfad_distillation.memory import check_game, refusing_exhaustion
from dfad_distillation.model_files import STUDENT_FILE
from dfad_distillation.outputs import Outputs, adapt_outputs, check_pair, refuse_lazy
from dfad_distillation.pairing import (
    Student,
    Teacher,
    belonging_to,
    one_value,
    open_student,
    open_teacher,
)
from dfad_distillation.presets import standard
from dfad_distillation.regularizers import BatchStatistics
from dfad_distillation.student_record import find_temperature, save_student, score_again
from dfad_distillation.students import HALF
from tenfold_shared.devices import choose_device
from tenfold_shared.errors import UserError
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
    teacher_outputs: Outputs = "logits",
    student_arguments: Mapping[str, Any] | None = None,
    student_outputs: str = "logits",
    seed: int = 0,
    device: str = "auto",
) -> DistillationResult:
    """Teach a smaller network what a trained one does, without any data.

    Torch's global random state and a teacher in memory are given back as they were; a student in memory is trained
    in place. Both compute in single precision.

    Args:
        teacher: A network, or where one is: a file of `train`, a .pt2 or TorchScript file,
            `torchvision:NAME`, `package.module:factory`; see `load_model`.
        folder: Run folder; the student becomes its `student.safetensors`, and an interrupted run goes on.
        student: A network, a source as for the teacher, or `half`.
        input: What the teacher reads; its file knows, other teachers need it.
        config: All settings; `preset("standard")` without it.
        teacher_arguments: Of the teacher's constructor.
        teacher_weights: The teacher's weights, if its source has none.
        teacher_outputs: `logits`, `probabilities`, `log_probabilities`, which of several outputs, or a function
            from what the teacher returns to logits.
        student_arguments: Of the student's constructor.
        student_outputs: As for the teacher, but no function, which no file could name.
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
    said = input is not None or settings.input != InputSpace()
    with ExitStack() as kept:
        kept.enter_context(same_randomness())
        if isinstance(teacher, nn.Module):
            refuse_lazy(teacher, "the teacher")
            kept.enter_context(left_alone(teacher))
            opened = _in_memory(teacher, settings, said=said, outputs=teacher_outputs)
        else:
            opened = open_teacher(
                str(teacher),
                arguments=teacher_arguments,
                weights=teacher_weights,
                outputs=teacher_outputs,
                input=settings.input,
                default=None if said else settings.input,
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
        ValueError: The student is a part of the teacher, or shares weights with it.
    """
    check_game(config)
    kind = look_at_teacher(config, teacher.module, seed=seed)
    if config.regularizers.batch_statistics:
        BatchStatistics(teacher.module).close()  # refuses teachers that have none
    if isinstance(student, nn.Module):
        if any(student is one for one in teacher.module.modules()):
            raise ValueError(
                "student must not be the teacher itself; pass a network that is smaller"
            )
        theirs = {id(parameter) for parameter in teacher.module.parameters()}
        if any(id(parameter) in theirs for parameter in student.parameters()):
            raise ValueError(
                "student shares weights with the teacher, which are never trained; pass copy.deepcopy(student)"
            )
        refuse_lazy(student, "the student")
        module = adapt_outputs(student, outputs).cpu().float()
        opened = Student(module, _place(student), {}, outputs)
    else:
        seed_global_state(seed, "student")
        opened = open_student(
            student,
            arguments=arguments,
            weights=weights,
            outputs=outputs,
            teacher=teacher,
            classes=kind.classes,
            task=kind.task,
        )
    if not any(p.requires_grad for p in opened.module.parameters()):
        raise UserError(
            f"the student {opened.source} has no weights to train; name a constructor, or let them require gradients."
        )
    check_pair(teacher.module, copy.deepcopy(opened.module), first_pictures(config, seed=seed))
    return opened


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
    with belonging_to(folder, teacher, student, config), refusing_exhaustion():
        result = distill(
            config,
            folder,
            teacher=teacher.module,
            student=student.module,
            seed=seed,
            device=device,
            watch=watch,
        )
        result = score_again(result, config, folder, teacher.module, seed=seed)
        temperature = find_temperature(result, teacher.module, batch=config.batch, seed=seed)
    result = result._replace(student=result.student.cpu())
    teacher.module.cpu()
    save_student(
        folder / STUDENT_FILE,
        config,
        teacher,
        student,
        result,
        seed=seed,
        temperature=temperature,
    )
    return result


@contextmanager
def left_alone(module: nn.Module) -> Generator[None]:
    """Give a network of the caller back as it was: its modes, what is trained, device, precision and memory layout.

    Only for code that changes none of its numbers.
    """
    modes = [(one, one.training) for one in module.modules()]
    weights = [(one, one.data, one.requires_grad) for one in module.parameters()]
    gradients = [(one.grad, one.grad.data) for one, *_ in weights if one.grad is not None]
    buffers = [(one, dict(one._buffers)) for one in module.modules()]
    try:
        yield
    finally:
        for one, mode in modes:
            one.training = mode
        for one, data, trained in weights:
            one.data = data
            one.requires_grad_(trained)
        for one, data in gradients:
            one.data = data
        for one, kept in buffers:
            one._buffers.update(kept)


@contextmanager
def same_randomness() -> Generator[None]:
    """Give torch's global random state back as it was."""
    used = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(devices=list(used)):
        yield


def _in_memory(
    teacher: nn.Module, settings: DistillationConfig, *, said: bool, outputs: Outputs
) -> Teacher:
    """Return a teacher that the caller holds; `said` tells whether it is known what it reads."""
    if not said:
        raise ValueError(
            "input must say what the teacher reads, such as InputSpace(shape=(3, 32, 32), mean=(0.5,), "
            "std=(0.25,)); only files of train know it"
        )
    return Teacher(
        module=adapt_outputs(teacher, outputs).cpu().float().eval(),
        source=_place(teacher),
        arguments={},
        input=one_value(settings.input),
    )


def _place(module: nn.Module) -> str:
    """Return where the class of a network is."""
    return f"{type(module).__module__}:{type(module).__qualname__}"
