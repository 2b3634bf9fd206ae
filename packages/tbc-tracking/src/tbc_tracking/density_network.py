"""The trained counter: frames in, density maps out, one at a time.

Example:
    network = DensityNetwork.load("density.safetensors")
    for density in network.predict(open_frames("video.avi")):
        print(density.sum())
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tbc_tracking.calibration import Calibration
from tbc_tracking.inputs import InputConfig, VideoStatistics, measure_video, stack_channels
from tbc_tracking.networks import build_network
from tbc_tracking.object_size import ObjectSize
from tbc_tracking.training_config import NetworkKind, Precision
from tenfold_shared.checkpoints import load_checkpoint, save_checkpoint
from tenfold_shared.devices import autocast, choose_device, compile_module, unwrap_module
from tenfold_shared.errors import UserError

PACKAGE = "tbc-tracking"
NETWORK_NAME = "density.safetensors"
"""The finished network in its run folder; the state of the training lies beside it."""
_NAME = "density"
"""Name of the network in the checkpoint; a training state calls its network otherwise."""


@dataclass(frozen=True, kw_only=True)
class NetworkDescription:
    """Everything about a density network but its weights."""

    kind: NetworkKind
    """`unet` or `mcnn`."""
    widths: tuple[int, ...]
    """Channels of the U-Net per level."""
    inputs: InputConfig
    """How frames become input channels."""
    size: ObjectSize
    """Gaussian width of an object on the maps."""
    stride: int
    """Frame pixels per map pixel."""
    target_scale: float
    """Factor by which the network's output exceeds the density."""
    calibration: Calibration = field(default_factory=Calibration)
    """Correction of the counts."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """What it was trained on and how well it counts there, for the reader."""

    def __post_init__(self) -> None:
        """Check what maps are divided by."""
        if not 0 < self.target_scale < float("inf"):
            raise ValueError(f"target_scale must be positive, got {self.target_scale}")

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "NetworkDescription":
        """Return the description that `asdict` turned into JSON values.

        Raises:
            KeyError, TypeError, ValueError: if they describe no network.
        """
        return cls(
            **{
                **values,
                "widths": tuple(int(width) for width in values["widths"]),
                "inputs": InputConfig(**values["inputs"]),
                "size": ObjectSize(**values["size"]),
                "calibration": Calibration(**values["calibration"]),
            }
        )


class DensityNetwork:
    """A trained network that turns the frames of a video into density maps.

    Map pixel i covers the frame's pixels [i s, (i + 1) s) with s = `stride`: x_map = (x + 0.5) / s - 0.5.

    Args:
        module: the network.
        description: everything else about it.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        precision: `fp32`, or `bf16` on a GPU.
        compile: compile the network, which pays off for long videos.
    """

    def __init__(
        self,
        module: nn.Module,
        description: NetworkDescription,
        *,
        device: str | torch.device = "auto",
        precision: Precision = "fp32",
        compile: bool = False,
    ) -> None:
        self.device = choose_device(str(device))
        refuse_slow_precision(self.device, precision)
        self.description = description
        self._precision: Precision = precision
        self.module = unwrap_module(module).to(self.device).eval()
        self._run = compile_module(self.module, enabled=compile)

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        device: str | torch.device = "auto",
        precision: Precision = "fp32",
        compile: bool = False,
    ) -> "DensityNetwork":
        """Read a network that `save` or a training wrote.

        The state of a finished training, checkpoint.safetensors, stands for the network beside it.

        Raises:
            UserError: if the file is missing, damaged or something else.
        """
        path = Path(path)
        checkpoint = load_checkpoint(path, package=PACKAGE)
        if _NAME not in checkpoint.models:
            finished = path.with_name(NETWORK_NAME)
            if finished == path or not finished.exists():
                raise UserError(
                    f"{path} holds no finished density network; finish its training, which writes "
                    f"{NETWORK_NAME} beside it."
                )
            return cls.load(finished, device=device, precision=precision, compile=compile)
        try:
            description = NetworkDescription.from_json(checkpoint.metadata)
            module = build_network(
                description.kind, channels=description.inputs.channels, widths=description.widths
            )
            matches = module.stride == description.stride
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path} describes no density network; train it again.") from error
        if not matches:
            raise UserError(
                f"{path} describes another stride than its network has; train it again."
            )
        checkpoint.restore(models={_NAME: module})
        return cls(module, description, device=device, precision=precision, compile=compile)

    def save(self, path: Path | str) -> None:
        """Write the network into one safetensors file.

        Raises:
            UserError: if it cannot be written.
        """
        save_checkpoint(
            Path(path),
            models={_NAME: self.module},
            metadata=asdict(self.description),
            package=PACKAGE,
        )

    @property
    def stride(self) -> int:
        """Frame pixels per map pixel."""
        return self.description.stride

    @property
    def size(self) -> ObjectSize:
        """Gaussian width of an object, in map pixels."""
        return self.description.size

    def measure(self, frames: Iterable[NDArray[np.float32]], *, seed: int = 0) -> VideoStatistics:
        """Return range and background of a video; `predict` does so itself unless it is given them."""
        return measure_video(frames, self.description.inputs, seed=seed)

    def predict(
        self,
        frames: Iterable[NDArray[np.float32]],
        *,
        batch: int = 4,
        statistics: VideoStatistics | None = None,
        seed: int = 0,
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the density map of each frame; only a batch of frames is in memory.

        Args:
            frames: gray frames (height, width) in [0, 1] that can be iterated over twice: `open_frames(path)`
                or an array (frames, height, width).
            batch: frames that are computed together.
            statistics: range and background of the video, where they are known.
            seed: of the sample of frames for the background.

        Yields:
            float32 maps of ceil(size / stride) pixels, not negative, that sum to the count.

        Raises:
            ValueError: if frames are no gray frames, or are smaller than 8 x 8.
            UserError: if there is no frame.
        """
        if batch < 1:
            raise ValueError(f"batch must be at least 1, got {batch}")
        if statistics is None:
            if isinstance(frames, Iterator):
                raise ValueError(
                    "frames must be iterable twice, got an iterator; pass a list or Frames"
                )
            statistics = self.measure(frames, seed=seed)
        stream = iter(frames)
        while images := list(islice(stream, batch)):
            yield from self._predict_batch(images, statistics)

    def predict_all(
        self, frames: Iterable[NDArray[np.float32]], *, batch: int = 4, seed: int = 0
    ) -> NDArray[np.float32]:
        """Return the density maps of a short video at once, (frames, map_height, map_width)."""
        return np.stack(list(self.predict(frames, batch=batch, seed=seed)))

    @torch.inference_mode()
    def _predict_batch(
        self, images: list[NDArray[np.float32]], statistics: VideoStatistics
    ) -> NDArray[np.float32]:
        """Return the maps of a few frames."""
        for image in images:
            if image.ndim != 2 or min(image.shape) < 8:
                raise ValueError(
                    f"frames must be gray, (height, width), and at least 8 x 8, got {image.shape}"
                )
        background = statistics.background
        channels = [stack_channels(statistics.normalize(image), background) for image in images]
        inputs = torch.from_numpy(np.stack(channels)).to(self.device)
        with autocast(self.device, self._precision):
            outputs = self._run(inputs)
        maps = (outputs[:, 0].float() / self.description.target_scale).clamp(min=0)
        return (maps * self.description.calibration.factors(maps)).cpu().numpy()


def refuse_slow_precision(device: torch.device, precision: Precision) -> None:
    """Refuse bf16 without a GPU, where it is neither faster nor tested.

    Raises:
        UserError: if precision and device do not go together.
    """
    if precision == "bf16" and device.type != "cuda":
        raise UserError(f"bf16 needs a GPU, and this runs on {device.type}; use --precision fp32.")
