"""Several processes under `torchrun` that compute what one process computes.

Every player (a network with its own optimizer) gets its own wrapper. A network that a gradient must
only pass through is called raw: its wrapper would wait for gradients that never come.
"""

import os
from typing import Any, NamedTuple, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

Batch = TypeVar("Batch")


class World(NamedTuple):
    """Which process this is, and how many there are."""

    rank: int
    size: int

    @property
    def is_first(self) -> bool:
        """Tell whether this process writes files and reports."""
        return self.rank == 0


def current_world() -> World:
    """Return this process's place; alone, rank 0 of 1."""
    if dist.is_available() and dist.is_initialized():
        return World(dist.get_rank(), dist.get_world_size())
    return World(0, 1)


def start(device: torch.device | None = None) -> World:
    """Join the other processes if `torchrun` started more than one; call `stop` at the end.

    Args:
        device: Where this process computes: NCCL connects GPUs, gloo everything else.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        on_gpu = device is not None and device.type == "cuda"
        if on_gpu:
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if on_gpu else "gloo")
    return current_world()


def stop() -> None:
    """Leave the other processes; a no-op alone."""
    if current_world().size > 1:
        dist.destroy_process_group()


def wrap(module: nn.Module, device: torch.device) -> nn.Module:
    """Return `module` on `device` with gradients averaged over processes; alone, just the module.

    Call the result where the player is updated; checkpoints look through it.
    """
    module = module.to(device)
    if current_world().size == 1:
        return module
    places = [device] if device.type == "cuda" else None
    return nn.parallel.DistributedDataParallel(module, device_ids=places)


def shard(batch: Batch, world: World | None = None) -> Batch:
    """Return this process's part of a batch (array, tensor or list), every `size`-th item.

    Parts are equally long, so that the mean over processes of mean losses is the mean of the batch.

    Raises:
        ValueError: The batch cannot be divided equally.
    """
    rank, size = world or current_world()
    items = cast("Any", batch)
    if len(items) % size:
        raise ValueError(
            f"a batch of {len(items)} cannot be divided by {size} processes; choose a multiple"
        )
    return items[rank::size]


def unshard(part: Tensor) -> Tensor:
    """Return the batch of which every process gives the part that `shard` gave it, without gradient."""
    size = current_world().size
    if size == 1:
        return part
    parts = [torch.empty_like(part) for _ in range(size)]
    dist.all_gather(parts, part.detach().contiguous())
    return torch.stack(parts, dim=1).flatten(0, 1)


def global_mean(value: Tensor) -> Tensor:
    """Return the mean of a tensor over processes, with the gradient of this process's own part.

    For losses that are no means over samples, such as a logarithm of one: where gradients are averaged
    afterwards, as `wrap` does, they are those of one process that has the whole batch.
    """
    size = current_world().size
    if size == 1:
        return value
    return value + (sum_over_ranks(value.detach().clone()) / size - value.detach())


def mean_over_ranks(value: Tensor | float, *, weight: float = 1.0) -> float:
    """Average a number over processes, for logging and evaluation.

    Args:
        value: The number of this process.
        weight: How many items it stands for.
    """
    number = float(value.detach() if isinstance(value, Tensor) else value)
    total = [number * weight, weight]
    sums = torch.tensor(total, dtype=torch.float64, device=_message_device())
    if current_world().size > 1:
        dist.all_reduce(sums)
    return float(sums[0] / sums[1])


def any_rank(flag: bool) -> bool:
    """Tell every process whether the flag is set in at least one of them."""
    if current_world().size == 1:
        return flag
    flags = torch.tensor([float(flag)], device=_message_device())
    dist.all_reduce(flags, op=dist.ReduceOp.MAX)
    return bool(flags.item())


def _message_device() -> torch.device:
    """Return a device on which the processes can exchange numbers."""
    nccl = current_world().size > 1 and dist.get_backend() == "nccl"
    return torch.device("cuda", torch.cuda.current_device()) if nccl else torch.device("cpu")


def synchronize_batchnorm(module: nn.Module) -> nn.Module:
    """Make every batch normalization in `module` use the statistics of the global batch.

    torch's own SyncBatchNorm refuses the CPU. Parameters and buffers are the same objects, so
    optimizers stay valid and state dictionaries have the same names. Call it before `wrap`.

    Returns:
        `module`, changed in place (or its replacement, if it is a batch normalization itself).
    """
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
        return SynchronizedBatchNorm(module)
    for name, child in module.named_children():
        setattr(module, name, synchronize_batchnorm(child))
    return module


class SynchronizedBatchNorm(nn.Module):
    """Batch normalization over the batches of all processes, which may differ in size.

    Ioffe and Szegedy, arXiv 1502.03167. Input and output are (batch, channels, ...).
    """

    weight: nn.Parameter | None
    bias: nn.Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(self, source: nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d) -> None:
        super().__init__()
        self.eps, self.momentum = source.eps, source.momentum
        self.register_parameter("weight", cast("nn.Parameter | None", source.weight))
        self.register_parameter("bias", cast("nn.Parameter | None", source.bias))
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, getattr(source, name))
        self.train(source.training)

    def forward(self, features: Tensor) -> Tensor:
        """Normalize with the statistics of all processes, or in evaluation with the running ones."""
        if not self.training and self.running_mean is not None:
            mean, var, weight, bias = self.running_mean, self.running_var, self.weight, self.bias
            return nn.functional.batch_norm(features, mean, var, weight, bias, eps=self.eps)
        normalized, mean, var, count = _normalize_globally(features, self.eps)
        if self.training:
            self._follow(mean, var, count)
        if self.weight is None or self.bias is None:
            return normalized
        shape = (1, -1, *[1] * (features.ndim - 2))
        return normalized * self.weight.view(shape) + self.bias.view(shape)

    @torch.no_grad()
    def _follow(self, mean: Tensor, var: Tensor, count: Tensor) -> None:
        """Move the running statistics as torch's batch normalization does."""
        if self.running_mean is None or self.running_var is None:
            return
        if self.num_batches_tracked is not None:
            self.num_batches_tracked += 1
        rate = self.momentum
        if rate is None:  # a plain average over all batches
            rate = 1 / float(cast("Tensor", self.num_batches_tracked))
        unbiased = var * count / (count - 1).clamp(min=1)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), rate)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), rate)


def _normalize_globally(features: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return normalized features, and the mean, variance and count of the global batch."""
    return cast("Any", _Normalize).apply(features, eps)


class _Normalize(torch.autograd.Function):
    """(x - mean) / sqrt(var + eps) with mean and var over all processes, and its gradient.

    With y the output, n the global count and g the gradient of y, the gradient of x is
    (g - sum(g) / n - y sum(g y) / n) / sqrt(var + eps), the sums again over all processes.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x = features.float() if features.dtype in (torch.float16, torch.bfloat16) else features
        dims = [0, *range(2, x.ndim)]
        shape = (1, -1, *[1] * (x.ndim - 2))
        local_count = x.new_tensor([x.numel() // x.shape[1]])
        sums = sum_over_ranks(torch.cat([x.sum(dims), local_count]))
        count, mean = sums[-1], sums[:-1] / sums[-1]
        # Squares of differences, in a second pass: E[x^2] - E[x]^2 loses digits.
        centered = x - mean.view(shape)
        var = sum_over_ranks(centered.square().sum(dims)) / count
        scale = torch.rsqrt(var + eps)
        normalized = centered * scale.view(shape)
        ctx.save_for_backward(normalized, scale, count)
        ctx.mark_non_differentiable(mean, var, count)
        return normalized.to(features.dtype), mean, var, count

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        normalized, scale, count = ctx.saved_tensors
        gradient = gradients[0].to(normalized.dtype)
        dims = [0, *range(2, gradient.ndim)]
        shape = (1, -1, *[1] * (gradient.ndim - 2))
        sums = torch.stack([gradient.sum(dims), (gradient * normalized).sum(dims)])
        mean, product = (sum_over_ranks(sums) / count).unbind()
        correction = mean.view(shape) + normalized * product.view(shape)
        return ((gradient - correction) * scale.view(shape)).to(gradients[0].dtype), None


def sum_over_ranks(sums: Tensor) -> Tensor:
    """Add a tensor up over all processes, in place and without gradient; alone, the tensor itself."""
    if current_world().size > 1:
        dist.all_reduce(sums)
    return sums
