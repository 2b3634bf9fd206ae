"""The compact style encoder: VGG in a tenth of its weights, so that the wheel needs no VGG.

The responses of VGG's filters to natural pictures lie close to a few directions. Each convolution becomes
one with so many filters, followed by a pointwise one (Zhang et al., arXiv 1505.06798), and the result is
taught VGG's maps and moments.
"""

import copy
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from din_style.config import OFFLINE_STYLE_LAYERS
from din_style.losses import stack_moments
from din_style.network_files import PACKAGE, require_finite
from din_style.operators import pad_reflecting
from din_style.vgg import VGG
from tenfold_shared.checkpoints import load_checkpoint, save_checkpoint
from tenfold_shared.errors import UserError

CHANNELS = (64, 128, 256, 256)
"""Channels of the layers whose moments are wanted."""
RANKS = {"1_2": 16, "2_1": 24, "2_2": 32, "3_1": 48, "3_2": 24, "3_3": 64}
"""Filters that stand for each convolution: 93 % (3_3) to 99 % of the variance of its responses."""
_WIDTHS = {"1_2": 64, "2_1": 128, "2_2": 128, "3_1": 256, "3_2": 256, "3_3": 256}
_NAME = "encoder"
_DIRECTIONS = 64
_RIDGE = 30.0


class CompactFeatures(nn.Module):
    """Imitates normalized VGG-16 up to relu3_3; its first convolution is VGG's own.

    Later ones pad with zeros, which saves copies.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, CHANNELS[0], 3)
        self.first.requires_grad_(False)
        self.reduce, self.expand = nn.ModuleDict(), nn.ModuleDict()
        before = CHANNELS[0]
        for name, rank in RANKS.items():
            self.reduce[name] = nn.Conv2d(before, rank, 3, padding=1, bias=False)
            self.expand[name] = nn.Conv2d(rank, _WIDTHS[name], 1)
            before = _WIDTHS[name]

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> dict[str, Tensor]:
        """Return imitations of the layers of the style loss."""
        # Half the time of the default format, where maxima and few filters are slow.
        images = images.contiguous(memory_format=torch.channels_last)
        x = self.first(pad_reflecting(images, 1)).relu_()
        features = {"relu1_1": x}
        for name in RANKS:
            x = self.expand[name](self.reduce[name](x))
            if name in ("1_2", "2_2"):  # the maximum first: it commutes with ReLU
                x = functional.max_pool2d(x, 2)
            x = x.relu_()
            features[f"relu{name}"] = x
        return {name: features[name] for name in OFFLINE_STYLE_LAYERS}

    @torch.no_grad()
    def factorize(self, teacher: VGG, pictures: Float[Tensor, "batch 3 height width"]) -> None:
        """Take VGG's weights, each convolution in the best few directions of its responses.

        With U the first eigenvectors of the responses' covariance and m their mean, a response
        y = W x + b is close to U U'(y - m) + m: filters U'W, then U, and the bias U U'(b - m) + m.
        """
        layers = {layer.name: layer for layer in teacher.layers()}
        first = layers["1_1"]
        self.first.load_state_dict({"weight": first.weight, "bias": first.bias})
        x = self.first(pad_reflecting(pictures, 1)).relu_()
        for name, rank in RANKS.items():
            if name in ("2_1", "3_1"):
                x = functional.max_pool2d(x, 2)
            _, weight, bias = layers[name]
            responses = functional.conv2d(pad_reflecting(x, 1), weight, bias)
            flat = responses.transpose(0, 1).flatten(1)
            mean = flat.mean(1)
            basis = torch.linalg.eigh(flat.cov())[1][:, -rank:]
            reduced = torch.einsum("or,oihw->rihw", basis, weight)
            shift = basis @ (basis.T @ (bias - mean)) + mean
            self.reduce[name].load_state_dict({"weight": reduced})
            expanded = {"weight": basis[:, :, None, None].clone(), "bias": shift}
            self.expand[name].load_state_dict(expanded)
            x = responses.relu_()


class CompactEncoder(nn.Module):
    """Pictures of styles to the moments that VGG would have given."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        numbers = 2 * sum(CHANNELS)
        self.features = CompactFeatures()
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("std", torch.ones(numbers))
        self.reduce = nn.Linear(numbers, _DIRECTIONS, bias=False)
        self.expand = nn.Linear(_DIRECTIONS, numbers)
        # At first no correction.
        nn.init.zeros_(self.expand.weight)
        nn.init.zeros_(self.expand.bias)

    @torch.no_grad()
    def fit_correction(
        self,
        found: Float[Tensor, "pictures numbers"],
        true: Float[Tensor, "pictures numbers"],
    ) -> None:
        """Predict what is missing from the main directions of what is found, by ridge regression.

        Args:
            found: Moments of imitated maps.
            true: VGG's moments of the same pictures; some hundreds.
        """
        mean, std = found.mean(0), found.std(0) + 1e-3
        scaled, missing = (found - mean) / std, true - found
        directions = torch.linalg.svd(scaled, full_matrices=False)[2][:_DIRECTIONS]
        along = scaled @ directions.T
        gram = along.T @ along + _RIDGE * torch.eye(len(directions), dtype=along.dtype)
        answer = torch.linalg.solve(gram, along.T @ (missing - missing.mean(0)))
        self.mean.copy_(mean)
        self.std.copy_(std)
        self.reduce.weight.zero_()[: len(directions)] = directions  # fewer pictures span fewer
        self.expand.weight.zero_()[:, : len(directions)] = answer.T
        self.expand.bias.copy_(missing.mean(0))

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch numbers"]:
        """Return estimates of means and deviations, as `stack_moments` orders them."""
        return self.correct(self.find(images))

    def find(self, images: Tensor) -> Float[Tensor, "batch numbers"]:
        """Return the moments of imitated maps, uncorrected."""
        return stack_moments(self.features(images), OFFLINE_STYLE_LAYERS)

    def correct(self, found: Float[Tensor, "batch numbers"]) -> Float[Tensor, "batch numbers"]:
        """Return moments of imitated maps, corrected; those of relu1_1 are exact and stay."""
        correction = self.expand(self.reduce((found - self.mean) / self.std))
        exact = 2 * CHANNELS[0]
        return found + functional.pad(correction[:, exact:], (exact, 0))


def save_encoder(path: Path, encoder: CompactEncoder, *, half: bool = False) -> None:
    """Write an encoder; `half` stores half precision, for the wheel.

    Raises:
        UserError: The file cannot be written.
    """
    stored = copy.deepcopy(encoder).half() if half else encoder
    about = {"layers": list(OFFLINE_STYLE_LAYERS), "channels": list(CHANNELS)}
    save_checkpoint(path, models={_NAME: stored}, metadata={"encoder": about}, package=PACKAGE)


def load_encoder(path: Path) -> CompactEncoder:
    """Read an encoder that `save_encoder` wrote, ready for use.

    Raises:
        UserError: The file is missing, damaged or something else.
    """
    checkpoint = load_checkpoint(path, package=PACKAGE)
    if "encoder" not in checkpoint.metadata:
        raise UserError(f"{path} holds no style encoder; pass an encoder.safetensors.")
    encoder = CompactEncoder()
    checkpoint.restore(models={_NAME: encoder})
    require_finite(path, encoder)
    return encoder.eval()
