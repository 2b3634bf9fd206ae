"""Cora, CiteSeer and PubMed, which come as pickles: read only if they are the public ones.

The pickles are unpacked by PyG's own reader from a private copy whose content was compared with the checksums
of the public files (github.com/kimiyoung/planetoid) first, so that nothing else is ever unpickled.
"""

import shutil
import tempfile
import warnings
from pathlib import Path

from lsp_distillation.node_data import GraphTask
from lsp_distillation.pyg_data import from_pyg_data, import_pyg
from tenfold_shared.datasets import verify_sha256
from tenfold_shared.errors import UserError

_FILES = ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index")
_SHA256 = {
    "citeseer": {
        "allx": "2ac30345d95c9ec933a817ee0bdd6a5f077f8c184a20e696910192d534414668",
        "ally": "f704b2d986dde6c2669934de1f3ae5696a6cf9455c0f6b2646a2d135ea0a1c95",
        "graph": "d79a4ef9d3e7169aee8946145f6b7306e35bc79bffad26346cfb94e10e9912a7",
        "test.index": "2af990671580b6b2df5d158d1038f8292e30c9cd821b5453f399659b25b723d4",
        "tx": "539a8906a2da97628d212f2fdd668c109a8b3f0d36574b59e5d3fd5b5303da21",
        "ty": "55e5bd1ba1e733a04598753ad1a8d57957f4b8f89e74519f41f4f4938767e4ce",
        "x": "d20de19150741e555de0ed037195630fc194114ebc7fd72ced62810148aa22f6",
        "y": "8ba87e515d8e3ee3cf52f6d2c5b86aa73f11ecad825a808455209ec26cd54924",
    },
    "cora": {
        "allx": "9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543",
        "ally": "2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71",
        "graph": "58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d",
        "test.index": "297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875",
        "tx": "b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a",
        "ty": "41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad",
        "x": "23cfa55d91c6f624233f5eb7b6e3f141f1bd2b2ae39608a63cf5d084bb27baab",
        "y": "94465c14eb53e04ca262198dcbb2521ee8af60fb3f3d546cd6ca24a511b0e7d1",
    },
}


def read_planetoid(raw: Path, name: str, *, trust: bool = False) -> GraphTask:
    """Return a citation graph with its public split.

    Args:
        raw: The folder of the eight files `ind.<name>.*`; nothing is written to it.
        name: `cora`, `citeseer` or `pubmed`.
        trust: Unpickle files whose checksum is not known. They can run any code: only for files that you
            fetched from the origin yourself.

    Raises:
        UserError: A file is missing, differs from the public one, or cannot be checked.
    """
    known = _SHA256.get(name, {})
    if not known and not trust:
        raise UserError(
            f"The files of {name} in {raw} are pickles, which can run any code, and their checksums are not "
            "known here; pass trust if you fetched them from github.com/kimiyoung/planetoid yourself."
        )
    with tempfile.TemporaryDirectory() as folder:
        for ending in _FILES:
            file = f"ind.{name}.{ending}"
            try:
                shutil.copyfile(raw / file, Path(folder, file))
            except OSError as error:
                raise UserError(f"{raw / file} cannot be read: {error.strerror}.") from error
            if not trust:
                _verify(Path(folder, file), raw / file, known[ending])
        reader = import_pyg("torch_geometric.io").read_planetoid_data
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # old names of scipy and numpy in the pickles
                data = reader(folder, name)
        except Exception as error:  # trusted files may still be damaged
            raise UserError(
                f"{raw} is damaged ({type(error).__name__}); fetch it again."
            ) from error
    return from_pyg_data(data, name=name)


def _verify(copy: Path, origin: Path, digest: str) -> None:
    """Check the copy, and name the file that the user knows."""
    try:
        verify_sha256(copy, digest)
    except UserError as error:
        raise UserError(str(error).replace(str(copy), str(origin))) from error
