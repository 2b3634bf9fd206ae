"""Settings of training a density network: one flat, frozen table, documented and checked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

NetworkKind = Literal["unet", "mcnn"]
Background = Literal["median", "none"]
Normalization = Literal["none", "video", "training"]
Precision = Literal["fp32", "bf16"]
"""Arithmetic of the network; the loss is always fp32."""
CalibrationKind = Literal["none", "scale", "rows"]
Flips = Literal["none", "horizontal", "both"]
CALIBRATION_LIMITS = (0.5, 2.0)
"""A network that needs a factor beyond these is not calibrated but wrong."""
FrameRange = tuple[int, int]
"""First frame and the frame after the last one."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a density network is trained from points on some or all frames of a video."""

    network: NetworkKind = "unet"
    """`unet` (map at half of the input) or `mcnn` (three columns, map at a quarter)."""
    widths: tuple[int, ...] = (10, 20, 40, 40)
    """Channels of the U-Net at full, half, quarter, ... resolution."""

    background: Background = "median"
    """`median` adds the difference to the median of the video; `none` for slow objects (cells)."""
    background_frames: int = 60
    """Frames sampled from a video for its background and its range of values."""
    normalization: Normalization = "none"
    """Input range: as it is, percentiles of each `video`, or those of the `training` video kept."""

    fit: tuple[str, ...] = ()
    """Blocks of frames to learn from, as start:stop; all annotated frames if empty."""
    validate: tuple[str, ...] = ()
    """Blocks of frames to validate and calibrate on, as start:stop."""
    empty: tuple[str, ...] = ()
    """Blocks in which a frame without points is empty; elsewhere it counts as not annotated."""
    ignore: Path | None = None
    """Picture of the frame's size, nonzero where neither points nor their absence count."""
    frames_limit: int = 2000
    """Annotated frames to keep in memory; of more, evenly spaced ones."""

    sigma: float | None = None
    """Gaussian width of one object in map pixels; from the boxes' heights and rows if missing."""
    sigma_per_height: float = 0.144
    """Without `sigma`: sigma as a share of the box height."""
    sigma_minimum: float = 1.3
    """Without `sigma`: smallest sigma in map pixels."""
    sigma_maximum: float = 4.0
    """Without `sigma`: largest sigma in map pixels."""

    target_scale: float = 100.0
    """Factor on the targets in training; a peak of one object alone is about 0.04."""
    count_weight: float = 0.01
    """Weight of the difference in counts in the loss."""

    steps: int = 700
    """Updates of the network."""
    batch: int = 4
    """Crops per update."""
    crop: int = 160
    """Side of the crops in pixels; at most the frame."""
    overshoot: float = 0.0
    """Share of the crop by which windows are drawn beyond the frame, then pushed back, so that the frame's
    border is seen as often as its middle."""
    margin: float = 0.0
    """Map pixels along sides of a crop that are no border of the frame where its target does not count."""
    learning_rate: float = 4e-3
    """Peak of the one-cycle schedule of Adam."""
    weight_decay: float = 0.0
    """Decoupled weight decay; 0 is plain Adam."""
    average: float = 0.0
    """Decay per step of the moving average of the weights that is kept; 0 keeps the last ones."""

    flips: Flips = "horizontal"
    """Mirrored copies: none, left-right, or both axes."""
    zoom: float = 1.0
    """Crops are enlarged by a random factor of up to this, objects with them; 1 is off."""
    shrink: float = 1.0
    """Crops are reduced by a random factor of up to this, objects with them; 1 is off."""
    brightness: float = 0.1
    """Largest random shift of the gray values."""
    contrast: float = 0.2
    """Largest random change of the contrast, as a share."""
    overlay: float = 0.0
    """Chance to lay the foreground of a second frame over a crop; needs the median background."""
    augmentation: Literal["standard", "strong"] = "standard"
    """`strong` adds noise, blur and gamma; needs the extra `augmentation`."""

    calibration: CalibrationKind = "scale"
    """Correction of the counts fitted on the validation frames: none, one factor, or one per row."""
    calibration_scale: float = 1.0
    """Factor where no validation frames are left: what the run that chose the settings found."""
    validate_every: int = 0
    """Steps between validations; 0 validates at the end only."""
    checkpoint_every: int = 200
    """Steps between checkpoints."""
    workers: int = 0
    """Processes that prepare crops; their number does not change the result."""
    precision: Precision = "fp32"
    """Arithmetic; bf16 needs a GPU."""
    compile: bool = False
    """Compile the network: faster after a slow start."""

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ValueError: with the rule, the value and the fix.
        """
        _check_numbers(self)
        if len(self.widths) < 2 or min(self.widths) < 1:
            _refuse("widths", "at least two positive numbers", self.widths)
        if self.sigma_minimum > self.sigma_maximum:
            _refuse("sigma_minimum", "at most sigma_maximum", self.sigma_minimum)
        if 2 * self.margin >= self.crop / 4:  # maps are a half or a quarter of the crop
            _refuse("margin", f"less than an eighth of the crop ({self.crop / 8:g})", self.margin)
        for name, most in _MOST.items():
            if getattr(self, name) > most:
                _refuse(name, f"at most {most:g}", getattr(self, name))
        low, high = CALIBRATION_LIMITS
        if not low <= self.calibration_scale <= high:
            _refuse("calibration_scale", f"in [{low:g}, {high:g}]", self.calibration_scale)
        if self.average == 1:
            _refuse("average", "below 1, or nothing is learned", self.average)
        if self.overlay and self.background != "median":
            _refuse("overlay", "0 unless background is median", self.overlay)
        for name in ("fit", "validate", "empty"):
            parse_blocks(getattr(self, name))
        refuse_overlap(parse_blocks(self.fit), parse_blocks(self.validate))


_CHOICES = {
    "network": ("unet", "mcnn"),
    "background": ("median", "none"),
    "normalization": ("none", "video", "training"),
    "flips": ("none", "horizontal", "both"),
    "augmentation": ("standard", "strong"),
    "calibration": ("none", "scale", "rows"),
    "precision": ("fp32", "bf16"),
}
_LEAST = {
    "background_frames": 1,
    "frames_limit": 1,
    "count_weight": 0,
    "zoom": 1,
    "shrink": 1,
    "steps": 1,
    "batch": 1,
    "crop": 8,
    "overshoot": 0,
    "margin": 0,
    "weight_decay": 0,
    "brightness": 0,
    "validate_every": 0,
    "checkpoint_every": 1,
    "workers": 0,
}
_MOST = {"zoom": 10, "shrink": 10, "overshoot": 10, "brightness": 10}
"""Beyond these nothing is recognizable, or crops are all at the border."""
_POSITIVE = (
    "sigma",
    "sigma_per_height",
    "sigma_minimum",
    "sigma_maximum",
    "target_scale",
    "learning_rate",
)
_SHARES = ("average", "contrast", "overlay")


def _check_numbers(config: TrainingConfig) -> None:
    """Raise ValueError for a single setting that is none of its choices or out of its range."""
    for name, choices in _CHOICES.items():
        if getattr(config, name) not in choices:
            _refuse(name, f"one of {', '.join(choices)}", getattr(config, name))
    for name, least in _LEAST.items():
        if not least <= getattr(config, name) < float("inf"):
            _refuse(name, f"finite and at least {least}", getattr(config, name))
    for name in _POSITIVE:
        value = getattr(config, name)
        if value is not None and not 0 < value < float("inf"):
            _refuse(name, "positive", value)
    for name in _SHARES:
        if not 0 <= getattr(config, name) <= 1:
            _refuse(name, "in [0, 1]", getattr(config, name))


def parse_blocks(blocks: tuple[str, ...]) -> tuple[FrameRange, ...]:
    """Return frame ranges written as start:stop, in order.

    Raises:
        ValueError: if one is not written so, or is empty.
    """
    ranges = []
    for block in blocks:
        start, colon, stop = block.partition(":")
        if not (colon and start.strip().isdecimal() and stop.strip().isdecimal()):
            raise ValueError(f"a block of frames is written start:stop, as in 0:100, got {block!r}")
        if int(start) >= int(stop):
            raise ValueError(
                f"a block of frames must hold a frame, got {block!r}; stop is exclusive"
            )
        ranges.append((int(start), int(stop)))
    return tuple(sorted(ranges))


def refuse_overlap(fit: tuple[FrameRange, ...], validate: tuple[FrameRange, ...]) -> None:
    """Raise ValueError if a frame lies in both lists: validation would praise what is learned by heart."""
    for start, stop in fit:
        for other_start, other_stop in validate:
            if start < other_stop and other_start < stop:
                raise ValueError(
                    f"blocks of validation and others must not share frames, got {start}:{stop} and "
                    f"{other_start}:{other_stop}; take one of them out"
                )


def _refuse(name: str, rule: str, value: object) -> None:
    raise ValueError(f"{name} must be {rule}, got {value!r}")
