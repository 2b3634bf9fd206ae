"""The command `din-style`: its verbs, each in a module of `verbs` that imports what is heavy when it runs."""

from collections.abc import Sequence

from tenfold_shared.commands import run_commands

PROGRAM = "din-style"

VERBS = {
    "stylize": "din_style.verbs.stylize:stylize",
    "encode": "din_style.verbs.encode:encode",
    "bake": "din_style.verbs.encode:bake",
    "video": "din_style.verbs.video:video",
    "grid": "din_style.verbs.grid:grid",
    "train": "din_style.verbs.train:train",
    "evaluate": "din_style.verbs.evaluate:evaluate",
    "plot": "din_style.verbs.plot:plot",
    "demo": "din_style.verbs.demonstrate:demo",
    "info": "din_style.verbs.inspect:info",
    "data": "din_style.verbs.inspect:data",
    "import-weights": "din_style.verbs.import_weights:import_weights",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    return run_commands(PROGRAM, VERBS, argv=argv)
