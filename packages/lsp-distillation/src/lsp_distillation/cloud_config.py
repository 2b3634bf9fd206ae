"""How far point clouds are changed in training; no torch here."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class CloudAugmentation:
    """How far clouds are changed in training; 0 everywhere leaves them alone."""

    scale: float = 0.0
    """Each cloud is scaled by a factor between 1 - scale and 1 + scale."""
    shift: float = 0.0
    """Each cloud is moved by at most this along each axis; its radius is 1."""
    rotation: float = 0.0
    """Degrees; each cloud is turned by at most this, in the plane of its first two axes."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, most in (("scale", 1.0), ("shift", float("inf")), ("rotation", 180.1)):
            value = getattr(self, name)
            if not 0 <= value < most:
                raise ValueError(f"{name} must be at least 0 and below {most:g}, got {value}")
