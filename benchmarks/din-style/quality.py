"""Quality of the weights that ship on the named list, beside MicroAST and color transfer, and flicker.

    TENFOLD_DATA=... OMP_NUM_THREADS=1 python benchmarks/din-style/quality.py

10 BSDS500 test pictures x 21 WikiArt test styles, 256 px, retrieval among 84 styles (`din_style.named_list`). These
pictures were never used for a choice. `reference` is MicroAST's figure. Gatys is judged on every 42nd pair.
"""

import argparse
from collections.abc import Sequence

import torch

from din_style.baselines import gatys_method, microast_method, transfer_method, trivial_methods
from din_style.evaluation import Gallery, Method, MethodScores, evaluate_methods
from din_style.inference import StyleTransfer
from din_style.microast import load_microast
from din_style.mobilenet import load_mobilenet
from din_style.named_list import NamedList, load_named_list
from din_style.picture_measures import measure_flicker
from din_style.stabilization import VideoStylizer
from din_style.vgg import load_vgg
from tenfold_shared.result_rows import print_row
from tenfold_shared.seeds import torch_stream

FRAMES = 12
NOISE = 2 / 255
"""Standard deviation of the camera's noise in the static scene."""
FLICKER_STYLES = (0, 5, 10, 15, 20)


def print_table(table: Sequence[MethodScores], *, suffix: str = "") -> None:
    """Print every figure beside MicroAST's, and style losses beside the identity's."""
    rows = {scores.method: scores.row() for scores in table}
    microast, identity = rows["MicroAST"], rows["identity"]
    for method, row in rows.items():
        for name, value in row.items():
            if name not in ("method", "cpu_seconds"):
                print_row(f"{method}{suffix}: {name}", value, reference=microast[name],
                          cpu_seconds=row["cpu_seconds"])  # fmt: skip
        print_row(f"{method}{suffix}: style loss / identity's",
                  row["style"] / identity["style"], unit="x")  # fmt: skip


def print_worst(scores: MethodScores, named: NamedList) -> None:
    """Print the three pairs with the largest style loss."""
    order = sorted(range(len(scores.pairs)), key=lambda k: -scores.scores[k].style)
    for rank, k in enumerate(order[:3], start=1):
        i, j = scores.pairs[k]
        pair = f"{named.content_names[i]} in {named.style_names[j]}"
        print_row(
            f"{scores.method}: style loss of worst pair {rank}, {pair}", scores.scores[k].style
        )


def static_scene(content: torch.Tensor) -> list[torch.Tensor]:
    """Return frames of one picture with the noise of a camera."""
    stream = torch_stream(0, "static scene")
    return [
        (content + NOISE * torch.randn(content.shape, generator=stream)).clamp(0, 1)
        for _ in range(FRAMES)
    ]


def print_flicker(transfers: dict[str, StyleTransfer], methods: dict[str, Method],
                  named: NamedList) -> None:  # fmt: skip
    """Print the flicker on a static scene, without and with slow statistics."""
    frames = static_scene(named.contents[:1])
    values: dict[str, list[float]] = {}
    noise = 0.0
    for j in FLICKER_STYLES:
        for name, method in methods.items():
            meter = measure_flicker((frame, method(frame, j).clamp(0, 1)) for frame in frames)
            values.setdefault(name, []).append(meter.value)
            noise = meter.reference
        for name, transfer in transfers.items():
            stylizer = VideoStylizer(transfer, [transfer.encode(named.style_images[j])])
            for frame in frames:
                stylizer(frame[0])
            values.setdefault(f"{name} with slow statistics", []).append(stylizer.flicker.value)
    print_row("flicker of a static scene, gray levels: input (noise)", noise)
    for name, found in values.items():
        print_row(f"flicker of a static scene, gray levels: {name}", sum(found) / len(found),
                  reference=sum(values["MicroAST"]) / len(found))  # fmt: skip


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", nargs="+", default=["fast", "mobile"])
    parser.add_argument("--encoder", default="compact")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--gatys-steps", type=int, default=40)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    named, vgg = load_named_list(), load_vgg()
    styles = named.style_images
    gallery = Gallery(vgg, load_mobilenet(), named.gallery)
    transfers = {
        f"din {weights}": StyleTransfer.load(weights, encoder=arguments.encoder, device="cpu")
        for weights in arguments.weights
    }
    methods = {name: transfer_method(transfer, styles) for name, transfer in transfers.items()}
    methods["MicroAST"] = microast_method(load_microast(), styles)
    pairs = [(i, j) for i in range(len(named.contents)) for j in range(len(styles))]
    every = {**methods, **trivial_methods(styles)}
    table = evaluate_methods(
        every, named.contents, named.styles, gallery, pairs=pairs[:: arguments.every]
    )
    print_table(table)
    for scores in table[: len(transfers)]:
        print_worst(scores, named)
    if arguments.gatys_steps:
        optimized = gatys_method(vgg, styles, steps=arguments.gatys_steps)
        few = {
            f"Gatys, {arguments.gatys_steps} steps": optimized,
            "MicroAST": methods["MicroAST"],
            "identity": every["identity"],
        }
        found = evaluate_methods(few, named.contents, named.styles, gallery, pairs=pairs[::42])
        print_table(found, suffix=" (every 42nd pair)")
    print_flicker(transfers, methods, named)


if __name__ == "__main__":
    main()
