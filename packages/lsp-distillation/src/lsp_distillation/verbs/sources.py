"""What several verbs read: a graph, and a trained network."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from tenfold_shared.commands import Options
from tenfold_shared.errors import UserError

if TYPE_CHECKING:
    from torch import nn

    from lsp_distillation.model_files import Student
    from lsp_distillation.node_data import GraphTask

Kind = Literal["auto", "multiclass", "multilabel", "regression"]
Choice = Literal["auto", "yes", "no"]


@dataclass(frozen=True, kw_only=True)
class GraphOptions(Options):
    """Which graph, and how it is read."""

    graph: Annotated[str, tyro.conf.Positional]
    """A set by name (`data` lists them), or a file: .npz, .safetensors, or a saved PyG `Data` (.pt)."""

    split: Literal["auto", "shipped", "per-class", "random"] = "auto"
    """Where the parts come from; `auto`: what ships with the graph, else drawn."""

    split_seed: int = 0
    """Of drawn parts, or which of several shipped ones."""

    task: Kind = "auto"
    """What the targets are, where it cannot be told."""

    symmetric: Choice = "auto"
    """Add the reverse of every edge; `auto`: where the set is directed and raw."""

    normalize_features: bool = False
    """Divide each node's features by their sum."""

    data: Path | None = None
    """Data folder of named sets, if not that of TENFOLD_DATA."""


_CHOICES: dict[str, bool | None] = {"auto": None, "yes": True, "no": False}


def open_graph(config: GraphOptions, *, split_seed: int | None = None) -> "GraphTask":
    """Return the graph that a verb asks for, with a split of another seed if one is given."""
    from lsp_distillation.named_sets import open_task

    return open_task(
        config.graph,
        split=config.split,
        split_seed=config.split_seed if split_seed is None else split_seed,
        task=None if config.task == "auto" else config.task,
        symmetric=_CHOICES[config.symmetric],
        normalize_features=config.normalize_features,
        data=config.data,
    )


def preparation(config: GraphOptions) -> dict[str, bool]:
    """Return what was done to the graph on request, so that a network's file says so."""
    return {"normalized": config.normalize_features, "symmetric": config.symmetric == "yes"}


@dataclass(frozen=True, kw_only=True)
class TeacherOptions(Options):
    """Which trained network."""

    teacher: str
    """File or run folder of `train`, or `package.module:factory` of your own network."""

    teacher_weights: Path | None = None
    """State dictionary of your own network: .safetensors, or torch's file of tensors."""

    teacher_arguments: str = "{}"
    """JSON for the factory."""


def open_teacher(config: TeacherOptions, task: "GraphTask") -> "nn.Module":
    """Return the network that a verb asks for, to be used on a task.

    Raises:
        UserError: It cannot be found or read.
    """
    from lsp_distillation.foreign_networks import build_foreign
    from lsp_distillation.model_files import Student
    from lsp_distillation.network_config import NetworkConfig

    if ":" in config.teacher and not Path(config.teacher).exists():
        arguments = parse_arguments(config.teacher_arguments)
        return build_foreign(config.teacher, arguments, weights=config.teacher_weights)
    if config.teacher_weights is not None:
        raise UserError(
            f"--teacher-weights is for package.module:factory; {config.teacher} has its own weights."
        )
    loaded = Student.load(model_file(Path(config.teacher)))
    if not isinstance(loaded.config, NetworkConfig):
        raise UserError(f"{config.teacher} is a network on point clouds; use the verb clouds.")
    if isinstance(config, GraphOptions):
        check_preparation(loaded, config.teacher, config, task)
    return loaded.network


def check_preparation(
    student: "Student", path: Path | str, config: GraphOptions, task: "GraphTask"
) -> None:
    """Refuse a network that was trained on a graph prepared in another way: its answers would be wrong.

    Raises:
        UserError: As said, with the flag that is missing.

    Warns:
        OtherSplitWarning: It was trained on other parts of the same graph.
    """
    from lsp_distillation.teacher_outputs import warn_of_other_split

    warn_of_other_split(student.about, task, name=str(path))
    reading = student.reading
    if reading.normalized and not config.normalize_features:
        raise UserError(
            f"{path} was trained on features divided by their sum; add --normalize-features."
        )
    if config.normalize_features and not reading.normalized:
        raise UserError(
            f"{path} was trained on features as they are; leave out --normalize-features."
        )
    if reading.symmetric and config.symmetric != "yes":
        raise UserError(f"{path} was trained with the reverse of every edge; add --symmetric yes.")


def model_file(path: Path) -> Path:
    """Return the finished network of a run folder, or the file itself.

    Raises:
        UserError: The folder holds none.
    """
    from lsp_distillation.model_files import MODEL_FILE

    if not path.is_dir():
        return path
    if not (path / MODEL_FILE).exists():
        raise UserError(f"{path} holds no {MODEL_FILE}; let its training end, or name a file.")
    return path / MODEL_FILE


def parse_arguments(text: str, flag: str = "--teacher-arguments") -> dict[str, Any]:
    """Return the JSON object in a flag.

    Raises:
        UserError: It is none.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UserError(f"{flag} {text} is no JSON: {error}.") from error
    if not isinstance(found, dict):
        raise UserError(f"{flag} {text} must be an object such as '{{\"width\": 8}}'.")
    return found


def score_rows(student: "Student", task: "GraphTask") -> list[dict[str, Any]]:
    """Return the scores of a network on validation items; test items are read by `evaluate`."""
    return [
        {"name": f"validation {one.name}", "value": one.value}
        for one in student.evaluate(task, "val")
    ]
