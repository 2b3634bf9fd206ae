"""`import-weights`: torchvision's VGG-16 or VGG-19 for the losses and as style encoder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from tenfold_shared.commands import Options, emit
from tenfold_shared.refusals import refuses


@dataclass(frozen=True, kw_only=True)
class ImportWeights(Options):
    """Settings of `import-weights`."""

    file: Annotated[Path, tyro.conf.Positional]
    """State dictionary that torchvision stores, such as vgg19-dcbb9e9d.pth."""

    pictures: Path
    """Folder or zip archive of pictures, on which mean activations are measured; 80 are enough."""

    count: int = 80
    """Pictures that are used, evenly chosen."""

    def __post_init__(self) -> None:
        """Check the count."""
        super().__post_init__()
        if self.count < 1:
            raise ValueError(f"count must be at least 1, got {self.count}")


@refuses
def import_weights(config: ImportWeights) -> None:
    """Write VGG as a safetensors file with the mean activations that normalize it.

    --out is the file (default: vgg.safetensors), for --vgg of `train` and --encoder of `stylize`. Only tensors
    are read from the pickled file, never code.
    """
    from din_style.vgg import load_vgg
    from din_style.vgg_import import import_vgg_file

    out = config.out or Path("vgg.safetensors")
    import_vgg_file(config.file, out, pictures=config.pictures, count=config.count)
    names = load_vgg(out).names
    row = {"file": str(out), "layers": len(names), "last": f"relu{names[-1]}"}
    emit([row], json=config.json)
