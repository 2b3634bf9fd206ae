"""Tracking by counting: tracks in crowds from density maps, as one network-flow program.

The names below are loaded on first use, so that importing the package is immediate.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tbc_tracking.baselines import BaselineConfig as BaselineConfig
    from tbc_tracking.config import CandidateConfig as CandidateConfig
    from tbc_tracking.config import FlowConfig as FlowConfig
    from tbc_tracking.config import LinkConfig as LinkConfig
    from tbc_tracking.config import SearchConfig as SearchConfig
    from tbc_tracking.config import SolverConfig as SolverConfig
    from tbc_tracking.config import TrackConfig as TrackConfig
    from tbc_tracking.config import WindowConfig as WindowConfig
    from tbc_tracking.config import paper_preset as paper_preset
    from tbc_tracking.config import per_frame_preset as per_frame_preset
    from tbc_tracking.crowd import CrowdConfig as CrowdConfig
    from tbc_tracking.crowd import simulate_crowd as simulate_crowd
    from tbc_tracking.density import density_from_points as density_from_points
    from tbc_tracking.density_maps import open_density as open_density
    from tbc_tracking.density_network import DensityNetwork as DensityNetwork
    from tbc_tracking.evaluation import evaluate_methods as evaluate_methods
    from tbc_tracking.formats import read_tracks as read_tracks
    from tbc_tracking.formats import write_tracks as write_tracks
    from tbc_tracking.frames import open_frames as open_frames
    from tbc_tracking.inference import DensityTracker as DensityTracker
    from tbc_tracking.inference import TrackingResult as TrackingResult
    from tbc_tracking.inference import track_density as track_density
    from tbc_tracking.line_counts import count_crossings as count_crossings
    from tbc_tracking.line_counts import count_in_region as count_in_region
    from tbc_tracking.network_export import export_network as export_network
    from tbc_tracking.object_size import ObjectSize as ObjectSize
    from tbc_tracking.object_size import fit_object_size as fit_object_size
    from tbc_tracking.overlay import write_overlay as write_overlay
    from tbc_tracking.point_metrics import PointScores as PointScores
    from tbc_tracking.point_metrics import evaluate_points as evaluate_points
    from tbc_tracking.point_metrics import pool_scores as pool_scores
    from tbc_tracking.simulation import MapNoise as MapNoise
    from tbc_tracking.simulation import simulate_density as simulate_density
    from tbc_tracking.solvers import solve_program as solve_program
    from tbc_tracking.tracks import Tracks as Tracks
    from tbc_tracking.training import train as train
    from tbc_tracking.training_config import TrainingConfig as TrainingConfig

__version__ = version("tbc-tracking")

_MODULES = {
    "BaselineConfig": "baselines",
    "CandidateConfig": "config",
    "CrowdConfig": "crowd",
    "DensityNetwork": "density_network",
    "DensityTracker": "inference",
    "FlowConfig": "config",
    "LinkConfig": "config",
    "MapNoise": "simulation",
    "ObjectSize": "object_size",
    "PointScores": "point_metrics",
    "SearchConfig": "config",
    "SolverConfig": "config",
    "TrackConfig": "config",
    "TrackingResult": "inference",
    "Tracks": "tracks",
    "TrainingConfig": "training_config",
    "WindowConfig": "config",
    "count_crossings": "line_counts",
    "count_in_region": "line_counts",
    "density_from_points": "density",
    "evaluate_methods": "evaluation",
    "evaluate_points": "point_metrics",
    "export_network": "network_export",
    "fit_object_size": "object_size",
    "open_density": "density_maps",
    "open_frames": "frames",
    "paper_preset": "config",
    "per_frame_preset": "config",
    "pool_scores": "point_metrics",
    "read_tracks": "formats",
    "simulate_crowd": "crowd",
    "simulate_density": "simulation",
    "solve_program": "solvers",
    "track_density": "inference",
    "train": "training",
    "write_overlay": "overlay",
    "write_tracks": "formats",
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
