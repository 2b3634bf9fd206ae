"""Checkpoints: weights, optimizers and random states in one safetensors file, never a pickle.

Tensors are named `model.<name>.<tensor>`, `optim.<name>.<parameter>.<tensor>` and `rng.<name>`.
The file's metadata hold the rest as JSON, and the SHA-256 of every other byte of the file:
safetensors itself does not notice a flipped byte.
"""

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as serialize_tensors
from torch import Tensor, nn
from torch.optim import Optimizer

from tenfold_shared.devices import unwrap_module
from tenfold_shared.errors import UserError
from tenfold_shared.files import write_atomically

_HEADER_LIMIT = 10**8  # bytes, the limit of safetensors itself
_KEY = "tenfold"  # of the one text in the metadata; several would be stored in random order
_NO_DIGEST = "0" * 64
_PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_MALFORMED = (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError)

State = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The content of a checkpoint file, on the CPU."""

    path: Path
    """Where it was read, for messages."""
    metadata: State
    """What the program stored: JSON values."""
    models: dict[str, dict[str, Tensor]]
    """State dictionary of each network."""
    optimizers: dict[str, State]
    """State dictionary of each optimizer."""
    generators: dict[str, Tensor]
    """State of each random generator, uint8."""

    def restore(
        self,
        *,
        models: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer] | None = None,
        generators: Mapping[str, torch.Generator] | None = None,
    ) -> None:
        """Put the stored state into living objects, on whatever device they are.

        Everything named must be in the file; what else the file holds is left alone. The shapes of
        all networks are compared before the first is changed.

        Raises:
            UserError: A part is missing, or a network or an optimizer has another structure.
        """
        for kind, wanted, stored in (
            ("network", models, self.models),
            ("optimizer", optimizers or {}, self.optimizers),
            ("random generator", generators or {}, self.generators),
        ):
            for name in wanted:
                if name not in stored:
                    self._misfit(f"holds no {kind} called {name!r}")
        for name, model in models.items():
            self._compare(name, unwrap_module(model).state_dict())
        for name, model in models.items():
            unwrap_module(model).load_state_dict(self.models[name])
        for name, optimizer in (optimizers or {}).items():
            self._restore_optimizer(name, optimizer)
        for name, generator in (generators or {}).items():
            generator.set_state(self.generators[name])

    def _compare(self, name: str, living: Mapping[str, Any]) -> None:
        """Refuse a network whose tensors have other names or shapes."""
        stored = self.models[name]
        for key in sorted({*stored, *living}):
            if key not in stored or key not in living:
                place = "the file" if key in stored else "the program"
                self._misfit(f"does not fit network {name!r}: only {place} has {key}")
            ours, theirs = tuple(living[key].shape), tuple(stored[key].shape)
            if ours != theirs:
                self._misfit(f"does not fit network {name!r}: {key} is {theirs}, not {ours}")

    def _restore_optimizer(self, name: str, optimizer: Optimizer) -> None:
        """Load one optimizer; JSON has no tuples, so the living groups say what is one."""
        state, living = self.optimizers[name], optimizer.state_dict()["param_groups"]
        stored = state["param_groups"]
        if [len(group["params"]) for group in stored] != [len(g["params"]) for g in living]:
            self._misfit(f"does not fit optimizer {name!r}: it has other parameter groups")
        groups: list[State] = []
        for group, example in zip(stored, living, strict=True):
            groups.append(
                {
                    key: tuple(value) if isinstance(example.get(key), tuple) else value
                    for key, value in group.items()
                }
            )
        optimizer.load_state_dict({"state": state["state"], "param_groups": groups})
        # Files hold plain tensors, but fused optimizers read moments in the layout of their weights.
        for weight, moments in optimizer.state.items():
            for key, value in moments.items():
                if isinstance(value, Tensor) and value.shape == weight.shape:
                    moments[key] = torch.empty_like(weight, dtype=value.dtype).copy_(value)

    def _misfit(self, problem: str) -> NoReturn:
        """Raise the sentence for a checkpoint of another network."""
        raise UserError(f"{self.path} {problem}; use the settings that it was trained with.")


def save_checkpoint(
    path: Path,
    *,
    models: Mapping[str, nn.Module],
    package: str,
    optimizers: Mapping[str, Optimizer] | None = None,
    generators: Mapping[str, torch.Generator] | None = None,
    metadata: Mapping[str, Any] | None = None,
    format_version: int = 1,
) -> None:
    """Write everything that a resumed or a finished training needs, atomically.

    Args:
        path: The file, usually ending in .safetensors.
        models: Networks by name; wrappers (compiled, data-parallel) are looked through.
        package: Distribution that writes the file; only it will read the file.
        optimizers: Optimizers by name.
        generators: Random generators by name.
        metadata: What else is needed, as JSON values (settings, step).
        format_version: Raise it when the meaning of the content changes.

    Raises:
        UserError: The file cannot be written.
        ValueError: The metadata are not JSON, or an optimizer keeps something exotic.
    """
    dotted = [name for name in (*models, *(optimizers or {}), *(generators or {})) if "." in name]
    if dotted:
        raise ValueError(f"names must not contain a dot, got {dotted[0]!r}; use an underscore")
    tensors: dict[str, Tensor] = {}
    for name, model in models.items():
        for key, tensor in unwrap_module(model).state_dict().items():
            tensors[f"model.{name}.{key}"] = tensor
    states = {name: _split(f"optim.{name}", o, tensors) for name, o in (optimizers or {}).items()}
    for name, generator in (generators or {}).items():
        tensors[f"rng.{name}"] = generator.get_state()
    header = {
        "package": package,
        "package_version": _version(package),
        "format_version": format_version,
        "metadata": dict(metadata or {}),
        "models": list(models),
        "optimizers": states,
    }
    write_atomically(path, _serialize(tensors, header))


def load_checkpoint(path: Path, *, package: str, formats: Sequence[int] = (1,)) -> Checkpoint:
    """Read a checkpoint of `package` after checking every byte of it.

    Args:
        path: A file of `save_checkpoint`.
        package: Distribution that must have written it.
        formats: Format versions that the caller understands.

    Raises:
        UserError: The file is missing, damaged, foreign, a pickle, or of another format.
    """
    content = _read(path)
    header = _header(path, content)
    if not _is_intact(content, header.pop("sha256")):
        raise _damaged(path, "its checksum does not match")
    try:
        _check_origin(path, header, package, formats)
        return _assemble(path, header, parse_tensors(bytes(content)))
    except (SafetensorError, *_MALFORMED) as error:
        raise _damaged(path, "its content makes no sense") from error


def read_metadata(path: Path) -> State:
    """Return what a checkpoint says about itself, reading only its header.

    Returns:
        `package`, `package_version`, `format_version`, `metadata` (what the program stored), the
        names of `models` and `optimizers`, and `parameters`, the number of values per network.

    Raises:
        UserError: The file is missing or no checkpoint.
    """
    header = _header(path, _read(path, header_only=True))
    del header["sha256"]
    try:
        counts: dict[str, int] = dict.fromkeys(header["models"], 0)
        with cast("Any", safe_open)(path, "pt") as file:
            for key in cast("list[str]", file.keys()):
                kind, name, *_ = key.split(".", 2)
                if kind == "model":
                    counts[name] += torch.Size(file.get_slice(key).get_shape()).numel()
        return {**header, "optimizers": list(header["optimizers"]), "parameters": counts}
    except (SafetensorError, OSError, *_MALFORMED) as error:
        raise _damaged(path, "its header and its size disagree") from error


def _serialize(tensors: Mapping[str, Tensor], header: State) -> bytearray:
    """Return the bytes of a file whose digest covers all other bytes."""
    # clone() unties shared and strided memory, both of which safetensors refuses.
    plain = {
        key: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for key, tensor in tensors.items()
    }
    try:
        described = json.dumps({"sha256": _NO_DIGEST, **header}, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"metadata must be finite JSON values: {error}; use str or float"
        ) from error
    content = bytearray(serialize_tensors(plain, {_KEY: described}))
    end = content.index(_digest_field(_NO_DIGEST)) + len(_digest_field(_NO_DIGEST))
    content[end - 64 : end] = hashlib.sha256(content).hexdigest().encode()
    return content


def _digest_field(digest: str) -> bytes:
    """Return how the digest looks in the header: JSON in JSON, hence the escaped quotes."""
    return rf'"{_KEY}":"{{\"sha256\": \"{digest}'.encode()


def _is_intact(content: bytearray, digest: Any) -> bool:
    """Compare the digest with that of the file in which it is replaced by zeros."""
    start = content.find(_digest_field(digest))
    if start < 0:
        return False
    end = start + len(_digest_field(digest))
    computed = hashlib.sha256(content[:start] + _digest_field(_NO_DIGEST))
    computed.update(memoryview(content)[end:])
    return computed.hexdigest() == digest


def _split(prefix: str, optimizer: Optimizer, tensors: dict[str, Tensor]) -> State:
    """Move the tensors of an optimizer's state into `tensors`; return the rest, which is JSON."""

    def rest(place: str, values: Mapping[str, Any]) -> State:
        tensors.update({f"{place}.{k}": v for k, v in values.items() if isinstance(v, Tensor)})
        return {key: value for key, value in values.items() if not isinstance(value, Tensor)}

    state = optimizer.state_dict()
    return {
        "state": {str(i): rest(f"{prefix}.{i}", values) for i, values in state["state"].items()},
        "param_groups": [
            rest(f"{prefix}.g{i}", group) for i, group in enumerate(state["param_groups"])
        ],
    }


def _assemble(path: Path, header: State, tensors: Mapping[str, Tensor]) -> Checkpoint:
    """Sort the tensors of a file by whom they belong to."""
    models: dict[str, dict[str, Tensor]] = {name: {} for name in header["models"]}
    generators: dict[str, Tensor] = {}
    optimizers: dict[str, State] = header["optimizers"]
    for state in optimizers.values():
        state["state"] = {int(index): values for index, values in state["state"].items()}
    for key, tensor in tensors.items():
        kind, name, *rest = key.split(".", 2)
        if kind == "model":
            models[name][rest[0]] = tensor
        elif kind == "rng":
            generators[name] = tensor
        else:
            index, entry = rest[0].split(".", 1)
            groups, state = optimizers[name]["param_groups"], optimizers[name]["state"]
            place = groups[int(index[1:])] if index.startswith("g") else state[int(index)]
            place[entry] = tensor
    return Checkpoint(
        path=path,
        metadata=header["metadata"],
        models=models,
        optimizers=optimizers,
        generators=generators,
    )


def _read(path: Path, *, header_only: bool = False) -> bytearray:
    """Return the file, or its first part up to the tensors, after a look at its size and kind."""
    try:
        with path.open("rb") as file:
            start = file.read(9)
            size = int.from_bytes(start[:8], "little")
            # the header is JSON behind its size, whose bytes can be those of a pickle's start
            is_safetensors = len(start) == 9 and start.endswith(b"{")
            if start.startswith(_PICKLE_STARTS) and not is_safetensors:
                raise UserError(
                    f"{path} is a pickle (a .pt or .pth file), which can run code when it is "
                    "opened; only checkpoints of this program, .safetensors, are read."
                )
            if not is_safetensors:
                what = "empty" if not start else "no safetensors file"
                raise UserError(f"{path} is {what}; pass a checkpoint of this program.")
            if size > min(_HEADER_LIMIT, path.stat().st_size - 8):
                raise _damaged(path, "it is cut short")
            return bytearray(start + file.read(size - 1 if header_only else -1))
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; check the path of the checkpoint.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error


def _header(path: Path, content: bytearray) -> State:
    """Return what `save_checkpoint` describes, unverified but for having a digest."""
    size = int.from_bytes(content[:8], "little")
    try:
        described = json.loads(content[8 : 8 + size]).get("__metadata__", {}).get(_KEY)
        header: State | None = described and json.loads(described)
        if header and len(header["sha256"]) == len(_NO_DIGEST):
            return header
    except _MALFORMED as error:
        raise _damaged(path, "its header is unreadable") from error
    raise UserError(
        f"{path} is a safetensors file of another program; pass a checkpoint of this one."
    )


def _check_origin(path: Path, header: State, package: str, formats: Sequence[int]) -> None:
    """Refuse checkpoints of other packages and of formats that are not understood."""
    writer, version = header["package"], header["format_version"]
    if writer != package:
        raise UserError(
            f"{path} was written by {writer}; {package} reads only its own checkpoints."
        )
    if version not in formats:
        known = ", ".join(map(str, formats))
        remedy = f"upgrade {package}" if version > max(formats) else "train again"
        raise UserError(
            f"{path} was written by {writer} {header['package_version']} in format {version}, "
            f"this version reads format {known}; {remedy}."
        )


def _damaged(path: Path, how: str) -> UserError:
    """Return the sentence for a file that is not what was written."""
    return UserError(f"{path} is damaged ({how}); use an earlier checkpoint or copy it again.")


def _version(package: str) -> str:
    """Return the installed version of a distribution, for messages of later versions."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
