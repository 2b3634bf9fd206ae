"""What the tenfold packages share: runs, files, devices, randomness, pictures and the terminal.

Importing this package imports nothing heavy; each name brings its module when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from tenfold_shared.errors import UserError as UserError

if TYPE_CHECKING:
    from tenfold_shared.archives import extract_archive as extract_archive
    from tenfold_shared.checkpoints import Checkpoint as Checkpoint
    from tenfold_shared.checkpoints import load_checkpoint as load_checkpoint
    from tenfold_shared.checkpoints import read_metadata as read_metadata
    from tenfold_shared.checkpoints import save_checkpoint as save_checkpoint
    from tenfold_shared.commands import Options as Options
    from tenfold_shared.commands import emit as emit
    from tenfold_shared.commands import run_commands as run_commands
    from tenfold_shared.datasets import locate as locate
    from tenfold_shared.datasets import verify_sha256 as verify_sha256
    from tenfold_shared.devices import choose_device as choose_device
    from tenfold_shared.files import atomic_path as atomic_path
    from tenfold_shared.files import write_atomically as write_atomically
    from tenfold_shared.images import image_grid as image_grid
    from tenfold_shared.images import read_image as read_image
    from tenfold_shared.images import write_image as write_image
    from tenfold_shared.metrics import read_metrics as read_metrics
    from tenfold_shared.runs import RunFolder as RunFolder
    from tenfold_shared.seeds import epoch_order as epoch_order
    from tenfold_shared.seeds import numpy_stream as numpy_stream
    from tenfold_shared.seeds import torch_stream as torch_stream

_HOMES = {
    "archives": ("extract_archive",),
    "checkpoints": ("Checkpoint", "load_checkpoint", "read_metadata", "save_checkpoint"),
    "commands": ("Options", "emit", "run_commands"),
    "datasets": ("locate", "verify_sha256"),
    "devices": ("choose_device",),
    "files": ("atomic_path", "write_atomically"),
    "images": ("image_grid", "read_image", "write_image"),
    "metrics": ("read_metrics",),
    "runs": ("RunFolder",),
    "seeds": ("epoch_order", "numpy_stream", "torch_stream"),
}


def __getattr__(name: str) -> Any:
    """Import the module that defines `name`, or look the version up."""
    if name == "__version__":
        from importlib.metadata import version

        return version("tenfold-shared")
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"tenfold_shared.{module}"), name)
    raise AttributeError(f"module 'tenfold_shared' has no attribute {name!r}")
