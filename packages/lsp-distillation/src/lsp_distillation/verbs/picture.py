"""`plot`: pictures of a run, of a comparison, and of local structures."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from lsp_distillation.verbs.sources import (
    GraphOptions,
    TeacherOptions,
    check_preparation,
    model_file,
    open_graph,
    open_teacher,
)
from tenfold_shared.commands import emit
from tenfold_shared.errors import UserError
from tenfold_shared.refusals import refuses

if TYPE_CHECKING:
    from matplotlib.figure import Figure

What = Literal["curves", "differences", "costs", "neighborhoods", "entropies", "shapes"]


@dataclass(frozen=True, kw_only=True)
class Plot(GraphOptions, TeacherOptions):
    """Settings of `plot`."""

    what: Annotated[What, tyro.conf.Positional]
    """`curves` of a run; `differences` and `costs` of a comparison; on a graph `neighborhoods` of some nodes and
    `entropies` of kernels; `shapes`: distances to one point in the features of networks on clouds."""

    graph: str = ""
    """For `neighborhoods` and `entropies`: a set by name, or a file; for `shapes` clouds."""

    teacher: str = ""
    """For `neighborhoods` and `entropies`: file or run folder, or `package.module:factory`."""

    run: Path | None = None
    """Run folder of `train` or `distill` for `curves`, folder of `compare` for `differences`."""

    students: tuple[Path, ...] = ()
    """Files or run folders, for `neighborhoods` and `shapes`."""

    nodes: tuple[int, ...] = (0, 1, 2)
    """For `neighborhoods`; for `shapes` the number of the test cloud."""


@refuses
def plot(config: Plot) -> None:
    """Draw a picture: --out FILE.png (default: the picture's name), .pdf or .svg."""
    from tenfold_shared.plots import save_figure

    out = config.out or Path(f"{config.what}.png")
    if config.what in ("curves", "differences", "costs"):
        figure = _of_folder(config)
    else:
        figure = _of_cloud(config) if config.what == "shapes" else _of_graph(config)
    save_figure(figure, out)
    emit([{"name": config.what, "value": str(out)}], json=config.json)


def _of_folder(config: Plot) -> "Figure":
    """Draw what a folder holds."""
    from lsp_distillation.comparison import CELLS, read_cells
    from lsp_distillation.figures import costs, paired_differences, training_curves

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
    return costs(cells) if config.what == "costs" else paired_differences(cells)


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
    networks = {"teacher": open_teacher(config, task)}
    for path in config.students:
        student = Student.load(model_file(path))
        check_preparation(student, path, config, task)
        networks[str(path)] = student.network
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
    if not config.nodes or any(not 0 <= node < task.nodes for node in config.nodes):
        raise UserError(
            f"--nodes must be one or more within 0 and {task.nodes - 1}, got {config.nodes}."
        )
    return neighborhood_bars(embeddings, task.graph, config.nodes)


def _of_cloud(config: Plot) -> "Figure":
    """Draw one cloud as several networks see it."""
    import torch

    from lsp_distillation.figures import feature_distances
    from lsp_distillation.model_files import Student
    from lsp_distillation.point_clouds import open_clouds
    from lsp_distillation.taps import LayerTaps, last_hidden_layer

    if not config.graph or not config.teacher:
        raise UserError("plot shapes needs --graph, the clouds, and --teacher.")
    files = {"teacher": model_file(Path(config.teacher))}
    files |= {str(path): model_file(path) for path in config.students}
    students = {name: Student.load(path) for name, path in files.items()}
    count = int(students["teacher"].about.get("points", 128))
    task = open_clouds(config.graph, points=count, seed=config.seed, data=config.data)
    count = int(task.mask("test").sum())
    if not config.nodes or not 0 <= config.nodes[0] < count:
        raise UserError(f"--nodes must be a test cloud, 0 to {count - 1}; got {config.nodes}.")
    points = task.part("test", limit=config.nodes[0] + 1).points[-1:]
    features = {}
    for name, student in students.items():
        layer = last_hidden_layer(student.network)
        with torch.no_grad(), LayerTaps(student.network, (layer,)) as taps:
            student.network(points)
        features[name] = taps[layer][0]
    return feature_distances(features, points[0], marked=0)
