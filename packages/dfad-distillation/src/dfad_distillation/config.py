"""Settings of each verb; nothing heavy is imported here."""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from tenfold_shared.commands import Options


@dataclass(frozen=True, kw_only=True)
class InfoConfig(Options):
    """What is in a checkpoint."""

    checkpoint: Positional[Path]
    """The file to describe."""


@dataclass(frozen=True, kw_only=True)
class DemoConfig(Options):
    """The method on embedded data, offline and within a minute."""
