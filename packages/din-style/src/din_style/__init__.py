"""Arbitrary style transfer with dynamic instance normalization (arXiv 1911.06953).

The names below are loaded on first use, so that importing the package is immediate.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from din_style.baking import bake as bake
    from din_style.compact_encoder import CompactEncoder as CompactEncoder
    from din_style.config import LossConfig as LossConfig
    from din_style.config import NetworkConfig as NetworkConfig
    from din_style.config import TrainingConfig as TrainingConfig
    from din_style.config import preset_network as preset_network
    from din_style.controls import Controls as Controls
    from din_style.dynamic_normalization import normalize_dynamically as normalize_dynamically
    from din_style.encoder_training import EncoderConfig as EncoderConfig
    from din_style.encoder_training import train_encoder as train_encoder
    from din_style.evaluation import evaluate_methods as evaluate_methods
    from din_style.inference import StyleTransfer as StyleTransfer
    from din_style.layers import DynamicInstanceNorm2d as DynamicInstanceNorm2d
    from din_style.network_files import load_network as load_network
    from din_style.network_files import save_network as save_network
    from din_style.networks import TransferNetwork as TransferNetwork
    from din_style.networks import build_network as build_network
    from din_style.operators import Geometry as Geometry
    from din_style.pictures import read_picture as read_picture
    from din_style.pictures import write_picture as write_picture
    from din_style.shipped import load_shipped as load_shipped
    from din_style.stabilization import VideoStylizer as VideoStylizer
    from din_style.style_code import StyleCode as StyleCode
    from din_style.style_code import interpolate as interpolate
    from din_style.style_code import mix as mix
    from din_style.training import train as train
    from din_style.vgg import VGG as VGG
    from din_style.vgg import import_vgg as import_vgg
    from din_style.vgg import load_vgg as load_vgg

__version__ = version("din-style")

_MODULES = {
    "CompactEncoder": "compact_encoder",
    "Controls": "controls",
    "DynamicInstanceNorm2d": "layers",
    "EncoderConfig": "encoder_training",
    "Geometry": "operators",
    "LossConfig": "config",
    "NetworkConfig": "config",
    "StyleCode": "style_code",
    "StyleTransfer": "inference",
    "TrainingConfig": "config",
    "TransferNetwork": "networks",
    "VGG": "vgg",
    "VideoStylizer": "stabilization",
    "bake": "baking",
    "build_network": "networks",
    "evaluate_methods": "evaluation",
    "import_vgg": "vgg",
    "interpolate": "style_code",
    "load_network": "network_files",
    "load_shipped": "shipped",
    "load_vgg": "vgg",
    "mix": "style_code",
    "normalize_dynamically": "dynamic_normalization",
    "preset_network": "config",
    "read_picture": "pictures",
    "save_network": "network_files",
    "train": "training",
    "train_encoder": "encoder_training",
    "write_picture": "pictures",
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
