"""The tiny data on which the contract trains and uses the method: one graph in the three forms that are read."""

from pathlib import Path

import numpy as np

GRAPH = "graph.npz"


def make_tiny_data(folder: Path) -> None:
    """Write a random graph of 60 nodes in three classes as npz, safetensors and a saved PyG `Data`."""
    from lsp_distillation.generated_tasks import block_task
    from lsp_distillation.graph_files import write_graph
    from lsp_distillation.model_files import Student, reading_of
    from lsp_distillation.network_config import NetworkConfig
    from lsp_distillation.networks import build_network
    from lsp_distillation.pyg_data import to_pyg_data
    from lsp_distillation.splits import random_split

    task = block_task(classes=3, nodes_per_class=20, features=5, inside=0.3)
    task = task.with_split(random_split(task.items, seed=0))
    arrays = {"x": task.x, "edge_index": task.graph.edge_index, "y": task.y}
    arrays |= {f"{part}_mask": task.mask(part) for part in ("train", "val", "test")}
    np.savez(folder / GRAPH, **{name: value.numpy() for name, value in arrays.items()})
    write_graph(task, folder / "graph.safetensors")
    import torch

    torch.save(to_pyg_data(task), folder / "data.pt")  # noqa: TID251 - a file as users of PyG have it

    config = NetworkConfig(width=4)
    network = build_network(config, features=task.features, outputs=task.outputs)
    Student(network, config, reading_of(task)).save(folder / "teacher.safetensors")
