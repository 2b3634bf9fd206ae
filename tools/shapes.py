"""The type checker that jaxtyping uses in tests: shapes and nothing else.

Everything else in the annotations is pyright's business, and tests hand over wrong values on purpose.
"""

from collections.abc import Callable
from typing import Any, TypeVar, get_args

from beartype import beartype
from jaxtyping import AbstractArray

Checked = TypeVar("Checked", bound=Callable[..., Any])


def has_shape(hint: Any) -> bool:
    """Tell whether a shape occurs anywhere in an annotation."""
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        return True
    return any(map(has_shape, get_args(hint)))


def check(function: Checked) -> Checked:
    """Return `function` with the shapes in its annotations checked on every call."""
    every = dict(function.__annotations__)
    shapes = {name: hint for name, hint in every.items() if has_shape(hint)}
    if not shapes:
        return function
    function.__annotations__ = shapes
    checked = beartype(function)
    function.__annotations__ = checked.__annotations__ = every
    return checked
