"""The verbs of `lsp-distillation`; what is heavy is imported where it is used."""

from collections.abc import Sequence

from lsp_distillation.config import DemoConfig, InfoConfig
from tenfold_shared.commands import emit, run_commands
from tenfold_shared.errors import UserError

PROGRAM = "lsp-distillation"


def info(config: InfoConfig) -> None:
    """Tell what is in a checkpoint."""
    from tenfold_shared.checkpoints import load_checkpoint

    checkpoint = load_checkpoint(config.checkpoint, package=PROGRAM)
    rows = [{"name": name, "value": value} for name, value in checkpoint.metadata.items()]
    rows += [
        {"name": f"model {name}", "value": sum(tensor.numel() for tensor in tensors.values())}
        for name, tensors in checkpoint.models.items()
    ]
    emit(rows, json=config.json)


def demo(config: DemoConfig) -> None:
    """Show the method beside its baseline on embedded data."""
    raise UserError(f"{PROGRAM} has no demonstration yet (seed {config.seed}).")


VERBS = {"demo": demo, "info": info}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    return run_commands(PROGRAM, VERBS, argv=argv)
