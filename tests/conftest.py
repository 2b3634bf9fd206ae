"""The two-second training of each package, made once for all tests that look at it."""

import os
import sys
from importlib import import_module, util
from pathlib import Path

import pytest
from workspace import PACKAGES, Member, fill

os.environ["OMP_NUM_THREADS"] = "1"  # two cores, and equal bits whatever the machine
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


@pytest.fixture(scope="session", params=PACKAGES, ids=lambda package: package.name)
def package(request: pytest.FixtureRequest) -> Member:
    """Each package in turn."""
    return request.param


@pytest.fixture(scope="session")
def tiny_data(package: Member, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny data that the package's contract.toml names the maker of."""
    folder = tmp_path_factory.mktemp("data")
    module_name, function = package.contract["data"]["make"].split(":")
    place = package.folder / "tests" / f"{module_name}.py"
    spec = util.spec_from_file_location(f"{package.module}_{module_name}", place)
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    getattr(module, function)(folder)
    return folder


@pytest.fixture(scope="session")
def trained(package: Member, tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of the package's two-second training."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    run_command = import_module("tenfold_shared.testing").run_command
    command = fill(package.contract["train"]["command"], data=tiny_data)
    result = run_command(package.main, [*command, "--out", str(folder), "--device", "cpu"])
    assert result.code == 0, result.stderr
    return folder / package.contract["train"]["checkpoint"]
