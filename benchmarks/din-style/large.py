"""Large pictures: memory and time of 12 megapixels, and by how much strips differ from the whole.

    OMP_NUM_THREADS=1 python benchmarks/din-style/large.py

Each measurement runs in a process of its own, by the door that users take; the picture is drawn by program.
"""

import json
import resource
import subprocess
import sys
import time

import torch

from din_style import picture_pass
from din_style.inference import StyleTransfer
from din_style.showcases import drawn_globe
from tenfold_shared.result_rows import print_row

MEGAPIXELS_12 = (3000, 4000)
COMPARED = (1200, 1600)
LIMIT_GIB = 6.0


def picture(height: int, width: int) -> torch.Tensor:
    """Return a picture with coarse and fine structure, (3, height, width)."""
    coarse = torch.nn.functional.interpolate(drawn_globe()[None], (height, width), mode="bicubic")
    fine = torch.rand(3, height, width, generator=torch.Generator().manual_seed(0))
    return (coarse[0] + 0.2 * (fine - 0.5)).clamp(0, 1)


def measure(weights: str) -> None:
    """Print what 12 megapixels take, as JSON (for a process of its own)."""
    torch.set_num_threads(1)
    transfer = StyleTransfer.load(weights, device="cpu")
    code = transfer.encode(drawn_globe())
    content = picture(*MEGAPIXELS_12)
    start = time.process_time()
    transfer.stylize(content, code)
    spent = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"cpu": spent, "gib": peak}))


def difference(weights: str) -> float:
    """Return the largest difference of a pixel between strips and the whole."""
    transfer = StyleTransfer.load(weights, device="cpu")
    code, content = transfer.encode(drawn_globe()), picture(*COMPARED)
    found = []
    for limit in (1, sys.maxsize):
        picture_pass.STRIPS_FROM = limit
        found.append(transfer.stylize(content, code))
    return float((found[0] - found[1]).abs().max())


def main() -> None:
    """Print everything."""
    for weights in ("fast", "mobile"):
        command = [sys.executable, __file__, weights]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        row = json.loads(done.stdout)
        name = f"12 megapixels, {weights}"
        print_row(
            f"{name}: peak memory of the process", row["gib"], unit="GiB", reference=LIMIT_GIB
        )
        print_row(f"{name}: CPU seconds", row["cpu"], unit="s", cpu_seconds=row["cpu"])
        print_row(
            f"2 megapixels, {weights}: largest difference of strips and whole",
            difference(weights),
            reference=1e-4,
        )


if __name__ == "__main__":
    if len(sys.argv) == 2:
        measure(sys.argv[1])
    else:
        main()
