"""The tiny data on which the contract trains and uses the method."""

from pathlib import Path

import numpy as np

from tenfold_shared import numpy_stream, write_image


def make_tiny_data(folder: Path) -> None:
    """Write one picture into `folder`."""
    image = numpy_stream(0, "tiny data").random((3, 16, 16), dtype=np.float32)
    write_image(folder / "image.png", image)
