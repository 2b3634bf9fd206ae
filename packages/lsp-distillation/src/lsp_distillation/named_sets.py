"""Graphs by name or from a file, with their features, targets and parts."""

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from lsp_distillation.feature_rows import normalize_rows
from lsp_distillation.generated_tasks import block_task, digits_task
from lsp_distillation.graph_files import read_graph
from lsp_distillation.metrics import Task
from lsp_distillation.node_data import FewNeighborsWarning, GraphTask
from lsp_distillation.planetoid_files import read_planetoid
from lsp_distillation.ppi_files import read_ppi
from lsp_distillation.splits import TRAIN, VALIDATE, per_class_split, random_split
from tenfold_shared.datasets import locate
from tenfold_shared.errors import UserError

SplitRule = Literal["auto", "shipped", "per-class", "random"]
"""`auto`: the one that ships with a set, else 20 and 30 per class, or 60/20/20 % where there are no classes or some are
too small."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Request:
    """What the caller asked for."""

    data: Path | None
    split_seed: int
    symmetric: bool | None
    trust: bool


@dataclass(frozen=True)
class _Named:
    """How one set is opened."""

    opener: Callable[[_Request], GraphTask]


def open_task(
    where: str | Path,
    *,
    split: SplitRule = "auto",
    split_seed: int = 0,
    task: Task | None = None,
    symmetric: bool | None = None,
    normalize_features: bool = False,
    trust: bool = False,
    data: Path | None = None,
) -> GraphTask:
    """Return a graph, or several, ready to train on.

    Args:
        where: One of `NAMES`, or a file that `read_graph` reads.
        split: Where the parts come from.
        split_seed: Chooses random parts, or which of several shipped splits.
        task: What the targets of a file are, where it cannot be told.
        symmetric: Add the reverse of every edge. None: the multi-label sets, which are directed and raw, are made
            symmetric, files are not; the other sets are symmetric already.
        normalize_features: Divide each row by its sum.
        trust: See `read_planetoid`.
        data: Where named sets lie, if not in TENFOLD_DATA or the user's cache.

    Raises:
        UserError: It is missing or damaged, or has no such split.
        ValueError: No such split rule.

    Warns:
        FewNeighborsWarning: Most nodes have one in-neighbor at most.
    """
    if split not in get_args(SplitRule):
        raise ValueError(f"split must be one of {', '.join(get_args(SplitRule))}, got {split!r}")
    named = _NAMED.get(str(where))
    if named is not None:
        request = _Request(data=data, split_seed=split_seed, symmetric=symmetric, trust=trust)
        opened = named.opener(request)
    elif Path(where).exists():
        opened = read_graph(Path(where), task=task, symmetric=bool(symmetric), split=split_seed)
    else:
        raise UserError(f"{where} is no file and none of the sets by name: {', '.join(NAMES)}.")
    if normalize_features:
        opened = opened.with_features(normalize_rows(opened.x))
    share = opened.few_neighbors
    if share > 0.5:
        warnings.warn(
            f"{share:.0%} of the nodes of {opened.name} have at most one in-neighbor; a term over neighborhoods says "
            "nothing about these",
            FewNeighborsWarning,
            stacklevel=2,
        )
    return split_task(opened, split, split_seed)


def split_task(task: GraphTask, rule: SplitRule = "auto", seed: int = 0) -> GraphTask:
    """Return the task with the parts that a rule gives; see `open_task`."""
    given = [mask is not None for mask in (task.train_mask, task.val_mask, task.test_mask)]
    if rule == "shipped" or (rule == "auto" and any(given)):
        if not all(given):
            raise UserError(
                f"{task.name} does not come with masks for all of train, val and test; add them or "
                "choose a random split."
            )
        return task
    if rule == "auto":
        rule = "per-class" if task.task == "multiclass" and _has_enough(task) else "random"
    try:
        if rule == "per-class":
            return task.with_split(per_class_split(task.y, seed=seed))
        return task.with_split(random_split(task.items, seed=seed))
    except ValueError as error:
        raise UserError(f"{task.name}: {error}.") from error


def _has_enough(task: GraphTask) -> bool:
    """Tell whether every class has items for all parts; say so where not."""
    counts = task.y.bincount()
    least = int(counts[counts > 0].min())
    if least <= TRAIN + VALIDATE:
        logger.warning(
            "%s: a class has %d items, too few for %d to train and %d to validate; parts are drawn from all items, "
            "60, 20 and 20 %%",
            task.name,
            least,
            TRAIN,
            VALIDATE,
        )
    return least > TRAIN + VALIDATE


def find_folder(relative: str, *, data: Path | None, hint: str) -> Path:
    """Return a folder or file of `graphs` in the data folder, or of the data folder itself.

    Raises:
        UserError: It is in neither.
    """
    try:
        return locate(f"graphs/{relative}", hint=hint, data=data)
    except UserError:
        return locate(relative, hint=hint, data=data)


def _planetoid(name: str, folder: str) -> _Named:
    """Return how a citation graph is opened."""
    hint = f"get it with torch_geometric.datasets.Planetoid(root + '/Planetoid', '{folder}')"

    def opened(request: _Request) -> GraphTask:
        raw = find_folder(f"Planetoid/{folder}/raw", data=request.data, hint=hint)
        return read_planetoid(raw, name, trust=request.trust)

    return _Named(opened)


def _purchases(name: str, kind: str, folder: str, file: str) -> _Named:
    """Return how a graph of Shchur et al. is opened: plain arrays, read sparse and without PyG's dense copy."""
    hint = f"get it with torch_geometric.datasets.{kind}(root + '/{kind}', '{folder}')"

    def opened(request: _Request) -> GraphTask:
        path = find_folder(f"{kind}/{folder}/raw/{file}", data=request.data, hint=hint)
        task = read_graph(path, symmetric=True, self_loops="remove")
        return _rename(task, name)

    return _Named(opened)


def _proteins(name: str) -> _Named:
    """Return how a multi-label graph is opened."""
    hint = (
        "get it from github.com/Tianqi-py/MLGNC and write x, y, edge_index, train_idx, ... as npz"
    )

    def opened(request: _Request) -> GraphTask:
        path = find_folder(f"multilabel/{name}.npz", data=request.data, hint=hint)
        symmetric = request.symmetric is not False
        task = read_graph(path, task="multilabel", symmetric=symmetric, split=request.split_seed)
        return _rename(task, name)

    return _Named(opened)


def _tissues(name: str, folder: str) -> _Named:
    """Return how graphs in the layout of PPI are opened."""
    hint = f"get it with torch_geometric.datasets.PPI(root + '/{folder}')"

    def opened(request: _Request) -> GraphTask:
        return read_ppi(find_folder(f"{folder}/raw", data=request.data, hint=hint), name=name)

    return _Named(opened)


def _rename(task: GraphTask, name: str) -> GraphTask:
    """Return the task under the name of the set."""
    return replace(task, name=name)


_NAMED = {
    "digits": _Named(lambda _: digits_task()),
    "blocks": _Named(lambda _: block_task()),
    "cora": _planetoid("cora", "Cora"),
    "citeseer": _planetoid("citeseer", "CiteSeer"),
    "pubmed": _planetoid("pubmed", "PubMed"),
    "photo": _purchases("photo", "Amazon", "Photo", "amazon_electronics_photo.npz"),
    "computers": _purchases("computers", "Amazon", "Computers", "amazon_electronics_computers.npz"),
    "cs": _purchases("cs", "Coauthor", "CS", "ms_academic_cs.npz"),
    "physics": _purchases("physics", "Coauthor", "Physics", "ms_academic_phy.npz"),
    "ppi": _tissues("ppi", "PPI"),
    "ppi-layout-humango": _tissues("ppi-layout-humango", "PPI-layout-HumanGo"),
    "humango": _proteins("humango"),
    "eukaryotego": _proteins("eukaryotego"),
    "pcg": _proteins("pcg"),
}
NAMES = tuple(_NAMED)
"""Sets that have a name; the first two need no files."""
