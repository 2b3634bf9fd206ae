"""`--preset`: the settings that all other flags start from."""

from typing import Literal

from tbc_tracking.config import TrackConfig, paper_preset, per_frame_preset
from tenfold_shared.presets import Presets

Preset = Literal["default", "paper", "per-frame"]

PRESETS = Presets(
    {"default": TrackConfig, "paper": paper_preset, "per-frame": per_frame_preset},
    default="default",
)
