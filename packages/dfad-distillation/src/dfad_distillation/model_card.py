"""The card beside an exported student: where it comes from, how it is used, and what does not follow."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dfad_distillation.model_files import SavedModel
from tenfold_shared.files import write_atomically

CARD_SUFFIX = ".md"
_LIMITS = """## What this does not mean

- Agreement was measured on generated pictures. It says how well the student copies the teacher there, and
  ranks states of one run; it is no accuracy on real pictures. Measure that on pictures of your own.
- No privacy follows. The teacher's training data were not read, but whatever the teacher has memorized can
  pass through generated pictures into the student; that these look like noise proves nothing.
- The student inherits the teacher's errors and biases, and may have others where it disagrees.
- That generated pictures on which both agree cover the real ones is an assumption of the method
  (arXiv 1912.11006), not a theorem.
"""


def card_path(path: Path) -> Path:
    """Return where the card of a file lies."""
    return path.with_name(f"{path.name}{CARD_SUFFIX}")


def model_card(
    name: str,
    model: SavedModel,
    *,
    teacher: str,
    settings: Mapping[str, Any] | None = None,
    scores: Mapping[str, float] | None = None,
    compression: Sequence[Mapping[str, Any]] = (),
    from_unit_range: bool = False,
    temperature: float = 1.0,
) -> str:
    """Return the text of a card, in Markdown.

    Args:
        name: Of the file.
        model: The student.
        teacher: What it was distilled from: a source or a file, and its SHA-256 if known.
        settings: Of the distillation.
        scores: By name: agreement on generated pictures, accuracy on real ones if it was measured.
        compression: Rows of `compression_report`.
        from_unit_range: Whether the file normalizes inside.
        temperature: Whether its logits are divided.
    """
    told = [
        f"# {name}",
        f"A student distilled from {teacher} without its data, by data-free adversarial distillation "
        "(arXiv 1912.11006), with dfad-distillation.",
        "## Use",
        *_usage(model, from_unit_range=from_unit_range, temperature=temperature),
    ]
    if scores:
        told += ["## Measured", _table(("what", "value"), scores.items())]
    if compression:
        rows = [
            (f"{row['name']} ({row['unit']})", row["reference"], row["value"], row["ratio"])
            for row in compression
        ]
        told += ["## Size", _table(("", "teacher", "student", "ratio"), rows)]
    if settings:
        told += ["## Settings", _table(("setting", "value"), _flat(settings))]
    return "\n\n".join([*told, _LIMITS])


def write_card(path: Path, text: str) -> Path:
    """Write a card beside a file and return where.

    Raises:
        UserError: It cannot be written.
    """
    write_atomically(card_path(path), text)
    return card_path(path)


def _usage(model: SavedModel, *, from_unit_range: bool, temperature: float) -> list[str]:
    """Return how the network is fed and read."""
    channels, height, width = model.input.shape
    space = model.input
    if from_unit_range:
        scale = "values in [0, 1]; the file normalizes them"
    elif space.is_normalized:
        scale = f"(value in [0, 1] - mean) / std with mean {_plain(space.mean)}, std {_plain(space.std)}"
    else:
        scale = "values in [0, 1]"
    shown = ", ".join(model.classes[:20]) + (", ..." if len(model.classes) > 20 else "")
    colors = {1: "gray", 3: "RGB"}.get(channels, f"{channels} channels")
    mended = "" if temperature == 1 else f" They are divided by the temperature {temperature:.4g}."
    return [
        f"- Input: (batch, {channels}, {height}, {width}), {colors}, {scale}.",
        f"- Output: logits of {len(model.classes)} classes: {shown}. Softmax makes chances of them.{mended}",
        f"- Network: {model.source} {dict(model.arguments) or ''}".rstrip(),
    ]


def _table(head: Sequence[str], rows: Any) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *([_plain(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(value: Any) -> str:
    """Return a value as people read it."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple | list):
        return ", ".join(map(_plain, value))
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ")


def _flat(settings: Mapping[str, Any], place: str = "") -> list[tuple[str, Any]]:
    """Return nested settings under dotted names."""
    rows: list[tuple[str, Any]] = []
    for key, value in settings.items():
        rows += (
            _flat(value, f"{place}{key}.") if isinstance(value, Mapping) else [(place + key, value)]
        )
    return rows
