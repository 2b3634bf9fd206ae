"""`plot`: pictures of a run, of a comparison, and of local structures."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from lsp_distillation.verbs.sources import (
    GraphOptions,
    TeacherOptions,
    model_file,
    open_graph,
    open_teacher,
)
from tenfold_shared.commands import emit
from tenfold_shared.errors import UserError
from tenfold_shared.refusals import refuses

if TYPE_CHECKING:
    from matplotlib.figure import Figure

What = Literal["curves", "differences", "neighborhoods", "entropies"]


@dataclass(frozen=True, kw_only=True)
class Plot(GraphOptions, TeacherOptions):
    """Settings of `plot`."""

    what: Annotated[What, tyro.conf.Positional]
    """`curves` of a run, `differences` of a comparison, `neighborhoods` of some nodes, or `entropies` of kernels."""

    graph: str = ""
    """For `neighborhoods` and `entropies`: a set by name, or a file."""

    teacher: str = ""
    """For `neighborhoods` and `entropies`: file or run folder, or `package.module:factory`."""

    run: Path | None = None
    """Run folder of `train` or `distill` for `curves`, folder of `compare` for `differences`."""

    students: tuple[Path, ...] = ()
    """Files or run folders, for `neighborhoods`."""

    nodes: tuple[int, ...] = (0, 1, 2)
    """For `neighborhoods`."""


@refuses
def plot(config: Plot) -> None:
    """Draw a picture: --out FILE.png (default: the picture's name), .pdf or .svg."""
    from tenfold_shared.plots import save_figure

    out = config.out or Path(f"{config.what}.png")
    figure = _of_folder(config) if config.what in ("curves", "differences") else _of_graph(config)
    save_figure(figure, out)
    emit([{"name": config.what, "value": str(out)}], json=config.json)


def _of_folder(config: Plot) -> "Figure":
    """Draw what a folder holds."""
    from lsp_distillation.comparison import CELLS, read_cells
    from lsp_distillation.figures import paired_differences, training_curves

    if config.run is None:
        raise UserError(f"plot {config.what} needs --run, the folder of a run or comparison.")
    if config.what == "curves":
        return training_curves(config.run)
    cells = read_cells(config.run)
    counts = {m: sum(c.method == m for c in cells) for m in {c.method for c in cells}}
    if "labels" not in counts or len(set(counts.values())) > 1:
        raise UserError(
            f"{config.run / CELLS} holds no finished comparison; let `compare` end, then plot."
        )
    return paired_differences(cells)


def _of_graph(config: Plot) -> "Figure":
    """Draw local structures on a graph."""
    from lsp_distillation.figures import neighborhood_bars, structure_entropies
    from lsp_distillation.inference import run_network
    from lsp_distillation.kernel_config import KernelConfig
    from lsp_distillation.model_files import Student
    from lsp_distillation.taps import last_hidden_layer

    if not config.graph or not config.teacher:
        raise UserError(f"plot {config.what} needs --graph and --teacher.")
    task = open_graph(config)
    networks = {"teacher": open_teacher(config)}
    networks |= {str(p): Student.load(model_file(p)).network for p in config.students}
    embeddings = {}
    for name, network in networks.items():
        layer = last_hidden_layer(network)
        embeddings[name] = run_network(network, task, layers=[layer]).embeddings[layer]
    if config.what == "entropies":
        kernels = {
            f"rbf, bandwidth {one}": KernelConfig(bandwidth=one)
            for one in ("auto", 1.0, 10.0, 100.0)
        }
        return structure_entropies(embeddings["teacher"], task.graph, kernels)
    if any(not 0 <= node < task.nodes for node in config.nodes):
        raise UserError(f"--nodes must be within 0 and {task.nodes - 1}, got {config.nodes}.")
    return neighborhood_bars(embeddings, task.graph, config.nodes)
