"""Trained networks as files: weights with what is needed to use them, in one safetensors file."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lsp_distillation.feature_rows import normalize_rows
from lsp_distillation.inference import run_network
from lsp_distillation.metrics import Score, Task, score_predictions
from lsp_distillation.network_config import NetworkConfig, OwnNetwork, PointNetworkConfig
from lsp_distillation.networks import build_network
from lsp_distillation.node_data import GraphTask, Level
from lsp_distillation.pyg_data import task_without_targets
from tenfold_shared.checkpoints import load_checkpoint, save_checkpoint
from tenfold_shared.errors import UserError

PACKAGE = "lsp-distillation"
MODEL_FILE = "model.safetensors"
"""The finished network in a run folder."""
_KINDS = {"graph": NetworkConfig, "points": PointNetworkConfig, "own": OwnNetwork}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reading:
    """What a network reads and says."""

    features: int
    """Width of a node's features, or coordinates of a point."""
    outputs: int
    task: Task
    """`multiclass`, `multilabel` or `regression`."""
    level: Level = "node"
    class_names: tuple[str, ...] = ()
    threshold: float = 0.0
    """Logit above which a label counts as predicted."""
    normalized: bool = False
    """Whether it was trained on features that were divided by their sum."""
    symmetric: bool = False
    """Whether the reverse of every edge was added."""


class Student:
    """A trained network, ready to predict; teachers are kept in the same way.

    Args:
        network: In evaluation mode.
        config: From which it was built; `OwnNetwork` of a module of your own.
        reading: What it reads and says.
        about: What else a user should know: JSON values.
    """

    def __init__(
        self,
        network: nn.Module,
        config: NetworkConfig | PointNetworkConfig | OwnNetwork,
        reading: Reading,
        *,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self.network, self.config, self.reading = network.eval(), config, reading
        self.about = dict(about or {})

    @classmethod
    def load(cls, path: Path | str, *, network: nn.Module | None = None) -> "Student":
        """Read a file that `save` wrote.

        Args:
            path: The file.
            network: For students of your own code: a module of the same class, which is filled.

        Raises:
            UserError: The file is missing, damaged or something else, or only your code can build its network.
        """
        checkpoint = load_checkpoint(Path(path), package=PACKAGE)
        stored = checkpoint.metadata
        try:
            config = _config(str(stored["kind"]), dict(stored["network"]))
            fields = dict(stored["reading"])
            fields["class_names"] = tuple(map(str, fields["class_names"]))
            reading, about = Reading(**fields), dict(stored["about"])
            if not isinstance(config, OwnNetwork):
                network = build_network(
                    config, features=reading.features, outputs=reading.outputs, level=reading.level
                )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(
                f"{path} is no network but a state of a training; pass the finished {MODEL_FILE} beside it."
            ) from error
        if network is None:
            raise UserError(
                f"{path} holds the weights of {config}, a network of your own; in Python, pass one to "
                "Student.load(path, network=...)."
            )
        checkpoint.restore(models={"network": network})
        for name, tensor in network.state_dict().items():
            if not bool(torch.isfinite(tensor).all()):
                raise UserError(f"{path}: {name} is not finite; train again with a lower rate.")
        return cls(network, config, reading, about=about)

    def save(self, path: Path | str) -> None:
        """Write the network.

        Raises:
            UserError: The file cannot be written.
        """
        kind = next(name for name, one in _KINDS.items() if isinstance(self.config, one))
        metadata = {
            "kind": kind,
            "network": dataclasses.asdict(self.config),
            "reading": dataclasses.asdict(self.reading),
            "about": self.about,
        }
        save_checkpoint(
            Path(path), models={"network": self.network}, metadata=metadata, package=PACKAGE
        )

    def predict(self, data: Any) -> Float[Tensor, "items outputs"]:
        """Return logits (or values) for every node or graph.

        Args:
            data: A PyG `Data` or a list of them, prepared as the training data were, its y is not needed; or a
                `GraphTask`, taken as it is.

        Raises:
            ValueError: The data do not fit.
        """
        task = data if isinstance(data, GraphTask) else self._prepared(data)
        self._check(task)
        device = next(self.network.parameters()).device
        return run_network(self.network, task.to(device)).logits

    def evaluate(self, task: GraphTask, part: str = "test") -> tuple[Score, ...]:
        """Return the scores of a part, the main one first."""
        mask = task.mask(part)
        logits = self.predict(task).to(task.y.device)[mask]
        return score_predictions(task.task, logits, task.y[mask], threshold=self.reading.threshold)

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(parameter.numel() for parameter in self.network.parameters())

    def _prepared(self, data: Any) -> GraphTask:
        """Return PyG's data as they were in training."""
        reading = self.reading
        task = task_without_targets(
            data,
            task=reading.task,
            outputs=reading.outputs,
            level=reading.level,
            symmetric=reading.symmetric,
        )
        return task.with_features(normalize_rows(task.x)) if reading.normalized else task

    def _check(self, task: GraphTask) -> None:
        """Refuse data of another shape."""
        reading = self.reading
        if task.features != reading.features:
            raise ValueError(
                f"this network reads {reading.features} features per node, {task.name} has "
                f"{task.features}; it was trained on other data"
            )
        if task.level != reading.level:
            raise ValueError(
                f"this network predicts for every {reading.level}, and {task.name} has targets for every "
                f"{task.level}; it was trained on other data"
            )


def reading_of(
    task: GraphTask, *, threshold: float = 0.0, normalized: bool = False, symmetric: bool = False
) -> Reading:
    """Return what a network that was trained on a task reads and says."""
    return Reading(
        features=task.features,
        outputs=task.outputs,
        task=task.task,
        level=task.level,
        class_names=task.class_names,
        threshold=threshold,
        normalized=normalized,
        symmetric=symmetric,
    )


def _config(kind: str, fields: dict[str, Any]) -> NetworkConfig | PointNetworkConfig | OwnNetwork:
    """Return the network's settings from JSON values."""
    known = {n: tuple(v) if isinstance(v, list) else v for n, v in fields.items()}
    return _KINDS[kind](**known)
