import subprocess
import sys

import numpy as np
import pytest
import torch

from tenfold_shared import epoch_order, numpy_stream, torch_stream
from tenfold_shared.seeds import seed_global_state


def test_streams_depend_on_seed_and_names_only():
    first = numpy_stream(3, "augment", 5).random(4)
    numpy_stream(3, "other").random(100)
    np.testing.assert_array_equal(numpy_stream(3, "augment", 5).random(4), first)
    others = [
        numpy_stream(4, "augment", 5),
        numpy_stream(3, "augment", 6),
        numpy_stream(3, "augment", "5"),
        numpy_stream(3, "augment5"),
        numpy_stream(3, 5, "augment"),
        numpy_stream(3),
    ]
    for other in others:
        assert not np.array_equal(other.random(4), first)


def test_streams_are_the_same_in_every_process_and_version():
    code = (
        "from tenfold_shared.seeds import *\n"
        "print(*epoch_order(6, 1, 2), numpy_stream(1, 'a').bit_generator.random_raw())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": h}, capture_output=True, check=True
        ).stdout
        for h in ("1", "2")
    }
    assert outputs == {GOLDEN}


GOLDEN = b"0 2 4 3 1 5 7384136336008488587\n"


def test_torch_streams_are_reproducible_and_different():
    draws = [torch.rand(3, generator=torch_stream(0, "noise", i)) for i in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_streams_are_independent():
    draws = np.stack([numpy_stream(0, "s", i).standard_normal(2000) for i in range(20)])
    correlation = np.corrcoef(draws) - np.eye(20)
    assert abs(correlation).max() < 0.12  # five standard deviations of 1 / sqrt(2000)


def test_an_epoch_visits_every_item_once_in_its_own_order():
    orders = [epoch_order(1000, 7, epoch) for epoch in range(3)]
    for order in orders:
        assert order.dtype == np.int64
        np.testing.assert_array_equal(np.sort(order), np.arange(1000))
    assert not np.array_equal(orders[0], orders[1])
    np.testing.assert_array_equal(orders[1], epoch_order(1000, 7, 1))
    assert epoch_order(0, 0, 0).shape == (0,)
    with pytest.raises(ValueError, match="must not be negative"):
        epoch_order(-1, 0, 0)


def test_every_position_is_equally_likely():
    counts = np.zeros((4, 4))
    for epoch in range(4000):
        counts[np.arange(4), epoch_order(4, 0, epoch)] += 1
    assert abs(counts - 1000).max() < 5 * np.sqrt(1000 * 0.75)


def test_weights_are_a_function_of_the_seed():
    layers = []
    for seed in (0, 0, 1):
        seed_global_state(seed, "weights")
        layers.append(torch.nn.Linear(3, 3).weight)
    assert torch.equal(layers[0], layers[1])
    assert not torch.equal(layers[0], layers[2])


@pytest.mark.parametrize("name", [1.5, None, True, ("a",)])
def test_names_that_are_neither_text_nor_integers_are_refused(name):
    with pytest.raises(ValueError, match="text or integers"):
        numpy_stream(0, name)
    with pytest.raises(ValueError, match="text or integers"):
        numpy_stream(name)
