"""One thread, since the bits should not depend on the machine; the tiny data; what cannot run here is skipped."""

import os
from pathlib import Path

import pytest

from tenfold_shared.testing import pytest_collection_modifyitems as pytest_collection_modifyitems

os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tiny data, which the contract uses too; read it only."""
    from tiny_data import make_tiny_data

    folder = tmp_path_factory.mktemp("tiny")
    make_tiny_data(folder)
    return folder
