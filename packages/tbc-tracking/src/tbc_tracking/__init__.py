"""Tracking by counting: tracks in crowds from density maps, as one network-flow program.

The names below are loaded on first use, so that importing the package is immediate.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tbc_tracking.tracks import Tracks as Tracks

__version__ = version("tbc-tracking")

_MODULES = {
    "Tracks": "tracks",
}
"""The module that defines each public name."""

__all__ = ["Tracks", "__version__"]


def __getattr__(name: str) -> Any:
    """Load the module that defines `name` the first time somebody asks for it."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names, for completion."""
    return sorted(__all__)
