"""The command `lsp-distillation`: its verbs, each in a module of `verbs` that imports what is heavy when it runs."""

from collections.abc import Sequence

from lsp_distillation.verbs import distill, train
from tenfold_shared.commands import run_commands

PROGRAM = "lsp-distillation"

VERBS = {
    "train": "lsp_distillation.verbs.train:train",
    "distill": "lsp_distillation.verbs.distill:distill",
    "evaluate": "lsp_distillation.verbs.evaluate:evaluate",
    "compare": "lsp_distillation.verbs.evaluate:compare",
    "tune": "lsp_distillation.verbs.tune:tune",
    "clouds": "lsp_distillation.verbs.clouds:clouds",
    "export": "lsp_distillation.verbs.export:export",
    "plot": "lsp_distillation.verbs.picture:plot",
    "demo": "lsp_distillation.verbs.demonstrate:demo",
    "info": "lsp_distillation.verbs.inspect:info",
    "data": "lsp_distillation.verbs.inspect:data",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    with train.PRESETS.chosen_by(argv), distill.PRESETS.chosen_by(argv):
        return run_commands(PROGRAM, VERBS, argv=argv)
