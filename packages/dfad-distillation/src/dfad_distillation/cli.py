"""The command `dfad-distillation`: its verbs, each in a module of `verbs` that imports what is heavy when it runs."""

from collections.abc import Sequence

from dfad_distillation.verbs import distill, train
from tenfold_shared.commands import run_commands

PROGRAM = "dfad-distillation"

VERBS = {
    "train": "dfad_distillation.verbs.train:train",
    "distill": "dfad_distillation.verbs.distill:distill",
    "evaluate": "dfad_distillation.verbs.evaluate:evaluate",
    "sample": "dfad_distillation.verbs.picture:sample",
    "plot": "dfad_distillation.verbs.picture:plot",
    "export": "dfad_distillation.verbs.export:export",
    "demo": "dfad_distillation.verbs.demonstrate:demo",
    "info": "dfad_distillation.verbs.inspect:info",
    "data": "dfad_distillation.verbs.inspect:data",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    with train.PRESETS.chosen_by(argv), distill.PRESETS.chosen_by(argv):
        return run_commands(PROGRAM, VERBS, argv=argv)
