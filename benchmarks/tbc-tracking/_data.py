"""Where the real sequences of the benchmarks are."""

import os
from pathlib import Path


def data_folder(name: str) -> Path:
    """Return a folder of tracking data below TENFOLD_DATA."""
    root = os.environ.get("TENFOLD_DATA")
    if not root:
        raise SystemExit("set TENFOLD_DATA to the data folder: these benchmarks need real data")
    return Path(root) / "tracking" / name
