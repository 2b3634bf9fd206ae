"""Five CPU minutes of training, three seeds, on the named list: losses beside identity's and MicroAST's.

    TENFOLD_DATA=... OMP_NUM_THREADS=1 python benchmarks/din-style/five_minutes.py

It trains with packages/din-style/configs/five-minutes.toml, which was chosen on the validation split of the training
pictures; a training that is finished in --runs is not repeated, one that was interrupted begins again, because its
CPU seconds are asked for. They are those of all of `train`: reading pictures, the cache of styles, both phases,
validation. The judged pictures are read once, at the end.
"""

import argparse
import shutil
import time
import tomllib
from pathlib import Path

import torch

from din_style.baselines import microast_method, transfer_method, trivial_methods
from din_style.config import LossConfig, TrainingConfig, preset_network
from din_style.evaluation import Gallery, MethodScores, evaluate_methods
from din_style.inference import StyleTransfer
from din_style.microast import load_microast
from din_style.named_list import load_named_list
from din_style.network_files import NETWORK_FILE
from din_style.training import train
from din_style.vgg import load_vgg
from tenfold_shared.datasets import locate
from tenfold_shared.result_rows import print_row

ROOT = Path(__file__).resolve().parents[2]
SEEDS = (0, 1, 2)
HINT = "get the style data"


def recipe() -> TrainingConfig:
    """Return the settings of configs/five-minutes.toml."""
    text = (ROOT / "packages/din-style/configs/five-minutes.toml").read_text("utf-8")
    settings = tomllib.loads(text)["settings"]
    network = preset_network(settings.pop("network")["preset"])
    loss = LossConfig(**settings.pop("loss"))
    return TrainingConfig(network=network, loss=loss, **settings)


def trained(config: TrainingConfig, folder: Path, *, seed: int) -> float:
    """Train unless it is done already; return the CPU seconds, kept in the run folder."""
    note = folder / "cpu-seconds.txt"
    if not (folder / NETWORK_FILE).exists() or not note.exists():
        if folder.exists():
            shutil.rmtree(folder)
        before = time.process_time()
        train(
            config,
            folder,
            contents=locate("style/bsds_content_train.zip", hint=HINT),
            styles=locate("style/wikiart630_train.zip", hint=HINT),
            seed=seed,
            device="cpu",
        )
        note.write_text(f"{time.process_time() - before:.1f}\n", "utf-8")
    return float(note.read_text("utf-8"))


def print_seeds(
    table: dict[str, MethodScores], seconds: list[float], *, every: tuple[str, ...]
) -> None:
    """Print the means over seeds with their spread."""
    identity, microast = table["identity"], table["MicroAST"]
    spent = sum(seconds) / len(seconds)

    def row(name: str, values: list[float], reference: float) -> None:
        print_row(
            f"five CPU minutes: {name}",
            values,
            reference=reference,
            seeds=SEEDS,
            cpu_seconds=spent,
        )

    for field in ("style", "content", "similarity", "checkerboard"):
        row(field, [table[m].mean(field) for m in every], microast.mean(field))
    style = identity.mean("style")
    row("style loss / identity's", [table[m].mean("style") / style for m in every], 0.23)
    content = microast.mean("content")
    row("content loss / MicroAST's", [table[m].mean("content") / content for m in every], 0.9)
    for judge, found in microast.retrieval.items():
        row(f"retrieval by {judge}", [table[m].retrieval[judge].top1 for m in every], found.top1)


def main() -> None:
    """Train three networks and judge them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs/din-style/five-minutes")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    config = recipe()
    seconds = [trained(config, arguments.runs / f"seed-{s}", seed=s) for s in SEEDS]
    named, vgg = load_named_list(), load_vgg()
    styles = named.style_images
    names = tuple(f"seed {seed}" for seed in SEEDS)
    methods = {
        name: transfer_method(
            StyleTransfer.load(arguments.runs / f"seed-{seed}", encoder="vgg", device="cpu"), styles
        )
        for name, seed in zip(names, SEEDS, strict=True)
    }
    methods |= {
        "MicroAST": microast_method(load_microast(), styles),
        "identity": trivial_methods(styles)["identity"],
    }
    gallery = Gallery(vgg, None, named.gallery)
    table = evaluate_methods(methods, named.contents, named.styles, gallery)
    print_seeds({scores.method: scores for scores in table}, seconds, every=names)


if __name__ == "__main__":
    main()
