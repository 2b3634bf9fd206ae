"""VGG (Simonyan and Zisserman, arXiv 1409.1556) as the frozen judge of content and style.

Normalized as Gatys did: every filter has mean activation 1 over natural pictures, so that the layers
weigh alike (without it they differ tenfold, and training ends in gray). Reflection padding.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional

from din_style.config import OFFLINE_STYLE_LAYERS
from tenfold_shared.datasets import locate
from tenfold_shared.errors import UserError
from tenfold_shared.files import write_atomically

OFFLINE_FILE = "weights/vgg16_relu3_3_fp16.safetensors"
"""Oxford's VGG-16 up to relu3_3, with mean activations; below the data folder."""
HINT = "get torchvision's VGG-16 or VGG-19 weights and run `din-style import-weights`"
_CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
_CONVOLUTIONS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


class Layer(NamedTuple):
    """One convolution with its ReLU."""

    name: str
    """Such as `3_1`: first convolution of the third stage."""
    weight: Float[Tensor, "out in 3 3"]
    """Kernels for features (or RGB in [0, 1]) as they come in."""
    bias: Float[Tensor, " out"]
    """Added after the kernels."""


def layer_names(depth: int) -> tuple[str, ...]:
    """Return the names of the convolutions of VGG-16 or VGG-19: 1_1, 1_2, 2_1, ..."""
    counts = _CONVOLUTIONS[depth]
    return tuple(f"{stage + 1}_{i + 1}" for stage, n in enumerate(counts) for i in range(n))


class VGG(nn.Module):
    """Frozen features of pictures; forward takes RGB in [0, 1].

    Args:
        layers: The convolutions from the first on; a new stage starts after a maximum over 2 x 2.
        description: What the weights are, for model cards: `vgg16, normalized`.
    """

    def __init__(self, layers: Sequence[Layer], *, description: str) -> None:
        super().__init__()
        self.description = description
        self.names = tuple(layer.name for layer in layers)
        for layer in layers:
            self.register_buffer(f"weight_{layer.name}", layer.weight, persistent=False)
            self.register_buffer(f"bias_{layer.name}", layer.bias, persistent=False)

    def layers(self) -> list[Layer]:
        """Return the convolutions as they are now."""
        return [
            Layer(n, self.get_buffer(f"weight_{n}"), self.get_buffer(f"bias_{n}"))
            for n in self.names
        ]

    def channels(self, name: str) -> int:
        """Return the number of channels of a layer such as `relu3_1`.

        Raises:
            ValueError: These weights have no such layer.
        """
        self.require({name})
        return len(self.get_buffer("bias_" + name.removeprefix("relu")))

    def require(self, names: Iterable[str]) -> None:
        """Refuse names of layers that these weights do not have.

        Raises:
            ValueError: There is such a name.
        """
        if unknown := set(names) - {f"relu{name}" for name in self.names}:
            raise ValueError(
                f"this VGG has no layer {min(unknown)!r}; take some of "
                f"{', '.join(f'relu{name}' for name in self.names)}"
            )

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], names: Iterable[str]
    ) -> dict[str, Tensor]:
        """Return the ReLU features called `names`, such as `relu3_1`, and compute no deeper.

        Raises:
            ValueError: These weights have no such layer, or the pictures are too small for it.
        """
        wanted = set(names)
        self.require(wanted)
        features: dict[str, Tensor] = {}
        x, stage = images.to(self.get_buffer("weight_1_1").dtype), "1"
        for name, weight, bias in self.layers():
            if name[0] != stage:
                x, stage = functional.max_pool2d(x, 2), name[0]
            if min(x.shape[-2:]) < 2:
                raise ValueError(
                    f"pictures of {tuple(images.shape[-2:])} pixels vanish before relu{name}; use "
                    "larger ones"
                )
            x = functional.conv2d(
                functional.pad(x, (1, 1, 1, 1), mode="reflect"), weight, bias
            ).relu_()
            if f"relu{name}" in wanted:
                features[f"relu{name}"] = x
            if len(features) == len(wanted):
                break
        return features

    def to_bfloat16(self) -> "VGG":
        """Return a copy in bfloat16, twice as fast on processors and GPUs that know it."""
        layers = [
            Layer(
                n,
                w.bfloat16().contiguous(memory_format=torch.channels_last),
                b.bfloat16(),
            )
            for n, w, b in self.layers()
        ]
        return VGG(layers, description=f"{self.description}, bfloat16")


def normalized(layers: Sequence[Layer], means: Mapping[str, Tensor]) -> list[Layer]:
    """Rescale filters to mean activation 1: W'[o, i] = W[o, i] m_before[i] / m[o], b' = b / m.

    Args:
        layers: Convolutions from the first on.
        means: Mean ReLU activation of each filter, by the layer's name; the third stage sees the
            maxima of the second, which scale alike.
    """
    result, before = [], layers[0].weight.new_ones(3)
    for name, weight, bias in layers:
        # a filter that never fires would be scaled to infinity
        mean = means[name].clamp(min=1e-3 * float(means[name].mean()))
        scaled = weight * before.view(1, -1, 1, 1) / mean.view(-1, 1, 1, 1)
        result.append(Layer(name, scaled, bias / mean))
        before = mean
    return result


@torch.no_grad()
def mean_activations(
    layers: Sequence[Layer], images: Iterable[Float[Tensor, "batch 3 height width"]]
) -> dict[str, Tensor]:
    """Return the mean ReLU activation of each filter over pictures, each picture weighing alike."""
    network = VGG(layers, description="to be normalized")
    sums: dict[str, Tensor] = {}
    count = 0
    for batch in images:
        for name, features in network(batch, [f"relu{n}" for n in network.names]).items():
            total = features.mean((2, 3)).sum(0)
            sums[name] = sums[name] + total if name in sums else total
        count += len(batch)
    if not count:
        raise ValueError("mean activations need at least one picture, got none")
    return {name.removeprefix("relu"): total / count for name, total in sums.items()}


def load_vgg(path: Path | None = None, *, data: Path | None = None, normalize: bool = True) -> VGG:
    """Read VGG from a safetensors file in the layout of the offline VGG-16.

    `din-style import-weights` writes such a file from torchvision's weights.

    Args:
        path: The file; None looks for `OFFLINE_FILE` in the data folder.
        data: The data folder, where not TENFOLD_DATA's.
        normalize: Rescale to mean activation 1; raw features are for comparison.

    Raises:
        UserError: The file is missing, damaged or something else.
    """
    path = locate(OFFLINE_FILE, hint=HINT, data=data) if path is None else Path(path)
    tensors = _read(path)
    try:
        names = [n for n in layer_names(19) if f"conv{n}.weight" in tensors]
        _check_order(names)
        layers = [Layer(n, tensors[f"conv{n}.weight"], tensors[f"conv{n}.bias"]) for n in names]
        layers[0] = _takes_unit_rgb(layers[0], tensors)
        for (_, before, _), (_, after, _) in itertools.pairwise(layers):
            if before.shape[0] != after.shape[1]:
                raise KeyError
        if normalize:
            layers = normalized(layers, {n: tensors[f"relu{n}.mean_act"] for n in names})
    except (KeyError, IndexError, RuntimeError) as error:
        raise UserError(f"{path} holds no VGG with mean activations; {HINT}.") from error
    kind = "normalized" if normalize else "raw"
    return VGG(layers, description=f"{path.name}, {kind}")


def _check_order(names: Sequence[str]) -> None:
    """Raise KeyError if a convolution is missing on the way, or one of those that losses and styles need."""
    places = [tuple(map(int, name.split("_"))) for name in names]
    for (stage, number), after in itertools.pairwise([(1, 0), *places]):
        next_stage = (stage + 1, 1) if number >= 2 else None
        if after not in ((stage, number + 1), next_stage):
            raise KeyError
    if {name.removeprefix("relu") for name in OFFLINE_STYLE_LAYERS} - set(names):
        raise KeyError


def _read(path: Path) -> dict[str, Tensor]:
    """Return all tensors of a safetensors file that are finite."""
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; check the path of the weights.") from error
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is damaged or no safetensors file; copy it again.") from error
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor.float()).all()):
            raise UserError(f"{path}: {name} is not finite; copy the file again.")
    return {name: tensor.to(torch.get_default_dtype()) for name, tensor in tensors.items()}


def _takes_unit_rgb(first: Layer, tensors: Mapping[str, Tensor]) -> Layer:
    """Fold the preparation of pixels into the first convolution, exact under reflection padding.

    Oxford's network takes BGR in 0..255 minus a mean; a file with a tensor called `input.std` takes
    RGB minus torchvision's mean, divided by its deviation.
    """
    if "input.std" in tensors:
        mean, std = torch.tensor(_IMAGENET_MEAN), torch.tensor(_IMAGENET_STD)
        weight = first.weight
    else:
        mean = torch.tensor(_CAFFE_MEAN_BGR).flip(0) / 255
        std = torch.full((3,), 1 / 255)
        weight = first.weight.flip(1)
    weight = weight / std.view(1, 3, 1, 1)
    return Layer(first.name, weight, first.bias - (weight.sum((2, 3)) * mean).sum(1))


def import_vgg(
    state: Mapping[str, Any], path: Path, *, images: Iterable[Float[Tensor, "batch 3 height width"]]
) -> None:
    """Write torchvision's VGG-16 or VGG-19 as a file that `load_vgg` reads, in half precision.

    Args:
        state: State dictionary of `torchvision.models.vgg16` or `vgg19`.
        path: The file.
        images: Some dozens of natural pictures, on which mean activations are measured.

    Raises:
        ValueError: It is another network, or there are no pictures.
        UserError: The file cannot be written.
    """
    layers = layers_from_torchvision(state)
    tensors: dict[str, Tensor] = {"input.std": torch.tensor(_IMAGENET_STD)}
    for name, weight, bias in layers:
        tensors[f"conv{name}.weight"] = weight.half().contiguous()
        tensors[f"conv{name}.bias"] = bias.half().contiguous()
    prepared = [_takes_unit_rgb(layers[0], tensors), *layers[1:]]
    for name, mean in mean_activations(prepared, images).items():
        tensors[f"relu{name}.mean_act"] = mean
    write_atomically(Path(path), save(tensors))


def layers_from_torchvision(state: Mapping[str, Any]) -> list[Layer]:
    """Return the convolutions of torchvision's `vgg16` or `vgg19` state dictionary, as stored.

    Raises:
        ValueError: It is not one of those (their batch-norm variants are not).
    """
    weights = {
        int(key.split(".")[1]): key.removesuffix(".weight")
        for key, value in state.items()
        if key.startswith("features.") and key.endswith(".weight") and value.ndim == 4
    }
    depth = {13: 16, 16: 19}.get(len(weights))
    if depth is None:
        raise ValueError(
            f"the state dictionary has {len(weights)} convolutions, not the 13 of VGG-16 or the 16 "
            "of VGG-19; pass torchvision's vgg16 or vgg19"
        )
    return [
        Layer(name, state[f"{weights[i]}.weight"].float(), state[f"{weights[i]}.bias"].float())
        for name, i in zip(layer_names(depth), sorted(weights), strict=True)
    ]
