"""Arithmetic and time of the content path: what ships, beside AdaIN's network and MicroAST, in one process.

    OMP_NUM_THREADS=1 python benchmarks/din-style/speed.py

One thread, style encoded before, process CPU seconds. All methods take turns, so that what else the machine does
falls on all alike; a ratio is the median over turns of two neighbors. AdaIN has random weights: cost does not depend
on them. MicroAST has its own, where the data folder is there, else random ones.
"""

import argparse
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from din_style.adain import AdaINNetwork
from din_style.config import preset_network
from din_style.dynamic_normalization import normalize_fused
from din_style.inference import StyleTransfer
from din_style.microast import MicroAST, load_microast
from din_style.networks import build_network
from din_style.style_code import StyleCode
from tenfold_shared.errors import UserError
from tenfold_shared.result_rows import print_row

Pass = Callable[[torch.Tensor], torch.Tensor]


def seconds(run: Callable[[], object]) -> float:
    """Return process CPU seconds of a call."""
    start = time.process_time()
    run()
    return time.process_time() - start


def our_pass(weights: str) -> tuple[Pass, int]:
    """Return the content path of a network that ships, and its parameters."""
    transfer = StyleTransfer.load(weights, device="cpu")
    return network_pass(transfer.network, transfer.encode(torch.rand(3, 256, 256)))


def network_pass(network: torch.nn.Module, code: StyleCode) -> tuple[Pass, int]:
    """Return the content path of a network, and its parameters."""
    count = sum(p.numel() for n, p in network.named_parameters() if not n.startswith("codes."))
    return (lambda content: network(content, code)), count


def literal_pass() -> tuple[Pass, int]:
    """Return the content path of the paper's table as we read it; random weights."""
    network = build_network(preset_network("literal")).eval()
    numbers = network.config.style_numbers
    return network_pass(network, network.predict_code(torch.randn(1, numbers)))


def peers() -> dict[str, tuple[Pass, int]]:
    """Return AdaIN's network and MicroAST, their styles encoded."""
    adain = AdaINNetwork().eval()
    statistics = (torch.zeros(1, 512, 1, 1), torch.ones(1, 512, 1, 1))
    try:
        microast = load_microast()
    except UserError:
        microast = MicroAST().eval()
    style = microast.encode(torch.rand(1, 3, 256, 256))
    return {
        "AdaIN": (lambda c: adain(c, statistics), sum(p.numel() for p in adain.parameters())),
        "MicroAST": (lambda c: microast(c, style), sum(p.numel() for p in microast.parameters())),
    }


def compare(methods: Mapping[str, Pass], side: int, turns: int) -> dict[str, list[float]]:
    """Return CPU seconds of every method in every turn."""
    content = torch.rand(1, 3, side, side)
    for run in methods.values():
        run(content)
    times: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(turns):
        for name, run in methods.items():
            times[name].append(seconds(lambda r=run: r(content)))
    return times


def print_speeds(methods: Mapping[str, tuple[Pass, int]], side: int, turns: int) -> None:
    """Print arithmetic and time at one size."""
    content = torch.rand(1, 3, side, side)
    products = {}
    for name, (run, _) in methods.items():
        with FlopCounterMode(display=False) as counter:
            run(content)
        products[name] = counter.get_total_flops() / 2
    times = compare({name: run for name, (run, _) in methods.items()}, side, turns)
    for name, (_, count) in methods.items():
        label = f"{side} px, {name}"
        print_row(f"{label}: multiply-adds", products[name] / 1e9, unit="G",
                  reference=products["AdaIN"] / 1e9)  # fmt: skip
        print_row(f"{label}: AdaIN's multiply-adds / its own",
                  products["AdaIN"] / products[name], unit="x")  # fmt: skip
        own = float(np.median(times[name]))
        print_row(f"{label}: CPU milliseconds, median", 1000 * own, unit="ms", cpu_seconds=own)
        for peer in ("AdaIN", "MicroAST"):
            ratios = np.array(times[peer]) / np.array(times[name])
            print_row(f"{label}: times faster than {peer}, median of turns",
                      float(np.median(ratios)), unit="x")  # fmt: skip
        if side == 256:
            print_row(f"{name}: parameters of the content path", count)


def print_layer(turns: int) -> None:
    """Print the fused normalization beside the chain of four operators."""
    for shape in ((1, 32, 256, 256), (1, 64, 128, 128), (1, 128, 64, 64), (4, 64, 64, 64)):
        x = torch.rand(shape)
        weight, bias = torch.rand(shape[:2]), torch.rand(shape[:2])

        def naive(x=x, weight=weight, bias=bias) -> torch.Tensor:
            y = functional.instance_norm(x)
            return torch.relu(y * weight[:, :, None, None] + bias[:, :, None, None])

        def fused(x=x, weight=weight, bias=bias) -> torch.Tensor:
            return torch.relu(normalize_fused(x, weight=weight, bias=bias))

        naive(), fused()
        ratios = [seconds(naive) / max(seconds(fused), 1e-9) for _ in range(5 * turns)]
        name = "x".join(map(str, shape))
        print_row(
            f"DIN layer {name}: naive chain / fused, median", float(np.median(ratios)), unit="x"
        )


def print_encoding(turns: int) -> None:
    """Print the CPU time of a code of a 256 px style."""
    style = torch.rand(3, 256, 256)
    for encoder in ("compact", "vgg"):
        try:
            transfer = StyleTransfer.load("fast", encoder=encoder, device="cpu")
        except UserError:
            continue  # no data folder, no VGG
        transfer.encode(style)
        times = [seconds(lambda t=transfer: t.encode(style)) for _ in range(turns)]
        print_row(f"code of a 256 px style by the encoder {encoder}: CPU seconds, median",
                  float(np.median(times)), unit="s")  # fmt: skip


@torch.no_grad()
def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    methods = {**peers(), "fast": our_pass("fast"), "mobile": our_pass("mobile"),
               "literal": literal_pass()}  # fmt: skip
    for side in arguments.sizes:
        turns = max(3, round(arguments.turns * (256 / side) ** 2))
        print_speeds(methods, side, turns)
    print_layer(arguments.turns)
    print_encoding(arguments.turns)


if __name__ == "__main__":
    main()
