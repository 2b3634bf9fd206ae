"""Judges recognize what they are to recognize, and nothing else."""

import torch
from torch import Tensor

from din_style.judges import color_vectors, ranks_to_retrieval, retrieve, texture_vectors
from din_style.mobilenet import JUDGED_BLOCKS, STRIDES, MobileNetV2
from tenfold_shared.seeds import torch_stream


def stripes(period: float, *, phase: float = 0.0, size: int = 64) -> Tensor:
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    wave = 0.5 + 0.4 * torch.sin(2 * torch.pi * (x + 0.3 * y) / period + phase)
    return wave.expand(1, 3, size, size).clone()


def test_texture_recognizes_strokes_and_ignores_colors_and_places():
    candidates = torch.cat([stripes(3), stripes(5), stripes(9)])
    tint = torch.tensor([0.5, 0.8, 0.3])[:, None, None]
    queries = torch.cat([stripes(period, phase=1.0) * tint + 0.1 for period in (3, 5, 9)])
    truth = torch.arange(3)
    assert retrieve(texture_vectors(queries), texture_vectors(candidates), truth).top1 == 1
    assert retrieve(color_vectors(queries), color_vectors(candidates), truth).top1 < 1


def test_color_recognizes_colors_and_ignores_fine_strokes():
    colors = torch.rand(5, 3, 1, 1, generator=torch_stream(0))
    candidates = torch.cat([colors[i] * 0.9 + 0.1 * (stripes(3) - 0.5) for i in range(5)])
    queries = torch.cat([colors[i] * 0.9 + 0.1 * (stripes(4) - 0.5) for i in range(5)])
    truth = torch.arange(5)
    assert retrieve(color_vectors(queries), color_vectors(candidates), truth).top1 == 1
    assert retrieve(texture_vectors(queries), texture_vectors(candidates), truth).top1 < 1


def test_descriptors_of_flat_pictures_are_finite():
    flat = torch.full((1, 3, 64, 64), 0.5)
    assert texture_vectors(flat).isfinite().all()
    assert color_vectors(flat).isfinite().all()


def test_ranks():
    distances = torch.tensor([[1.0, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6], [2, 2, 3, 4, 5, 6]])
    found = ranks_to_retrieval(distances, torch.tensor([0, 5, 0]))
    assert found.top1 == 1 / 3
    assert found.top5 == 2 / 3
    assert found.mean_reciprocal_rank == (1 + 1 / 6 + 1 / 2) / 3  # a tie is no recognition


def test_mobilenet_follows_its_strides_and_shortcuts():
    stream = torch_stream(0, "mobilenet")
    channels = [16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320]
    tensors = {
        "stem.weight": torch.randn(32, 3, 3, 3, generator=stream),
        "stem.bias": torch.zeros(32),
    }
    before = 32
    for number, after in enumerate(channels, start=1):
        wide = before if number == 1 else 6 * before
        for part, shape in {
            "expand": (wide, before, 1, 1),
            "depthwise": (wide, 1, 3, 3),
            "project": (after, wide, 1, 1),
        }.items():
            tensors[f"block{number}.{part}.weight"] = 0.2 * torch.randn(shape, generator=stream)
            tensors[f"block{number}.{part}.bias"] = torch.zeros(shape[0])
        before = after
    outputs = MobileNetV2(tensors)(torch.rand(1, 3, 64, 64, generator=stream))
    assert [output.shape[1] for output in outputs] == channels[: max(JUDGED_BLOCKS)]
    size = 32
    for output, stride in zip(outputs, STRIDES, strict=False):
        size //= stride
        assert output.shape[2:] == (size, size)
    tensors["block3.project.weight"].zero_()  # only the shortcut is left
    again = MobileNetV2(tensors)(torch.rand(1, 3, 64, 64, generator=torch_stream(1)))
    torch.testing.assert_close(again[2], again[1])
