"""Data-free adversarial distillation (arXiv 1912.11006): a smaller network from a trained one, without its data.

The names below are loaded on first use, so that importing the package is immediate.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dfad_distillation.calibration import match_temperature as match_temperature
    from dfad_distillation.checking import check_distillation as check_distillation
    from dfad_distillation.compressing import compress as compress
    from dfad_distillation.compression import compression_report as compression_report
    from dfad_distillation.config import DistillationConfig as DistillationConfig
    from dfad_distillation.config import GeneratorConfig as GeneratorConfig
    from dfad_distillation.config import InputSpace as InputSpace
    from dfad_distillation.config import RegularizerConfig as RegularizerConfig
    from dfad_distillation.data import LabeledPictures as LabeledPictures
    from dfad_distillation.data import normalize as normalize
    from dfad_distillation.data import open_labeled as open_labeled
    from dfad_distillation.distillation import DistillationResult as DistillationResult
    from dfad_distillation.distillation import distill as distill
    from dfad_distillation.export import export_model as export_model
    from dfad_distillation.fidelity import compare_with_teacher as compare_with_teacher
    from dfad_distillation.generators import Generator as Generator
    from dfad_distillation.metrics import evaluate as evaluate
    from dfad_distillation.model_files import SavedModel as SavedModel
    from dfad_distillation.model_files import load_saved as load_saved
    from dfad_distillation.model_files import save_model as save_model
    from dfad_distillation.model_sources import load_model as load_model
    from dfad_distillation.outputs import adapt_outputs as adapt_outputs
    from dfad_distillation.outputs import check_pair as check_pair
    from dfad_distillation.outputs import check_teacher as check_teacher
    from dfad_distillation.presets import preset as preset
    from dfad_distillation.registry import build_network as build_network
    from dfad_distillation.run_files import load_generator as load_generator
    from dfad_distillation.run_files import open_run as open_run
    from dfad_distillation.run_files import paint as paint
    from dfad_distillation.students import half_student as half_student
    from dfad_distillation.teacher_config import TeacherConfig as TeacherConfig
    from dfad_distillation.teacher_training import train_teacher as train_teacher

__version__ = version("dfad-distillation")

_MODULES = {
    "DistillationConfig": "config",
    "DistillationResult": "distillation",
    "Generator": "generators",
    "GeneratorConfig": "config",
    "InputSpace": "config",
    "LabeledPictures": "data",
    "RegularizerConfig": "config",
    "SavedModel": "model_files",
    "TeacherConfig": "teacher_config",
    "adapt_outputs": "outputs",
    "build_network": "registry",
    "check_distillation": "checking",
    "check_pair": "outputs",
    "check_teacher": "outputs",
    "compare_with_teacher": "fidelity",
    "compress": "compressing",
    "compression_report": "compression",
    "distill": "distillation",
    "evaluate": "metrics",
    "export_model": "export",
    "half_student": "students",
    "load_generator": "run_files",
    "load_model": "model_sources",
    "load_saved": "model_files",
    "match_temperature": "calibration",
    "normalize": "data",
    "open_labeled": "data",
    "open_run": "run_files",
    "paint": "run_files",
    "preset": "presets",
    "save_model": "model_files",
    "train_teacher": "teacher_training",
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
