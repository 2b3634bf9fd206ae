"""What networks answer: logits out of probabilities and dictionaries, and checks before a distillation."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parameter import is_lazy

from dfad_distillation.config import Task
from tenfold_shared.errors import UserError

_FLOOR = 1e-12  # probabilities below are not told apart: softmax in single precision ends in zeros
_TOLERANCE = 1e-3
_APART = 0.5  # distance of the answers of a sigmoid that has learned something

Outputs = str | Callable[[Any], Tensor]
"""What a network answers: see `adapt_outputs`."""


class OutputKind(NamedTuple):
    """What a teacher answers."""

    task: Task
    classes: int


class CenteredLogits(nn.Module):
    """Logits of a network that ends in softmax or log-softmax: logarithms with mean 0 over classes.

    Softmax forgets the mean of the logits; the centered ones are those that it can be told from.

    Args:
        module: The network.
        logarithm: Take the logarithm first; off for log-softmax.
    """

    def __init__(self, module: nn.Module, *, logarithm: bool) -> None:
        super().__init__()
        self.module, self.logarithm = module, logarithm

    def forward(
        self, pictures: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch classes ..."]:
        """Return centered logits."""
        outputs = self.module(pictures)
        if self.logarithm:
            outputs = outputs.clamp(min=_FLOOR).log()
        return outputs - outputs.mean(1, keepdim=True)


class PickedOutput(nn.Module):
    """One of several outputs of a network: a key of a dictionary, a field, or a position.

    Args:
        module: The network.
        name: `out`, `logits`, `0` and the like.
    """

    def __init__(self, module: nn.Module, *, name: str) -> None:
        super().__init__()
        self.module, self.name = module, name

    def forward(
        self, pictures: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch classes ..."]:
        """Return that output.

        Raises:
            UserError: There is none of that name.
        """
        outputs: Any = self.module(pictures)
        if isinstance(outputs, Mapping) and self.name in outputs:
            return outputs[self.name]
        if self.name.isdigit() and isinstance(outputs, list | tuple):
            if int(self.name) < len(outputs):
                return outputs[int(self.name)]
        elif isinstance(getattr(outputs, self.name, None), Tensor):
            return getattr(outputs, self.name)
        raise UserError(
            f"the network has no output {self.name!r}: it returns {_describe(outputs)}."
        )


class ComputedOutput(nn.Module):
    """What a function of the user makes of a network's answer.

    Args:
        module: The network.
        function: From whatever it returns to logits; gradients must get through it.
    """

    def __init__(self, module: nn.Module, *, function: Callable[[Any], Tensor]) -> None:
        super().__init__()
        self.module, self.function = module, function

    def forward(
        self, pictures: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch classes ..."]:
        """Return what the function returns."""
        return self.function(self.module(pictures))


def adapt_outputs(module: nn.Module, outputs: Outputs) -> nn.Module:
    """Return a network that answers logits.

    Args:
        module: Any network.
        outputs: `logits`, `probabilities`, `log_probabilities`, the name of one of its outputs, or a function
            from what it returns to logits.
    """
    if callable(outputs):
        return ComputedOutput(module, function=outputs)
    if outputs == "logits":
        return module
    if outputs in ("probabilities", "log_probabilities"):
        return CenteredLogits(module, logarithm=outputs == "probabilities")
    return PickedOutput(module, name=outputs)


def refuse_lazy(network: nn.Module, name: str) -> None:
    """Refuse a network whose lazy layers have no weights yet.

    Raises:
        UserError: It has such layers.
    """
    if any(is_lazy(one) for one in (*network.parameters(), *network.buffers())):
        raise UserError(
            f"{name} has lazy layers without weights; let it read one batch, such as torch.zeros(1, 3, 32, 32), first."
        )


def check_teacher(
    teacher: nn.Module, sample: Float[Tensor, "batch channels height width"]
) -> OutputKind:
    """Return what a teacher answers, after finding that a generator can learn from it.

    Args:
        teacher: In evaluation mode.
        sample: At least two generated pictures, on the teacher's device.

    Raises:
        UserError: It cannot read the pictures; its outputs are no logits of at least two classes, constant or
            not finite; or no gradient gets through it.
    """
    pictures = sample.detach().clone().requires_grad_()
    outputs = _answers("teacher", teacher, pictures)
    if outputs.shape[1] < 2:
        raise UserError(
            "the teacher answers one number, on which every student agrees; a teacher of two classes needs two "
            "logits: wrap it so that it returns torch.cat([-x, x], 1) / 2 for the logit x."
        )
    if not torch.isfinite(outputs).all():
        raise UserError(
            "the teacher answers NaN or infinity on generated pictures; check its weights and --input.mean "
            "and --input.std."
        )
    if bool((outputs == outputs[:1]).all()):
        raise UserError(
            "the teacher gives every generated picture the same answer, from which nothing can be "
            "learned; check its weights, --input.mean and --input.std."
        )
    _refuse_probabilities("teacher", outputs.detach())
    _require_gradient(outputs, pictures)
    _answers("teacher", teacher, sample[:1])
    return OutputKind("classification" if outputs.ndim == 2 else "segmentation", outputs.shape[1])


def check_pair(
    teacher: nn.Module, student: nn.Module, sample: Float[Tensor, "batch channels height width"]
) -> None:
    """Refuse a student that cannot imitate the teacher; changes neither.

    Args:
        teacher: In evaluation mode.
        student: In training or evaluation mode.
        sample: A batch of generated pictures.

    Raises:
        UserError: The shapes of the outputs differ, the student ends in softmax, or a batch of one meets batch
            normalization.
    """
    normalized = any(isinstance(module, _BatchNorm) for module in student.modules())
    if len(sample) == 1 and normalized:
        raise UserError(
            "a batch of 1 has no statistics for the student's batch normalization; use at least 2."
        )
    before = student.training
    student.eval()
    try:
        with torch.no_grad():
            wanted = _answers("teacher", teacher, sample)
            given = _answers("student", student, sample)
    finally:
        student.train(before)
    if given.shape != wanted.shape:
        raise UserError(
            f"the teacher answers with shape {tuple(wanted.shape)} and the student with "
            f"{tuple(given.shape)}; build the student with as many outputs, such as classes="
            f"{wanted.shape[1]}."
        )
    _refuse_probabilities("student", given)


def _answers(who: str, network: nn.Module, pictures: Tensor) -> Tensor:
    """Return a network's outputs after looking at their kind and shape."""
    shape = tuple(pictures.shape)
    try:
        outputs: Any = network(pictures)
    except (UserError, MemoryError):
        raise
    except Exception as error:  # whatever a foreign forward raises
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"the {who} cannot read pictures of shape {shape}: {reason or type(error).__name__}. Pass "
            "its --input.shape, and export it with a free batch size."
        ) from error
    if not isinstance(outputs, Tensor):
        raise UserError(
            f"the {who} returns {_describe(outputs)}, not logits; name one with --{who}-outputs."
        )
    fits = outputs.ndim == 2 or (outputs.ndim == 4 and outputs.shape[2:] == pictures.shape[2:])
    if not fits or len(outputs) != len(pictures) or outputs.shape[1] < 1:
        raise UserError(
            f"the {who} answers pictures of shape {shape} with shape {tuple(outputs.shape)}; needed is "
            "(batch, classes), or (batch, classes, height, width) of the pictures."
        )
    return outputs


def _refuse_probabilities(who: str, outputs: Tensor) -> None:
    """Refuse outputs behind softmax or log-softmax, on which the loss means something else."""
    for kind, chances in (("probabilities", outputs), ("log_probabilities", outputs.exp())):
        sums = chances.sum(1)
        if bool((chances >= 0).all()) and bool(((sums - 1).abs() < _TOLERANCE).all()):
            raise UserError(
                f"the {who} ends in {'log-' if kind[0] == 'l' else ''}softmax, but the loss is "
                f"defined on logits; pass --{who}-outputs {kind}, which undoes it."
            )


def resemble_sigmoid(outputs: Float[Tensor, "batch classes ..."]) -> bool:
    """Tell whether answers may be those of a sigmoid: all between 0 and 1, and half of the way apart.

    Logits of an untrained network may lie between 0 and 1 too, but close together.
    """
    low, high = float(outputs.min()), float(outputs.max())
    return 0 <= low <= high <= 1 and high - low > _APART


def _require_gradient(outputs: Tensor, pictures: Tensor) -> None:
    """Refuse a teacher through which the generator learns nothing."""
    gradient = None
    if outputs.requires_grad:
        # Weights that differ by class: the plain sum of many outputs has no gradient.
        weights = torch.linspace(-1, 1, outputs[0].numel(), device=outputs.device)
        total = (outputs.flatten(1) * weights).square().sum()
        (gradient,) = torch.autograd.grad(total, [pictures], allow_unused=True)
    if gradient is None or not bool((gradient != 0).any()):
        raise UserError(
            "no gradient of the teacher's answer reaches its input, so that no generator can be "
            "trained; remove no_grad, detach and integer operations from its forward."
        )
    if not bool(torch.isfinite(gradient).all()):
        raise UserError("the gradient of the teacher is NaN or infinite; check its weights.")


def _describe(outputs: Any) -> str:
    """Return the kind of an output in words."""
    if isinstance(outputs, Mapping):
        return f"a dictionary with {', '.join(map(str, outputs))}"
    if isinstance(outputs, list | tuple):
        return f"{len(outputs)} outputs, 0 to {len(outputs) - 1}"
    return f"a {type(outputs).__name__}"
