"""Settings by name: the paper's schedules (section 1.5 of its code's defaults), and ours for one CPU core."""

from dfad_distillation.config import InputSpace

MNIST = InputSpace(shape=(1, 32, 32), mean=(0.1307,), std=(0.3081,))
FASHION_MNIST = InputSpace(shape=(1, 32, 32), mean=(0.2860,), std=(0.3530,))
DIGITS = InputSpace(shape=(1, 32, 32), mean=(0.305,), std=(0.376,))
CIFAR = InputSpace(shape=(3, 32, 32), mean=(0.4914, 0.4822, 0.4465), std=(0.2023, 0.1994, 0.2010))
HALVES = InputSpace(shape=(3, 128, 128), mean=(0.5,), std=(0.5,))
"""Pictures in [-1, 1], as the paper's 128 px teachers read them."""

ROUNDS_PER_EPOCH = 50
"""The official code counts an epoch of 50 rounds."""
