"""Learning on point clouds: graphs of neighbors change with features, so the teacher runs in every step."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from lsp_distillation.augmentation import augment
from lsp_distillation.cloud_config import CloudAugmentation
from lsp_distillation.cloud_data import CloudTask
from lsp_distillation.dynamic_structure import dynamic_structure_loss
from lsp_distillation.feature_distillation import Hints
from lsp_distillation.label_losses import constant_loss, soft_label_losses
from lsp_distillation.learning import LABELS, Losses
from lsp_distillation.metrics import accuracy
from lsp_distillation.taps import LayerTaps
from lsp_distillation.term_weights import STRUCTURE, TermWeights
from lsp_distillation.terms_config import LABELS_ALONE, TermsConfig
from lsp_distillation.training_config import TrainingConfig
from tenfold_shared.distributed import current_world, sum_over_ranks
from tenfold_shared.seeds import epoch_order, torch_stream

CHUNK = 128
"""Clouds that go through a network at once when it is scored."""
_FOR_CLOUDS = {LABELS, STRUCTURE, "soft_labels", "hints"}


class CloudProblem:
    """Batches and losses of clouds; see `learning.Problem`.

    Args:
        task: With parts `train` and `val`.
        config: `batch_graphs` clouds a step (32 if 0).
        augmentation: Of training clouds.
        terms: What is learned beside the labels; None: labels alone.
        teacher: For those terms; it is put into evaluation mode and gets no gradient.
        pairs: Matched edge convolutions (teacher, student).
        seed: Of order and augmentation.

    Raises:
        ValueError: A term is not for clouds, or needs a teacher.
    """

    def __init__(
        self,
        task: CloudTask,
        config: TrainingConfig,
        *,
        augmentation: CloudAugmentation | None = None,
        terms: TermsConfig | None = None,
        teacher: nn.Module | None = None,
        pairs: tuple[tuple[str, str], ...] = (),
        widths: tuple[int, int] = (1, 1),
        seed: int = 0,
    ) -> None:
        self.task, self.config, self.seed = task, config, seed
        self.terms, self.augmentation = terms or LABELS_ALONE, augmentation or CloudAugmentation()
        self.teacher, self.pairs = teacher, pairs
        used = TermWeights(self.terms).used
        if set(used) - _FOR_CLOUDS:
            raise ValueError(
                f"clouds know the terms {', '.join(sorted(_FOR_CLOUDS))}; got {', '.join(used)}"
            )
        self.used = [name for name in used if name != LABELS]
        if self.used and teacher is None:
            raise ValueError(f"{', '.join(self.used)} need a teacher; pass one")
        if teacher is not None:
            teacher.eval().requires_grad_(False)
        self.train = task.part("train")
        self.constant_loss = constant_loss(self.train.y, task="multiclass", outputs=task.classes)
        world = current_world()
        self.batch = min(config.batch_graphs or 32, len(self.train.y))
        if self.batch % world.size:
            raise ValueError(
                f"batch_graphs must be a multiple of the {world.size} processes, got {self.batch}"
            )
        self.hints: Hints | None = None
        if "hints" in self.used:
            self.hints = Hints(*widths, random=torch_stream(seed, "hints"))
            self.hints.to(self.train.points.device)

    @property
    def steps_per_epoch(self) -> int:
        """Number of full batches; what is left over of an epoch comes in another."""
        return len(self.train.y) // self.batch

    def modules(self) -> dict[str, nn.Module]:
        """Return what learns beside the network."""
        return {"hints": self.hints} if self.hints is not None else {}

    def losses(self, network: nn.Module, step: int, *, wanted: set[str]) -> Losses:
        """Return the losses of a step."""
        points, labels = self._batch(step)
        wanted = wanted & set(self.used)
        with LayerTaps(network, [student for _, student in self.pairs]) as taps:
            logits = network(points)
        terms = {LABELS: functional.cross_entropy(logits, labels)}
        anchors = tuple(taps.embeddings.values())
        if wanted and self.teacher is not None:
            with torch.no_grad(), LayerTaps(self.teacher, [one for one, _ in self.pairs]) as known:
                said = self.teacher(points)
            for name in wanted:
                terms[name] = self._term(name, (logits, said), taps, known)
        return Losses(terms, anchors)

    def score(self, network: nn.Module, split: str) -> float:
        """Return the accuracy on a part."""
        points, labels = self.task.part(split)
        return accuracy(cloud_logits(network, points), labels)

    def _batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Return this process's clouds and labels of a step, counted from 1: a pure function."""
        epoch, index = divmod(step - 1, self.steps_per_epoch)
        order = torch.from_numpy(epoch_order(len(self.train.y), self.seed, epoch))
        chosen = order[index * self.batch : (index + 1) * self.batch]
        points = self.train.points[chosen.to(self.train.points.device)]
        points = augment(
            points, self.augmentation, random=torch_stream(self.seed, "augmentation", step)
        )
        world = current_world()
        labels = self.train.y[chosen.to(self.train.y.device)]
        return points[world.rank :: world.size], labels[world.rank :: world.size]

    def _term(
        self, name: str, logits: tuple[Tensor, Tensor], student: LayerTaps, teacher: LayerTaps
    ) -> Tensor:
        """Return one of the terms that need the teacher."""
        if name == "soft_labels":
            rows = soft_label_losses(*logits, task="multiclass", temperature=self.terms.temperature)
            return rows.mean()
        if name == "hints" and self.hints is not None:
            known, own = self.pairs[0]
            return self.hints(student[own].flatten(0, 1), teacher[known].flatten(0, 1)).mean()
        structure = self.terms.structure
        found = [
            dynamic_structure_loss(
                student[own],
                teacher[known],
                student.neighbors[own],
                teacher.neighbors[known],
                kernel=structure.kernel,
                direction=structure.direction,
                reduce=sum_over_ranks if current_world().size > 1 else None,
            )
            for known, own in self.pairs
        ]
        total = torch.stack(found)
        return total.sum() if structure.reduction == "sum" else total.mean()


@torch.inference_mode()
def cloud_logits(network: nn.Module, points: Tensor) -> Tensor:
    """Return the logits of all clouds in evaluation mode, in pieces; the mode is left as it was."""
    before = network.training
    network.eval()
    logits = torch.cat([network(piece) for piece in points.split(CHUNK)])
    network.train(before)
    return logits.clone()
