"""Small CSV tables beside the tracks."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tenfold_shared.errors import UserError
from tenfold_shared.files import write_atomically


def write_rows(path: Path, columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a table atomically; None becomes an empty cell, decimals keep six digits."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    write_atomically(path, text.getvalue())


def read_numbers(path: Path, columns: Iterable[str]) -> list[dict[str, float | None]]:
    """Read the named columns of a table as numbers, empty cells as None.

    Raises:
        UserError: if the file is missing, or no such table.
    """
    wanted = list(columns)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return [{name: float(row[name]) if row[name] else None for name in wanted} for row in rows]
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise UserError(
            f"{path} is no table with the columns {','.join(wanted)}; let `track` write it."
        ) from error


def _cell(value: Any) -> Any:
    """Return a cell as text or number."""
    return f"{value:.6g}" if isinstance(value, float) else value
