"""Networks as users bring them, for tests of sources and of outputs."""

import torch
from torch import nn


class Plain(nn.Module):
    """A convolution and a linear layer with batch normalization between them."""

    def __init__(self, classes=4, *, channels=1, normalized=True):
        super().__init__()
        self.body = nn.Conv2d(channels, 6, 3, stride=2)
        self.norm = nn.BatchNorm2d(6) if normalized else nn.Identity()
        self.head = nn.Linear(6, classes)

    def forward(self, pictures):
        return self.head(self.norm(self.body(pictures)).relu().mean((2, 3)))


class Ending(nn.Module):
    """Plain with something behind it."""

    def __init__(self, kind, classes=4):
        super().__init__()
        self.plain, self.kind = Plain(classes), kind

    def forward(self, pictures):
        logits = self.plain(pictures)
        endings = {
            "softmax": lambda: logits.softmax(1),
            "log_softmax": lambda: logits.log_softmax(1),
            "shares": lambda: logits.softmax(1) * 0.9,
            "dictionary": lambda: {"out": logits, "aux": logits * 2},
            "tuple": lambda: (logits, logits * 2),
            "nan": lambda: logits / 0 * 0,
            "constant": lambda: torch.zeros_like(logits) + self.plain.head.bias,
            "detached": lambda: logits.detach(),
            "rounded": lambda: logits.mul(100).round(),
            "flat": lambda: logits.flatten(),
            "halved": lambda: logits[::2],
            "text": lambda: "logits",
            "one": lambda: logits[:, :1],
            "raises": lambda: 1 / 0,
        }
        return endings[self.kind]()


def make(classes=4):
    """Return a network, as a user's factory does."""
    return Plain(classes)


def precise():
    """Return a network in double precision."""
    return Plain().double()


def lazy():
    """Return a network that has no weights before it has read something."""
    return nn.Sequential(nn.LazyConv2d(4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def broken():
    """Fail, as users' factories sometimes do."""
    raise RuntimeError("no weights\nhere")


def nothing():
    """Return no network."""
    return 3
