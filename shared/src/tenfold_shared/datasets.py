"""Where real data lie, and one clear sentence when they do not."""

import hashlib
import os
from pathlib import Path

from platformdirs import user_cache_path

from tenfold_shared.errors import UserError

VARIABLE = "TENFOLD_DATA"


def locate(relative: str | Path, *, hint: str, data: Path | None = None) -> Path:
    """Return the path of a data file or folder that exists.

    Looked for below `data` (alone, if given), else below the folder that the environment variable
    TENFOLD_DATA names, else below the user's cache.

    Args:
        relative: Path inside a data folder, e.g. "pets2009/S2L1".
        hint: Where to get it: a sentence for the user.
        data: The folder that the user passed with --data.

    Raises:
        UserError: It is in none of these places.
    """
    variable = os.environ.get(VARIABLE)
    places = [data] if data else [*([Path(variable)] if variable else []), _cache()]
    for place in places:
        if (place / relative).exists():
            return place / relative
    looked = " and ".join(map(str, places))
    raise UserError(
        f"{relative} was not found in {looked}; {hint.strip().rstrip('.')}, then pass the folder "
        f"with --data or set {VARIABLE}."
    )


def verify_sha256(path: Path, digest: str) -> None:
    """Check that a file is the one that was meant.

    Raises:
        UserError: It is missing or has other content.
    """
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    if found != digest.lower():
        raise UserError(
            f"{path} has another content than expected (SHA-256 {found[:12]}, not "
            f"{digest[:12].lower()}); fetch it again."
        )


def _cache() -> Path:
    """Return the folder for data in the user's cache."""
    return user_cache_path("tenfold", appauthor=False)
