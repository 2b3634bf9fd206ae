"""The ways to teach a student that can be compared, by name; `+` puts some together."""

from collections.abc import Callable
from dataclasses import replace

from lsp_distillation.terms_config import AUTO, TermsConfig

Change = Callable[[TermsConfig], TermsConfig]

PARTS: dict[str, tuple[str, Change]] = {
    "labels": ("true labels alone", lambda terms: terms),
    "kd": (
        "the teacher's softened predictions (1503.02531)",
        lambda terms: replace(terms, soft_labels=1.0),
    ),
    "fitnet": ("hints (1412.6550)", lambda terms: replace(terms, hints=AUTO)),
    "at": ("attention transfer (1612.03928)", lambda terms: replace(terms, attention=AUTO)),
    "rkd": (
        "relations of sampled nodes (1904.05068)",
        lambda terms: replace(terms, relations=AUTO),
    ),
    "gsp": (
        "similarities of all sampled nodes (2111.04964)",
        lambda terms: replace(terms, similarity=AUTO),
    ),
    "lsp": ("local structure, the paper's method", lambda terms: terms),
}
"""What each part means, and what it adds to settings that have labels alone."""

METHODS = ("labels", "kd", "fitnet", "at", "rkd", "gsp", "lsp", "lsp+kd")
"""What is compared unless stated otherwise."""


def terms_of(method: str, base: TermsConfig) -> TermsConfig:
    """Return the terms of a method.

    Args:
        method: Names of `PARTS` joined by `+`.
        base: Everything else: kernel, layers, temperature, share, and the weight of the structure term. Weights of
            soft labels and features that it has are kept where the method uses them.

    Raises:
        ValueError: The method is unknown.
    """
    parts = method.split("+")
    for part in parts:
        if part not in PARTS:
            raise ValueError(
                f"method must be made of {', '.join(PARTS)} joined by +, got {method!r}"
            )
    structure = base.structure if "lsp" in parts else replace(base.structure, weight=0.0)
    terms = replace(
        base,
        structure=structure,
        soft_labels=0.0,
        hints=0.0,
        attention=0.0,
        relations=0.0,
        similarity=0.0,
    )
    for part in parts:
        terms = PARTS[part][1](terms)
    kept = {
        name: getattr(base, name)
        for name in ("soft_labels", "hints", "attention", "relations", "similarity")
        if getattr(terms, name) != 0 and getattr(base, name) != 0
    }
    return replace(terms, **kept)
