"""Networks from where users have them: names, constructors in Python, exported programs, TorchScript."""

import difflib
import importlib
import importlib.util
import inspect
import logging
import sys
import warnings
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dfad_distillation.config import InputSpace
from dfad_distillation.model_files import load_saved
from dfad_distillation.outputs import Outputs, adapt_outputs, refuse_lazy
from dfad_distillation.registry import NAMES, build_network
from dfad_distillation.weight_files import fit_weights, read_weights
from tenfold_shared.errors import UserError

_SCRIPTS = (".pt", ".pth", ".ts", ".torchscript", ".jit")


class OpenedModel(NamedTuple):
    """A network and what is known about it."""

    module: nn.Module
    """In evaluation mode, on the CPU, in single precision, answering logits."""
    source: str
    """Name or constructor that builds it."""
    arguments: dict[str, Any]
    """Of the constructor."""
    input: InputSpace | None
    """What it reads, if a model file says so."""
    classes: tuple[str, ...]
    """Names of its outputs, if a model file says so."""


class Program(nn.Module):
    """A program of torch.export or TorchScript, which stays in the mode it was exported in."""

    def __init__(self, program: nn.Module) -> None:
        super().__init__()
        self.program = program

    def forward(self, pictures: Tensor) -> Any:
        """Return whatever the program returns."""
        return self.program(pictures)

    def train(self, mode: bool = True) -> "Program":
        """Note the mode without passing it on: exported programs refuse it."""
        self.training = mode
        return self


def load_model(
    source: str,
    *,
    arguments: Mapping[str, Any] | None = None,
    weights: Path | None = None,
    outputs: Outputs = "logits",
    shape: tuple[int, int, int] = (3, 32, 32),
) -> nn.Module:
    """Return the network of a source, ready to be a teacher. Arguments are those of `open_model`."""
    return open_model(
        source, arguments=arguments, weights=weights, outputs=outputs, shape=shape
    ).module


def open_model(
    source: str,
    *,
    arguments: Mapping[str, Any] | None = None,
    weights: Path | None = None,
    outputs: Outputs = "logits",
    shape: tuple[int, int, int] = (3, 32, 32),
) -> OpenedModel:
    """Return a network and what is known about it.

    Args:
        source: A name of the registry; `torchvision:resnet18` or `timm:name`; `package.module:factory`
            or `path/file.py:factory`; a model file of this program; a .pt2 file of torch.export or a
            TorchScript file. Constructors and programs (.pt2, TorchScript, whose readers in torch
            unpickle) can run any code: open only those that you trust. Model files and `weights` cannot.
        arguments: Of the constructor, such as `classes` or `width`.
        weights: safetensors, or a state dictionary of `torch.save`.
        outputs: `logits`, `probabilities`, `log_probabilities`, which of several outputs, or a function
            from what the network returns to logits.
        shape: Channels, height and width of pictures, for constructors that need them.

    Raises:
        UserError: There is no such network, it cannot be built, or the weights do not fit.
    """
    given = dict(arguments or {})
    opened = _open(source, given, shape)
    module = opened.module
    if weights is not None:
        if isinstance(module, Program):
            raise UserError(f"{source} has its weights inside; leave {weights} out.")
        fit_weights(module, read_weights(weights), path=weights)
    for parameter in (*module.parameters(), *module.buffers()):
        if parameter.is_floating_point():
            parameter.data = parameter.data.float()
    return opened._replace(module=adapt_outputs(module.cpu(), outputs).eval())


def _open(source: str, given: dict[str, Any], shape: tuple[int, int, int]) -> OpenedModel:
    """Return the network with the weights that its source has."""
    if source in NAMES:
        others = dict(given)
        classes = others.pop("classes", 10)
        channels = others.pop("channels", shape[0])
        network = build_network(source, classes=classes, channels=channels, arguments=others)
        return OpenedModel(network, source, others, None, ())
    prefix, _, name = source.partition(":")
    if prefix in ("torchvision", "timm") and name:
        build = _from_torchvision if prefix == "torchvision" else _from_timm
        return OpenedModel(build(name, given, shape[0]), source, given, None, ())
    path = Path(source)
    if path.suffix == ".safetensors":
        return OpenedModel(*load_saved(path)[:5])
    if path.suffix in (".pt2", *_SCRIPTS):
        if not path.is_file():
            raise UserError(f"{path} does not exist; check the path of the network.")
        program = _exported(path) if path.suffix == ".pt2" else _scripted(path)
        return OpenedModel(Program(program), source, given, None, ())
    if name:
        place, _, name = source.rpartition(":")
        return OpenedModel(_constructed(place, name, given), source, given, None, ())
    close = difflib.get_close_matches(source, NAMES, n=1)
    guess = f" Did you mean {close[0]}?" if close else ""
    raise UserError(
        f"{source!r} is no network: pass one of {', '.join(NAMES)}; torchvision:NAME or timm:NAME; "
        f"package.module:factory or file.py:factory; or a .safetensors, .pt2 or TorchScript file.{guess}"
    )


def _from_torchvision(name: str, given: dict[str, Any], channels: int) -> nn.Module:
    """Return a network of torchvision without downloading weights."""
    from torchvision import models

    known = models.list_models()
    if name not in known:
        raise _unknown("torchvision", name, known)
    if channels != 3:
        raise UserError(
            f"torchvision:{name} reads RGB, not {channels} channels; pass a constructor of yours."
        )
    given = _renamed(given)
    builder = models.get_model_builder(name)
    if "weights_backbone" in inspect.signature(builder).parameters:
        given = {"weights_backbone": None, **given}
    return _call(lambda **settings: builder(weights=None, **settings), f"torchvision:{name}", given)


def _from_timm(name: str, given: dict[str, Any], channels: int) -> nn.Module:
    """Return a network of timm without downloading weights."""
    try:
        import timm
    except ImportError as error:
        raise UserError(
            'timm is not installed; run pip install "dfad-distillation[timm]".'
        ) from error
    known = timm.list_models()
    if name not in known:
        raise _unknown("timm", name, known)
    settings = {"in_chans": channels, **_renamed(given)}
    return _call(
        lambda **s: timm.create_model(name, pretrained=False, **s), f"timm:{name}", settings
    )


def _renamed(given: dict[str, Any]) -> dict[str, Any]:
    """Return arguments with `classes` under the name that both libraries have for it."""
    return {("num_classes" if key == "classes" else key): value for key, value in given.items()}


def _unknown(library: str, name: str, known: list[str]) -> UserError:
    """Return the sentence for a name that a library does not have."""
    close = ", ".join(difflib.get_close_matches(name, known, n=3)) or ", ".join(sorted(known)[:5])
    return UserError(f"{library} has no network {name!r}; it has {close} and others.")


def _constructed(place: str, name: str, given: dict[str, Any]) -> nn.Module:
    """Return what a function or class of the user builds; modules are also found beside the user."""
    what = f"{place}:{name}"
    sys.path.insert(0, str(Path.cwd()))
    try:
        module = _module_of_file(Path(place)) if place.endswith(".py") else _module(place)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{place} fails when it is imported: {_reason(error)}.") from error
    finally:
        with suppress(ValueError):
            sys.path.remove(str(Path.cwd()))
    factory = getattr(module, name, None)
    if factory is None:
        names = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
        raise UserError(f"{place} has no {name}; it has {', '.join(names[:8]) or 'nothing'}.")
    built = factory if isinstance(factory, nn.Module) else _call(factory, what, given)
    if not isinstance(built, nn.Module):
        raise UserError(f"{what} returns a {type(built).__name__}, not a torch.nn.Module.")
    refuse_lazy(built, what)
    return built


def _module(name: str) -> Any:
    """Import a module by its dotted name."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # An import inside the module may be what is missing.
        raise UserError(
            f"{name} cannot be imported: there is no module {error.name}; check the name and install it."
        ) from error


def _module_of_file(path: Path) -> Any:
    """Run a Python file as a module."""
    if not path.is_file():
        raise UserError(f"{path} does not exist; check the path of the constructor.")
    specification = importlib.util.spec_from_file_location(f"dfad_user_{path.stem}", path)
    if specification is None or specification.loader is None:
        raise UserError(f"{path} is no Python file.")
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # dataclasses in it look their module up
    specification.loader.exec_module(module)
    return module


def _call(factory: Callable[..., Any], what: str, given: Mapping[str, Any]) -> Any:
    """Call a constructor, whose errors are the user's."""
    if not callable(factory):
        raise UserError(f"{what} is no constructor but a {type(factory).__name__}.")
    try:
        return factory(**given)
    except Exception as error:
        settings = ", ".join(f"{key}={value!r}" for key, value in given.items()) or "no arguments"
        raise UserError(f"{what} cannot be built with {settings}: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    """Return an error of foreign code in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _exported(path: Path) -> nn.Module:
    """Return the program of a .pt2 file."""
    # It logs the traceback of what it also raises.
    chatter = logging.getLogger("torch.export")
    before = chatter.level
    chatter.setLevel(logging.CRITICAL)
    try:
        return torch.export.load(path).module()
    except Exception as error:  # a damaged archive fails in any of its many readers
        raise UserError(
            f"{path} cannot be read as a program of torch.export: {_reason(error)}."
        ) from error
    finally:
        chatter.setLevel(before)


def _scripted(path: Path) -> nn.Module:
    """Return the program of a TorchScript file."""
    try:
        with zipfile.ZipFile(path) as archive:
            has_code = any("/code/" in name for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        with path.open("rb") as file:
            if file.read(2) == b"PK":  # an archive that is not whole
                raise UserError(f"{path} is damaged or cut off; fetch it again.") from error
        has_code = False
    if not has_code:
        raise UserError(
            f"{path} holds no network, at most its weights; name the constructor as the source and this "
            "file as its weights."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # that TorchScript is deprecated is no news to its users
            return torch.jit.load(str(path), map_location="cpu")
    except Exception as error:
        raise UserError(f"{path} cannot be read as TorchScript: {_reason(error)}.") from error
