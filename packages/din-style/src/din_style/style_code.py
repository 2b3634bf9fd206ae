"""Style codes: what a style means to one network, a few hundred numbers, in files of a few kB."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from tenfold_shared.errors import UserError
from tenfold_shared.files import write_atomically

_FORMAT = "din-style code 1"
_LIMIT_BYTES = 2**28


class LayerCode(NamedTuple):
    """Kernels and shifts of one dynamic normalization."""

    weight: Float[Tensor, "batch channels channels_per_group kernel kernel"]
    """W(f)."""
    bias: Float[Tensor, "batch channels"]
    """B(f)."""


@dataclass(frozen=True)
class StyleCode:
    """The kernels of all dynamic normalizations of a network, by the layer's name.

    A code of one style (batch 1) applies to any number of contents.
    """

    layers: Mapping[str, LayerCode]
    """By the name of the layer, in the order of the network."""
    fingerprint: str = ""
    """Which network it was made for; empty where nobody needs to know, as in training."""

    @property
    def batch(self) -> int:
        """Number of styles."""
        return len(next(iter(self.layers.values())).bias)

    def __getitem__(self, index: int) -> "StyleCode":
        """Return the code of one style of a batch."""
        if not -self.batch <= index < self.batch:
            raise IndexError(f"this code holds {self.batch} styles, there is no number {index}")
        i = index % self.batch
        layers = {n: LayerCode(w[i : i + 1], b[i : i + 1]) for n, (w, b) in self.layers.items()}
        return StyleCode(layers, self.fingerprint)

    def to(self, device: torch.device | torch.dtype) -> "StyleCode":
        """Return the code on another device or in another precision."""
        layers = {n: LayerCode(w.to(device), b.to(device)) for n, (w, b) in self.layers.items()}
        return StyleCode(layers, self.fingerprint)

    def vector(self) -> Float[Tensor, "batch numbers"]:
        """Return all numbers of each style side by side, for plots and comparisons."""
        parts = [part.flatten(1) for layer in self.layers.values() for part in layer]
        return torch.cat(parts, dim=1)

    def save(self, path: Path | str) -> None:
        """Write the code into a safetensors file, atomically.

        Raises:
            UserError: The file cannot be written.
        """
        tensors: dict[str, Tensor] = {}
        for name, (weight, bias) in self.layers.items():
            tensors[f"{name}.weight"] = weight.detach().cpu().float().contiguous()
            tensors[f"{name}.bias"] = bias.detach().cpu().float().contiguous()
        about = {"format": _FORMAT, "fingerprint": self.fingerprint}
        header = {"din_style": json.dumps({**about, "layers": list(self.layers)})}
        write_atomically(Path(path), save(tensors, header))

    @classmethod
    def load(cls, path: Path | str) -> "StyleCode":
        """Read a file that `save` wrote.

        Raises:
            UserError: The file is missing, damaged or no style code.
        """
        path = Path(path)
        try:
            if path.stat().st_size > _LIMIT_BYTES:
                raise UserError(f"{path} is too large for a style code; encode the style again.")
            with safe_open(path, "pt") as file:
                about = json.loads((file.metadata() or {})["din_style"])
                if about["format"] != _FORMAT:
                    raise KeyError
                layers = {
                    name: LayerCode(
                        file.get_tensor(f"{name}.weight"), file.get_tensor(f"{name}.bias")
                    )
                    for name in about["layers"]
                }
                code = cls(layers, str(about["fingerprint"]))
                valid = bool(layers) and all(map(_is_layer, layers.values()))
                if not valid or len({len(layer.bias) for layer in layers.values()}) != 1:
                    raise ValueError
        except FileNotFoundError as error:
            raise UserError(f"{path} does not exist; check the path of the style code.") from error
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise UserError(
                f"{path} is damaged or no style code; write it again with `din-style encode`."
            ) from error
        return code


def _is_layer(layer: LayerCode) -> bool:
    """Tell whether shapes and values are those of a code."""
    weight, bias = layer
    return (
        weight.ndim == 5
        and bias.ndim == 2
        and weight.shape[:2] == bias.shape
        and all(part.is_floating_point() and bool(torch.isfinite(part).all()) for part in layer)
    )


def mix(codes: Sequence[StyleCode], weights: Sequence[float]) -> StyleCode:
    """Return the blend of several styles; the weights are divided by their sum.

    Raises:
        ValueError: Weights that are negative, all zero, not finite or not one per code; codes of
            different networks.
    """
    if len(codes) != len(weights) or not codes:
        raise ValueError(
            f"mixing needs one weight per style, got {len(weights)} weights for {len(codes)} styles"
        )
    total = float(sum(weights))
    if min(weights) < 0 or not 0 < total < float("inf"):
        raise ValueError(
            f"mixing weights must not be negative and not all zero, got {list(weights)}"
        )
    first = codes[0]
    for other in codes[1:]:
        if other.fingerprint != first.fingerprint or list(other.layers) != list(first.layers):
            raise ValueError(
                f"style codes of different networks cannot be mixed, got {first.fingerprint!r} and "
                f"{other.fingerprint!r}; encode the styles with one network"
            )
    layers: dict[str, LayerCode] = {}
    for name in first.layers:
        parts = [code.layers[name] for code in codes]
        pairs = list(zip(parts, weights, strict=True))
        weight = torch.stack([layer.weight * (w / total) for layer, w in pairs]).sum(0)
        bias = torch.stack([layer.bias * (w / total) for layer, w in pairs]).sum(0)
        layers[name] = LayerCode(weight, bias)
    return StyleCode(layers, first.fingerprint)


def interpolate(start: StyleCode, end: StyleCode, share: float) -> StyleCode:
    """Return the code that lies `share` of the way from `start` (0) to `end` (1).

    Raises:
        ValueError: A share outside [0, 1], or codes of different networks.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must be in [0, 1], got {share}")
    return mix([start, end], [1 - share, share])
