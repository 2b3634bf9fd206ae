"""The method of arXiv:2003.10477.

The names below are loaded on first use, so that importing the package is immediate.
"""

from importlib import import_module
from importlib.metadata import version
from typing import Any

__version__ = version("lsp-distillation")

_MODULES: dict[str, str] = {}
"""The module that defines each public name."""

__all__ = ["__version__"]


def __getattr__(name: str) -> Any:
    """Load the module that defines `name` the first time somebody asks for it."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names, for completion."""
    return sorted(__all__)
