"""The command `tbc-tracking`: its verbs, each in a module of `verbs` that imports what is heavy when it runs."""

from collections.abc import Sequence

from tbc_tracking.verbs.presets import PRESETS
from tenfold_shared.commands import run_commands

PROGRAM = "tbc-tracking"

VERBS = {
    "train": "tbc_tracking.verbs.train:train",
    "density": "tbc_tracking.verbs.density:density",
    "track": "tbc_tracking.verbs.track:track",
    "evaluate": "tbc_tracking.verbs.evaluate:evaluate",
    "count": "tbc_tracking.verbs.count:count",
    "render": "tbc_tracking.verbs.render:render",
    "plot": "tbc_tracking.verbs.plot:plot",
    "demo": "tbc_tracking.verbs.demonstrate:demo",
    "simulate": "tbc_tracking.verbs.simulate:simulate",
    "export-mps": "tbc_tracking.verbs.program:export_mps",
    "solvers": "tbc_tracking.verbs.program:solvers",
    "info": "tbc_tracking.verbs.inspect:info",
    "data": "tbc_tracking.verbs.inspect:data",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    with PRESETS.chosen_by(argv):
        return run_commands(PROGRAM, VERBS, argv=argv)
