"""Learning on nodes or graphs whose edges do not change: labels, and what the teacher says."""

import logging

from torch import Tensor, nn

from lsp_distillation.batches import Batch, batches_of
from lsp_distillation.feature_distillation import Hints, attention_loss
from lsp_distillation.inference import run_network
from lsp_distillation.label_losses import (
    constant_loss,
    label_losses,
    positive_weights,
    soft_label_losses,
)
from lsp_distillation.learning import LABELS, Losses, share_of_processes
from lsp_distillation.local_structure import LocalStructureLoss, renormalized
from lsp_distillation.metrics import score_predictions
from lsp_distillation.node_data import GraphTask
from lsp_distillation.relational_distillation import relation_loss, sample_nodes, similarity_loss
from lsp_distillation.taps import LayerTaps, call_network
from lsp_distillation.teacher_outputs import TeacherOutputs
from lsp_distillation.term_weights import STRUCTURE, TermWeights
from lsp_distillation.terms_config import LABELS_ALONE, TermsConfig
from lsp_distillation.training_config import TrainingConfig
from tenfold_shared.distributed import current_world, sum_over_ranks
from tenfold_shared.seeds import torch_stream

logger = logging.getLogger(__name__)

_OF_FEATURES = ("hints", "attention", "relations", "similarity")
_OF_ALL_NODES = ("attention", "relations", "similarity")


class GraphProblem:
    """Batches and losses of a task; see `learning.Problem`.

    Args:
        task: With parts `train` and `val`.
        config: How batches are made.
        terms: What is learned beside the labels; None: labels alone.
        teacher: What it says, for those terms.
        pairs: Matched layers (teacher, student); the first one serves the rivals.
        widths: Of the student's and the teacher's first matched layer, for hints.
        seed: Of the order of graphs and of sampled nodes.

    Raises:
        ValueError: A term needs the teacher and there is none, or cannot be divided among processes.
    """

    def __init__(
        self,
        task: GraphTask,
        config: TrainingConfig,
        *,
        terms: TermsConfig | None = None,
        teacher: TeacherOutputs | None = None,
        pairs: tuple[tuple[str, str], ...] = (),
        widths: tuple[int, int] = (1, 1),
        seed: int = 0,
    ) -> None:
        self.task, self.config, self.seed = task, config, seed
        self.teacher, self.pairs = teacher, pairs
        self.terms = terms or LABELS_ALONE
        self.used = [name for name in TermWeights(self.terms).used if name != LABELS]
        if current_world().size > 1 and set(self.used) & set(_OF_ALL_NODES):
            raise ValueError(
                f"{', '.join(_OF_ALL_NODES)} compare nodes of the whole batch; use a single process"
            )
        structure = self.terms.structure
        self.batches = batches_of(task, config, structure.self_loops, seed=seed)
        self.structure_loss = LocalStructureLoss(
            structure.kernel,
            direction=structure.direction,
            self_loops=structure.self_loops,
            reduction=structure.reduction,
        )
        self.hints = self._hints(widths) if "hints" in self.used else None
        labels = task.y[task.mask("train")]
        self.positive: Tensor | None = None
        if task.task == "multilabel" and config.balance:
            self.positive = positive_weights(labels, power=config.balance)
        self.constant_loss = constant_loss(
            labels, task=task.task, outputs=task.outputs, positive_weight=self.positive
        )

    def _hints(self, widths: tuple[int, int]) -> Hints:
        """Return FitNet's regression from the student's width to the teacher's."""
        hints = Hints(*widths, random=torch_stream(self.seed, "hints"))
        return hints.to(self.task.graph.device, self.task.x.dtype)

    @property
    def steps_per_epoch(self) -> int:
        """Number of steps that see everything once."""
        return self.batches.steps_per_epoch

    def modules(self) -> dict[str, nn.Module]:
        """Return what learns beside the network."""
        return {"hints": self.hints} if self.hints is not None else {}

    def losses(self, network: nn.Module, step: int, *, wanted: set[str]) -> Losses:
        """Return the losses of a step."""
        batch = self.batches.at(step)
        layers = [student for _, student in self.pairs]
        with LayerTaps(network, dict.fromkeys(layers)) as taps:
            logits = call_network(
                network,
                batch.x,
                batch.graph,
                graph_of_node=batch.graph_of_node,
                graphs=batch.graphs,
            )
            embeddings = [taps[name] for name in layers]
        terms = {LABELS: self._labels(logits, batch)}
        for name in self.used:
            if name in wanted:
                terms[name] = self._term(name, logits, embeddings, batch, step)
        return Losses(terms, tuple({id(z): z for z in embeddings}.values()))

    def score(self, network: nn.Module, split: str) -> float:
        """Return the main score of a part; an error counts as negative."""
        logits = run_network(network, self.task).logits
        mask = self.task.mask(split)
        main = score_predictions(
            self.task.task, logits[mask], self.task.y[mask], threshold=self.config.threshold
        )[0]
        return main.value if main.higher_is_better else -main.value

    def _labels(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the mean loss over labeled rows of all processes."""
        rows = batch.labeled
        losses = label_losses(
            logits[rows], batch.y[rows], task=self.task.task, positive_weight=self.positive
        )
        return losses.mean() * share_of_processes(len(losses))

    def _term(
        self, name: str, logits: Tensor, embeddings: list[Tensor], batch: Batch, step: int
    ) -> Tensor:
        """Return one of the terms that need the teacher."""
        teacher = self.teacher
        if teacher is None:
            raise ValueError(f"{name} needs a teacher; pass one")
        if name == STRUCTURE:
            return self._structure(teacher, embeddings, batch)
        if name == "soft_labels":
            rows = soft_label_losses(
                batch.counted(logits),
                batch.counted(batch.of_items(teacher.logits)),
                task=self.task.task,
                temperature=self.terms.temperature,
            )
            return rows.mean() * share_of_processes(len(rows))
        student = batch.counted(embeddings[0])
        known = batch.counted(batch.of_nodes(teacher.features[self.pairs[0][0]]))
        if name == "hints" and self.hints is not None:
            return self.hints(student, known).mean() * share_of_processes(len(student))
        if name == "attention":
            return attention_loss(student, known)
        random = torch_stream(self.seed, name, step)
        chosen = sample_nodes(len(student), self.terms.sampled_nodes, random=random)
        chosen = chosen.to(student.device)
        loss = relation_loss if name == "relations" else similarity_loss
        return loss(student[chosen], known[chosen])

    def _structure(self, teacher: TeacherOutputs, embeddings: list[Tensor], batch: Batch) -> Tensor:
        """Return the local-structure-preserving term (paper section 3.2)."""
        known = [batch.of_edges(teacher.structures[name]) for name, _ in self.pairs]
        count = batch.structure.nodes
        if batch.seeds is not None:
            known = [renormalized(one, batch.structure) for one in known]
            count = int(batch.seeds.sum())
        reduce = sum_over_ranks if current_world().size > 1 else None
        loss = self.structure_loss(
            embeddings, known, batch.structure, nodes=batch.seeds, reduce=reduce
        )
        return loss * share_of_processes(count)
