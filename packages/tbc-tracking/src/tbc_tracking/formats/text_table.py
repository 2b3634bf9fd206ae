"""Delimited text with named columns, read so that every complaint names the file and the line."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tenfold_shared.errors import UserError

LIMIT_BYTES = 2**30
"""Largest text file that is read (about 20 million points)."""
LARGEST_INTEGER = 2**53
"""Integers up to here survive tables that hold decimal numbers."""


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """The cells of a table, column by column, as text."""

    path: Path
    """File that was read."""
    columns: dict[str, list[str]]
    """Cells of each column under its lower-case name."""
    lines: list[int]
    """Line of the file that each row stands in, counted from 1."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.lines)

    def require(self, *names: str) -> None:
        """Refuse a table that lacks one of the columns.

        Raises:
            UserError: naming the missing columns and those that there are.
        """
        missing = [name for name in names if name not in self.columns]
        if missing:
            raise UserError(
                f"{self.path} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; its "
                f"first line names {', '.join(filter(None, self.columns)) or 'none'}."
            )

    def first_of(self, *names: str) -> str | None:
        """Return the first of the names that is a column, or None."""
        return next((name for name in names if name in self.columns), None)

    def where(self, mask: NDArray[np.bool_]) -> "TextTable":
        """Return the rows where `mask` (shape (rows,)) is true."""
        kept = np.flatnonzero(mask).tolist()
        return TextTable(
            path=self.path,
            columns={name: [cells[row] for row in kept] for name, cells in self.columns.items()},
            lines=[self.lines[row] for row in kept],
        )

    def numbers(self, name: str, *, empty: float | None = None) -> NDArray[np.float64]:
        """Return a column as finite numbers, shape (rows,).

        Args:
            name: the column.
            empty: value of an empty cell; None refuses empty cells.

        Raises:
            UserError: naming the line of the first cell that is no finite number.
        """
        values = np.empty(len(self))
        for row, cell in enumerate(self.columns[name]):
            if empty is not None and not cell:
                values[row] = empty
                continue
            try:
                values[row] = float(cell)
            except ValueError:
                values[row] = math.nan
            if not math.isfinite(values[row]):
                raise self.complaint(row, f"{name} must be a number, got {cell[:40]!r}")
        return values

    def integers(self, name: str, *, empty: int | None = None) -> NDArray[np.int64]:
        """Return a column as integers (3.0 is one), shape (rows,).

        Raises:
            UserError: naming the line of the first cell that is no integer.
        """
        values = self.numbers(name, empty=empty)
        wrong = np.flatnonzero((values != np.round(values)) | (np.abs(values) > LARGEST_INTEGER))
        if len(wrong):
            cell = self.columns[name][wrong[0]]
            raise self.complaint(int(wrong[0]), f"{name} must be an integer, got {cell[:40]!r}")
        return values.astype(np.int64)

    def complaint(self, row: int, text: str) -> UserError:
        """Return the error that says what is wrong with a row."""
        return UserError(f"Line {self.lines[row]} of {self.path}: {text}; correct that line.")


def read_table(path: Path, *, names: Sequence[str] | None = None) -> TextTable:
    """Read text separated by commas, semicolons, tabs or blanks.

    Empty lines and lines that begin with # are skipped. With semicolons, a comma is a decimal point.

    Args:
        path: the file, UTF-8 or Latin-1.
        names: names of the columns of a file without a header line; it may have more columns, and
            no rows at all.

    Raises:
        UserError: if the file cannot be read, lacks a header, or a row has a wrong number of cells.
    """
    text = _read_text(path)
    delimiter = _delimiter(text)
    text_lines = text.split("\n")
    if delimiter == " ":
        text_lines = [" ".join(line.split()) for line in text_lines]
    reader = csv.reader(text_lines, delimiter=delimiter)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells) and not cells[0].startswith("#"):
                rows.append(cells)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise UserError(f"Line {reader.line_num} of {path} is damaged ({error}).") from error
    if not rows and names is None:
        raise UserError(f"{path} is empty; it should have one line per point.")
    if not rows:
        header = list(names or ())
    elif names is None:
        header, rows, lines = [cell.lower() for cell in rows[0]], rows[1:], lines[1:]
    else:
        header = [*names[: len(rows[0])], *(f"column {k}" for k in range(len(names), len(rows[0])))]
    _check_width(path, header, rows, lines)
    if delimiter == ";":
        rows = [[cell.replace(",", ".") for cell in row] for row in rows]
    columns = {name: [row[k] for row in rows] for k, name in enumerate(header)}
    return TextTable(path=path, columns=columns, lines=lines)


def read_header(path: Path) -> list[str]:
    """Return the cells of the first line that is not empty, in lower case.

    Raises:
        UserError: if the file cannot be read or is empty.
    """
    text = _read_text(path)
    line = next((line for line in text.split("\n") if line.strip() and line[0] != "#"), "")
    delimiter = _delimiter(text)
    cells = line.split() if delimiter == " " else line.split(delimiter)
    if not any(cells):
        raise UserError(f"{path} is empty; it should have one line per point.")
    return [cell.strip().strip('"').lower() for cell in cells]


def _read_text(path: Path) -> str:
    """Return the text of a file with plain line ends."""
    try:
        if path.stat().st_size > LIMIT_BYTES:
            raise UserError(f"{path} is larger than {LIMIT_BYTES // 2**20} MiB; split it.")
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; check the path.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}).") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")  # units such as µm in files of older programs
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _delimiter(text: str) -> str:
    """Return what separates the cells of the first line that is not empty."""
    line = next((line for line in text.split("\n") if line.strip() and line[0] != "#"), "")
    return next((mark for mark in (";", "\t", ",") if mark in line), " ")


def _check_width(path: Path, header: list[str], rows: list[list[str]], lines: list[int]) -> None:
    """Refuse rows with missing or surplus cells, and columns named twice."""
    named = [name for name in header if name]
    if len(set(named)) < len(named):
        twice = next(name for name in named if named.count(name) > 1)
        raise UserError(f"{path} names the column {twice!r} twice; remove one of them.")
    for number, row in zip(lines, rows, strict=True):
        while len(row) > len(header) and not row[-1]:
            row.pop()  # a trailing comma
        if len(row) != len(header):
            raise UserError(
                f"Line {number} of {path} has {len(row)} cells, but the first line has "
                f"{len(header)}; correct that line."
            )
