"""The demonstration: scikit-learn's digits as a graph of neighbors, a teacher, and students with and without LSP."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from lsp_distillation.comparison import CompareConfig, compare
from lsp_distillation.comparison_table import table_rows, write_table
from lsp_distillation.distillation import matched_layers
from lsp_distillation.figures import neighborhood_bars, paired_differences
from lsp_distillation.inference import run_network
from lsp_distillation.model_files import MODEL_FILE, Student
from lsp_distillation.named_sets import open_task
from lsp_distillation.node_data import GraphTask
from lsp_distillation.recipes import STUDENTS, TEACHERS, THROUGHOUT
from tenfold_shared.files import make_folder
from tenfold_shared.plots import save_figure

METHODS = ("labels", "kd", "lsp", "lsp+kd")


def run_demo(
    folder: Path, *, seed: int = 0, seeds: int = 3, device: str = "auto"
) -> list[dict[str, Any]]:
    """Run everything, write pictures, table and student into a folder, and return the table.

    Args:
        folder: Where they go.
        seed: The first.
        seeds: How many splits, teachers and first weights.
        device: Where the networks run.
    """
    config = CompareConfig(
        teacher=TEACHERS["digits"],
        student=replace(STUDENTS["digits"], terms=THROUGHOUT),  # to show what the term does
        methods=METHODS,
        seeds=tuple(range(seed, seed + seeds)),
    )
    make_folder(folder)
    with tempfile.TemporaryDirectory() as temporary:
        runs = Path(temporary)
        cells = compare(
            config, runs, task_of=lambda one: open_task("digits", split_seed=one), device=device
        )
        place = runs / f"seed-{seed}"
        networks = {
            name: Student.load(place / name / MODEL_FILE) for name in ("teacher", "labels", "lsp")
        }
    rows = table_rows(cells, name="digits", score="accuracy")
    write_table(folder, rows)
    save_figure(paired_differences(cells), folder / "1_differences.png")
    task = open_task("digits", split_seed=seed)
    save_figure(_neighborhoods(networks, task), folder / "2_neighborhoods.png")
    networks["lsp"].save(folder / "student.safetensors")
    return rows


def _neighborhoods(networks: dict[str, Student], task: GraphTask) -> Any:
    """Draw the local structure of three digits in all networks."""
    config = STUDENTS["digits"]
    pair = matched_layers(
        config.terms.structure, networks["teacher"].network, networks["lsp"].network
    )[0]
    layers = {"teacher": pair[0], "labels": pair[1], "lsp": pair[1]}
    embeddings = {
        name: run_network(one.network, task, layers=[layers[name]]).embeddings[layers[name]]
        for name, one in networks.items()
    }
    names = {"teacher": "teacher", "labels": "student, labels alone", "lsp": "student with LSP"}
    return neighborhood_bars(
        {names[name]: z for name, z in embeddings.items()}, task.graph, (0, 500, 1000)
    )
