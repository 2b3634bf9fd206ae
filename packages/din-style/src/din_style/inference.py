"""Stylizing pictures with every control: strength, mixing, masks, kept colors, strokes, spheres, any size.

from din_style import StyleTransfer

transfer = StyleTransfer.load()
image = transfer.stylize("photo.jpg", "painting.jpg", strength=0.8)
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from din_style.color import keep_color, match_covariance, match_histogram
from din_style.controls import STYLE_SIZE, ColorKeeping, Controls
from din_style.memory import LIMIT_GIB, check_memory, check_style_memory
from din_style.networks import SHRINKING, TransferNetwork
from din_style.picture_pass import PicturePass, mask_shares
from din_style.pictures import SMALLEST_SIDE, read_picture
from din_style.shipped import load_shipped
from din_style.strips import Settle, keep_measured
from din_style.style_code import StyleCode, interpolate, mix
from tenfold_shared.devices import choose_device

PictureLike = Path | str | Tensor
"""A file, or RGB in [0, 1] of shape (3, height, width) or (1, 3, height, width)."""
Style = PictureLike | StyleCode


class StyleTransfer:
    """A network and its style encoder, ready for use.

    Args:
        network: of any preset.
        encoder: makes of style pictures (1, 3, height, width) what the network's code networks read.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        memory_limit_gib: larger pictures are refused.
    """

    def __init__(
        self,
        network: TransferNetwork,
        encoder: Callable[[Tensor], Tensor],
        *,
        device: str = "cpu",
        memory_limit_gib: float = LIMIT_GIB,
    ) -> None:
        self.device = choose_device(device)
        self.network = network.to(self.device).eval()
        if isinstance(encoder, torch.nn.Module):
            encoder = encoder.to(self.device).eval()
        self.encoder = encoder
        self.memory_limit_gib = memory_limit_gib
        self.fingerprint = network.fingerprint()

    @classmethod
    def load(
        cls,
        weights: Path | str = "fast",
        *,
        encoder: Path | str = "compact",
        device: str = "auto",
        memory_limit_gib: float = LIMIT_GIB,
    ) -> "StyleTransfer":
        """Return a network with its weights.

        Args:
            weights: `fast` or `mobile`, which are shipped; or a network file or run folder of a training.
            encoder: `compact`, which is shipped; `vgg`, the offline VGG-16 of the data folder; or a VGG file.
            device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
            memory_limit_gib: larger pictures are refused.

        Raises:
            UserError: if a file is missing or damaged, or the device is not there.
        """
        network, style_encoder = load_shipped(weights, encoder=encoder)
        return cls(network, style_encoder, device=device, memory_limit_gib=memory_limit_gib)

    @torch.no_grad()
    def encode(self, style: PictureLike, *, size: int = STYLE_SIZE) -> StyleCode:
        """Return the code of a style picture: encode once, stylize many.

        Args:
            style: file or tensor.
            size: its short side is scaled to so many pixels first.

        Raises:
            UserError: if a file cannot be read, or the style would be too large.
        """
        image = self._image(style, name="style")
        scaled = _scaled_size(image, size)
        check_style_memory(*scaled, limit_gib=self.memory_limit_gib)
        image = _scaled(image, scaled)
        return replace(self.network.predict_code(self.encoder(image)), fingerprint=self.fingerprint)

    def stylize(
        self,
        content: PictureLike,
        style: Style | Sequence[Style],
        *,
        mix_weights: Sequence[float] | None = None,
        masks: Float[Tensor, "styles height width"] | Sequence[Tensor] | None = None,
        strength: float = 1.0,
        keep_color: ColorKeeping = "none",
        stroke: float | Tensor = 1.0,
        sphere: bool = False,
        style_size: int = STYLE_SIZE,
    ) -> Float[Tensor, "3 height width"]:
        """Return a picture in a style, of the content's size, on the CPU.

        Args:
            content: file or tensor.
            style: file, tensor or code; or several, blended by `mix_weights` (equal if missing) or placed by
                `masks`.
            mix_weights: one for each style.
            masks: one for each style, (height, width) in [0, 1]; where their sum is below 1, content shows.
            strength: 0 returns the content untouched, 1 is the full style.
            keep_color: see `Controls`.
            stroke: see `Controls`.
            sphere: see `Controls`.
            style_size: see `Controls`.

        Raises:
            UserError: if a file cannot be read, or the picture is too large.
            ValueError: if a setting is out of range, or masks, weights and styles do not fit together.
        """
        controls = Controls(
            strength=strength,
            keep_color=keep_color,
            stroke=stroke,
            sphere=sphere,
            style_size=style_size,
        )
        image = self._image(content, name="content")
        given = (
            list(style) if isinstance(style, Sequence) and not isinstance(style, str) else [style]
        )
        codes = [self.code_of(one, controls=controls, content=image) for one in given]
        return self.apply(image, codes, controls=controls, mix_weights=mix_weights, masks=masks)

    def code_of(
        self, style: Style, *, controls: Controls, content: Tensor | None = None
    ) -> StyleCode:
        """Return the code of a style, in the content's colors if the controls want that.

        Raises:
            ValueError: if a code is of another network, or its colors can no longer be changed.
        """
        keeps = controls.keep_color in ("histogram", "covariance")
        if isinstance(style, StyleCode):
            self._check_code(style)
            if keeps:
                raise ValueError(
                    f"keep_color={controls.keep_color} needs the style picture, got a code; "
                    "use luminance"
                )
            return style.to(self.device)
        image = self._image(style, name="style")
        if keeps and content is not None:
            match = match_histogram if controls.keep_color == "histogram" else match_covariance
            image = match(image, content.to(image))
        return self.encode(image, size=controls.style_size)

    @torch.no_grad()
    def apply(
        self,
        content: Float[Tensor, "1 3 height width"],
        codes: Sequence[StyleCode],
        *,
        controls: Controls,
        mix_weights: Sequence[float] | None = None,
        masks: Float[Tensor, "styles height width"] | Sequence[Tensor] | None = None,
        settle: Settle = keep_measured,
        own_code: StyleCode | None = None,
    ) -> Float[Tensor, "3 height width"]:
        """Return a picture in one or several styles that were encoded before; see `stylize`.

        Args:
            content: one picture on the device.
            codes: of this network.
            controls: strength, colors, strokes, sphere.
            mix_weights: one for each code.
            masks: one for each code.
            settle: what to normalize with, given the statistics of the picture.
            own_code: of the content itself, where it is known; needed for strengths below 1.
        """
        if controls.strength == 0:
            return content[0].cpu()
        check_memory(
            self.network,
            *content.shape[2:],
            limit_gib=self.memory_limit_gib,
            masks=0 if masks is None else len(masks),
        )
        if masks is None:
            codes = [mix(codes, mix_weights or [1.0] * len(codes))]
            shares = coverage = None
        else:
            if mix_weights is not None:
                raise ValueError(
                    "styles are either mixed or placed by masks, got weights and masks"
                )
            shares, coverage = mask_shares(masks, len(codes), content)
        run = PicturePass(self.network, content, shares, controls, settle)
        if controls.strength == 1:
            result = run(codes)
        else:
            own = own_code or self.encode(content)
            between = [interpolate(own, code, controls.strength) for code in codes]
            # What the network loses of the content comes back as the strength falls: 0 is the content.
            lost = content - run([own] * len(codes), part="content/")
            result = run(between) + (1 - controls.strength) * lost
        if coverage is not None:
            result = torch.lerp(content, result, coverage)
        result = result.clamp(0, 1)
        if controls.keep_color == "luminance":
            result = keep_color(result, content)
        return result[0].cpu()

    def _check_code(self, code: StyleCode) -> None:
        """Refuse a code of another network."""
        if code.fingerprint != self.fingerprint:
            raise ValueError(
                f"the style code was made for network {code.fingerprint or '?'}, this is "
                f"{self.fingerprint}; encode the style again"
            )

    def _image(self, picture: PictureLike, *, name: str) -> Float[Tensor, "1 3 height width"]:
        """Return a picture on the device."""
        if isinstance(picture, Path | str):
            image = torch.from_numpy(read_picture(picture).pixels)
        else:
            image = torch.as_tensor(picture, dtype=torch.float32)
        image = image[None] if image.ndim == 3 else image
        if image.ndim != 4 or image.shape[:2] != (1, 3) or min(image.shape[2:]) < SMALLEST_SIDE:
            raise ValueError(
                f"{name} must be (3, height, width) with sides of at least {SMALLEST_SIDE}, got shape "
                f"{tuple(image.shape)}"
            )
        if not bool(image.isfinite().all()):
            raise ValueError(f"{name} must be finite, got NaN or infinity")
        return image.to(self.device).clamp(0, 1)


def _scaled_size(image: Tensor, short_side: int) -> tuple[int, int]:
    """Return height and width with a shorter side of about so many pixels, both multiples of 4."""
    scale = short_side / min(image.shape[2:])
    height, width = (
        max(1, round(side * scale / SHRINKING)) * SHRINKING for side in image.shape[2:]
    )
    return height, width


def _scaled(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Return a picture of a height and width."""
    if size == tuple(image.shape[2:]):
        return image
    # Antialiased, so that fine strokes turn into colors rather than into other strokes.
    return torch.nn.functional.interpolate(
        image, size, mode="bicubic", align_corners=False, antialias=True
    ).clamp(0, 1)
