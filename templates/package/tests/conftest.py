"""One thread: the machine has few cores, and the bits are the same whatever their number."""

import os

os.environ["OMP_NUM_THREADS"] = "1"
