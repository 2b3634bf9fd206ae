"""Local-structure-preserving distillation of graph networks (arXiv 2003.10477), and whether it helped.

The names below are loaded on first use, so that importing the package is immediate.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lsp_distillation.activity import loss_activity as loss_activity
    from lsp_distillation.checking import check_distillation as check_distillation
    from lsp_distillation.comparison import CompareConfig as CompareConfig
    from lsp_distillation.comparison import compare as compare
    from lsp_distillation.compressing import compress as compress
    from lsp_distillation.distillation import distill as distill
    from lsp_distillation.distillation import train_teacher as train_teacher
    from lsp_distillation.dynamic_structure import dynamic_structure_loss as dynamic_structure_loss
    from lsp_distillation.fidelity_ruler import (
        dynamic_structure_fidelity as dynamic_structure_fidelity,
    )
    from lsp_distillation.fidelity_ruler import structure_fidelity as structure_fidelity
    from lsp_distillation.graph import Graph as Graph
    from lsp_distillation.kernel_config import KernelConfig as KernelConfig
    from lsp_distillation.local_structure import LocalStructureLoss as LocalStructureLoss
    from lsp_distillation.local_structure import local_log_probabilities as local_log_probabilities
    from lsp_distillation.local_structure import local_structure_loss as local_structure_loss
    from lsp_distillation.model_files import Student as Student
    from lsp_distillation.named_sets import open_task as open_task
    from lsp_distillation.neighbor_search import nearest_neighbors as nearest_neighbors
    from lsp_distillation.network_config import NetworkConfig as NetworkConfig
    from lsp_distillation.network_config import PointNetworkConfig as PointNetworkConfig
    from lsp_distillation.networks import build_network as build_network
    from lsp_distillation.node_data import GraphTask as GraphTask
    from lsp_distillation.paired_statistics import paired_difference as paired_difference
    from lsp_distillation.point_clouds import open_clouds as open_clouds
    from lsp_distillation.pyg_data import from_pyg_data as from_pyg_data
    from lsp_distillation.recipes import STUDENTS as STUDENTS
    from lsp_distillation.recipes import TEACHERS as TEACHERS
    from lsp_distillation.taps import LayerTaps as LayerTaps
    from lsp_distillation.terms_config import StructureConfig as StructureConfig
    from lsp_distillation.terms_config import TermsConfig as TermsConfig
    from lsp_distillation.training_config import DistillConfig as DistillConfig
    from lsp_distillation.training_config import TrainConfig as TrainConfig
    from lsp_distillation.training_config import TrainingConfig as TrainingConfig

__version__ = version("lsp-distillation")

_MODULES = {
    "CompareConfig": "comparison",
    "DistillConfig": "training_config",
    "Graph": "graph",
    "GraphTask": "node_data",
    "KernelConfig": "kernel_config",
    "LayerTaps": "taps",
    "LocalStructureLoss": "local_structure",
    "NetworkConfig": "network_config",
    "PointNetworkConfig": "network_config",
    "STUDENTS": "recipes",
    "StructureConfig": "terms_config",
    "Student": "model_files",
    "TEACHERS": "recipes",
    "TermsConfig": "terms_config",
    "TrainConfig": "training_config",
    "TrainingConfig": "training_config",
    "build_network": "networks",
    "check_distillation": "checking",
    "compare": "comparison",
    "compress": "compressing",
    "distill": "distillation",
    "dynamic_structure_fidelity": "fidelity_ruler",
    "dynamic_structure_loss": "dynamic_structure",
    "from_pyg_data": "pyg_data",
    "loss_activity": "activity",
    "local_log_probabilities": "local_structure",
    "local_structure_loss": "local_structure",
    "nearest_neighbors": "neighbor_search",
    "open_clouds": "point_clouds",
    "open_task": "named_sets",
    "paired_difference": "paired_statistics",
    "structure_fidelity": "fidelity_ruler",
    "train_teacher": "distillation",
}
"""The module that defines each public name."""


def __getattr__(name: str) -> Any:
    """Load the module that defines `name` the first time somebody asks for it."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names, for completion."""
    return sorted([*_MODULES, "__version__"])
