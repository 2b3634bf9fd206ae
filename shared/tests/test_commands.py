import dataclasses
import json
import logging
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pytest
import tyro

from tenfold_shared import Options, UserError, emit, run_commands
from tenfold_shared.commands import flat
from tenfold_shared.errors import AdviceWarning
from tenfold_shared.testing import run_command

seen = []


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """The network."""

    depth: int = 2
    """Layers."""

    rate: float = 0.1
    """Learning rate."""

    wide: bool = False
    """Twice the channels."""

    sizes: tuple[int, ...] = (1, 2)
    """Sizes."""

    def __post_init__(self):
        if self.depth < 1:
            raise ValueError(f"depth must be at least 1, got {self.depth}")
        if self.rate > 5:
            raise ValueError("the rate is too high")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainOptions(Options):
    """What train understands."""

    photos: tyro.conf.Positional[Path]
    """Folder of pictures."""

    steps: int = 10
    """Updates."""

    mode: Literal["fast", "exact"] = "fast"
    """How to solve."""

    limit: float | None = None
    """Stop here."""

    network: Network = dataclasses.field(default_factory=Network)
    """The network."""

    solver: Annotated[Network, tyro.conf.arg(name="")] = dataclasses.field(default_factory=Network)
    """Its flags have no prefix."""


def train(options: TrainOptions) -> None:
    """Train a network on pictures.

    It takes a while.
    """
    seen.append(options)
    logging.getLogger("toy_program").info("training")
    logging.getLogger("toy_program").debug("details")
    logging.getLogger("foreign").info("chatter")
    logging.getLogger("PIL.Image").error("chatter")
    logging.getLogger("toy_program").warning("odd data")
    emit([{"name": "loss", "value": 0.5}], json=options.json)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BuildOptions(Options):
    """What build understands."""

    network: Annotated[Network, tyro.conf.arg(name="")] = dataclasses.field(default_factory=Network)
    """Its flags have no prefix."""


def build(options: BuildOptions) -> None:
    """Build."""


def refuse(options: Options) -> None:
    """Refuse."""
    raise UserError(f"a file is bad:\n  {options.seed}")


def crash(options: Options) -> None:
    """Crash."""
    raise RuntimeError("bug")


def leave(options: Options) -> int:
    """Leave with the code that is the seed."""
    if options.seed == 130:
        raise KeyboardInterrupt
    if options.seed == 143:
        raise SystemExit(143)
    return options.seed


class OddDataWarning(AdviceWarning):
    """A warning of the program's own."""


def warn(options: Options) -> None:
    """Warn."""
    warnings.warn("odd data", OddDataWarning, stacklevel=1)
    warnings.warn("deprecated", UserWarning, stacklevel=1)


VERBS = {
    "warn": warn,
    "train": train,
    "build": build,
    "refuse": refuse,
    "crash": crash,
    "leave": leave,
}


def main(argv):
    return run_commands("toy-program", VERBS, version="1.2", argv=argv)


def run(*arguments):
    seen.clear()
    return run_command(main, arguments)


def test_results_go_to_stdout_and_the_rest_to_stderr():
    result = run("train", "photos")
    assert result.code == 0
    assert result.stdout == "name  value\nloss    0.5\n"
    assert result.stderr == "training\ntoy-program: warning: odd data\n"
    assert seen == [TrainOptions(photos=Path("photos"))]


@pytest.mark.filterwarnings("always::UserWarning", "error::tenfold_shared.errors.AdviceWarning")
def test_advice_is_a_line_whatever_the_filters_say_and_other_warnings_name_their_place():
    before = warnings.showwarning
    shown = run("warn").stderr
    assert shown.startswith("toy-program: warning: odd data\n")
    assert "OddDataWarning" not in shown
    assert warnings.showwarning is before


@pytest.mark.parametrize(("rank", "lines"), [("0", 2), ("1", 0)])
def test_one_process_of_several_prints_results(monkeypatch, capsys, rank, lines):
    monkeypatch.setenv("RANK", rank)
    emit([{"name": "loss", "value": 0.5}])
    assert len(capsys.readouterr().out.splitlines()) == lines


def test_verbosity_and_json():
    result = run("train", "photos", "--json", "--quiet")
    assert json.loads(result.stdout) == {"name": "loss", "value": 0.5}
    assert result.stderr == "toy-program: warning: odd data\n"
    assert "details" in run("train", "photos", "--verbose").stderr
    assert not logging.getLogger().handlers or "details" not in run("train", "p").stderr


def test_every_verb_has_the_common_flags():
    for verb in VERBS:
        result = run(verb, "--help")
        assert result.code == 0
        for flag in ("--device", "--seed", "--out", "--config", "--json"):
            assert flag in result.stdout
    assert "Train a network on pictures." in run("train", "--help").stdout


def test_the_program_lists_its_verbs_and_its_version():
    for flag in ("--help", "-h"):
        result = run(flag)
        assert result.code == 0
        assert "  train   Train a network on pictures.\n" in result.stdout
    assert run("--version") == (0, "toy-program 1.2\n", "")
    installed = run_command(lambda a: run_commands("tenfold-shared", VERBS, argv=a), ["--version"])
    assert installed.stdout.startswith("tenfold-shared 0.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "a verb is missing"),
        (["trian"], "no verb 'trian'; perhaps you meant train"),
        (["train"], "PATH is missing: Folder of pictures"),
        (["train", "p", "--step", "3"], "there is no flag --step; perhaps you meant --steps"),
        (["train", "p", "--zzz"], "there is no flag --zzz; see toy-program train --help"),
        (["train", "p", "q"], "'q' is one value too many"),
        (["train", "p", ""], "'' is one value too many"),
        (["train", "p", "--steps"], "--steps needs a value"),
        (["train", "p", "--steps", "many"], "--steps must be a whole number, got 'many'"),
        (["train", "p", "--limit", "x"], "--limit must be a number, got 'x'"),
        (["train", "p", "--network.sizes", "1", "x"], "must be whole numbers, got '1 x'"),
        (["train", "p", "--mode", "slow"], "--mode must be one of fast, exact, got slow"),
    ],
)
def test_wrong_usage_exits_with_two_and_says_what(arguments, message):
    result = run(*arguments)
    assert result.code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not result.stdout
    assert not seen


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "p", "--network.depth", "0"], "--network.depth must be at least 1, got 0."),
        (["train", "p", "--depth=0"], "--depth must be at least 1, got 0."),
        (["build", "--depth", "0"], "--depth must be at least 1, got 0."),
        (["train", "p", "--network.rate", "7"], "--network.rate: the rate is too high."),
        (["train", "p", "--device", "gpu"], "--device must be auto, cpu, cuda"),
        (["train", "p", "--seed", "-1"], "--seed must not be negative, got -1."),
        (["train", "p", "--seed", str(2**63)], "--seed must be below 2**63, got 92233720"),
    ],
)
def test_refused_values_exit_with_one_and_name_the_flag(arguments, message):
    result = run(*arguments)
    assert result.code == 1
    assert result.stderr.startswith(f"toy-program: error: {message[:-1]}")
    assert result.stderr.count("\n") == 1
    assert not result.stdout
    assert not seen


def test_a_refused_value_of_a_file_names_the_file(tmp_path):
    file = tmp_path / "a.toml"
    file.write_text("[network]\ndepth = 0\n")
    result = run("train", "photos", "--config", file)
    sentence = f"toy-program: error: {file}: --network.depth must be at least 1, got 0.\n"
    assert result == (1, "", sentence)
    typed = run("train", "photos", "--config", file, "--network.depth", -1)
    assert typed.stderr == "toy-program: error: --network.depth must be at least 1, got -1.\n"


def test_help_is_as_wide_as_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, run("train", "--help").stdout.splitlines())) <= 60


def test_a_user_error_is_one_line():
    assert run("refuse", "--seed", 3) == (1, "", "toy-program: error: a file is bad: 3\n")


def test_debug_shows_the_traceback():
    result = run("refuse", "--debug")
    assert result.code == 1
    assert "Traceback" in result.stderr
    assert result.stderr.endswith("toy-program: error: a file is bad: 0\n")


def test_bugs_stay_tracebacks():
    with pytest.raises(RuntimeError, match="bug"):
        run("crash")


def test_exit_codes_are_passed_on():
    for code in (0, 3, 130, 143):
        assert run("leave", "--seed", code).code == code


CONFIG = """
photos = "from file"
steps = 7
mode = "exact"
limit = -0.5
json = true
[network]
rate = 2
wide = true
sizes = [4, 5, 6]
[solver]
depth = 9
sizes = [1, 2]
"""
EXPECTED = {
    "steps": 7,
    "mode": "exact",
    "limit": -0.5,
    "json": True,
    "network": Network(rate=2.0, wide=True, sizes=(4, 5, 6)),
    "solver": Network(depth=9),
}


def test_a_settings_file_is_expanded_and_the_command_line_wins(tmp_path):
    file = tmp_path / "my settings.toml"
    file.write_text(CONFIG)
    assert run("train", "--config", file).code == 0
    assert seen[0] == TrainOptions(photos=Path("from file"), config=file, **EXPECTED)
    assert run("train", "typed", f"--config={file}", "--steps", 8, "--no-json").code == 0
    typed = {**EXPECTED, "steps": 8, "json": False}
    assert seen[0] == TrainOptions(photos=Path("typed"), config=file, **typed)


def test_the_record_of_a_run_repeats_it(tmp_path):
    first = TrainOptions(photos=Path("-odd name"), out=Path("a b"), **EXPECTED)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(dataclasses.asdict(first), default=str))
    assert run("train", "--config", file, "--", "-odd name").code == 0
    assert seen[0] == dataclasses.replace(first, config=file)


def test_keys_of_a_file_are_spelled_as_the_flags(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text(
        "steps = 7\ndepth = 9\nwide = true\n[network]\ndepth = 2\n[solver]\nsizes = [3]\n"
    )
    assert run("train", "photos", "--config", file).code == 0
    assert seen[0].network == Network(depth=2)
    assert seen[0].solver == Network(depth=9, wide=True, sizes=(3,))
    file.write_text("depth = 9\nsolver = 3\n")
    result = run("train", "photos", "--config", file)
    assert result.code == 1
    assert "solver must be a section" in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stepps = 3", "unknown setting stepps; perhaps you meant steps."),
        ("[network]\ndeph = 3", "unknown setting network.deph; perhaps you meant depth."),
        ("zzz = 3", "unknown setting zzz; known are device, seed,"),
        ("json = 'yes'", "json must be true or false."),
        ("network = 3", "network must be a section, got 3."),
        ("[steps]\na = 1", "steps must be a value, not a section."),
        ("steps = ", "is not a valid settings file"),
        ("\x00", "is not a valid settings file"),
    ],
)
def test_bad_settings_files_give_a_sentence(tmp_path, text, message):
    file = tmp_path / "a.toml"
    file.write_text(text)
    result = run("train", "photos", "--config", file)
    assert result.code == 1
    assert f"{file}" in result.stderr
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_missing_and_foreign_settings_files_give_a_sentence(tmp_path):
    (tmp_path / "a.json").write_text("[1]")
    (tmp_path / "b.json").write_text("[" * 100_000)
    (tmp_path / "c.toml").write_bytes(b"\xff\xfe")
    for name in ("a.json", "b.json", "c.toml", "none.toml", "."):
        result = run("train", "photos", "--config", tmp_path / name)
        assert result.code == 1
        assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("text", ['steps = "x"', 'mode = "slow"', "steps = 1.5", "steps = true"])
def test_values_of_a_file_are_checked_like_flags(tmp_path, text):
    (tmp_path / "a.toml").write_text(text)
    result = run("train", "photos", "--config", tmp_path / "a.toml")
    assert result.code == 1
    assert f"{tmp_path / 'a.toml'}: --{text.split()[0]} must be" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps = [1, 2]", "--steps must be a whole number, got a list"),
        ("steps = [7]", "--steps must be a whole number, got a list"),
        ("limit = [0.5, -1]", "--limit must be a number, got a list"),
        ('mode = ["fast", "exact"]', "--mode must be one of fast, exact, got a list"),
        ("[network]\nwide = [true, false]", "--network.wide must be true or false, got a list"),
        ("[solver]\ndepth = [1, 2]", "--depth must be a whole number, got a list"),
    ],
)
def test_a_list_for_one_value_names_the_setting(tmp_path, text, message):
    (tmp_path / "a.toml").write_text(text)
    for positional in (["photos"], []):
        result = run("train", *positional, "--config", tmp_path / "a.toml")
        assert result == (1, "", f"toy-program: error: {tmp_path / 'a.toml'}: {message}.\n")
    (tmp_path / "a.toml").write_text("[network]\nsizes = [3, 4, 5]")
    assert run("train", "photos", "--config", tmp_path / "a.toml").code == 0
    assert seen[0].network.sizes == (3, 4, 5)


def test_tables_are_aligned_and_undefined_numbers_marked(capsys):
    rows = [
        {"name": "ours", "value": np.float32(0.123456), "count": 1000000, "path": Path("a")},
        {"name": "a longer one", "value": float("nan"), "count": None, "seeds": (0, 1)},
    ]
    emit(rows)
    assert capsys.readouterr().out.splitlines() == [
        "name           value    count  path  seeds",
        "ours          0.1235  1000000  a     -",
        "a longer one       -        -  -     [0, 1]",
    ]
    emit(rows, json=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["value"] == pytest.approx(0.123456)
    assert lines[1] == {"name": "a longer one", "value": None, "count": None, "seeds": [0, 1]}
    emit([])
    assert capsys.readouterr().out == ""


def test_a_verb_must_take_one_dataclass():
    for verb in (lambda: None, lambda options: None):
        with pytest.raises(TypeError, match="one argument annotated with a dataclass"):
            run_commands("x", {"v": verb}, argv=["v"])


SCRIPT = """
import sys, time, typing
from tenfold_shared import Options, emit, run_commands

def talk(options: Options) -> None:
    "Talk."
    for number in range(100_000):
        emit([{"number": number}], json=True)

def wait(options: Options) -> None:
    "Wait."
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        print("cleaned up", flush=True)

if __name__ == "__main__":
    code = run_commands("toy", {"talk": "__main__:talk", "wait": wait}, version="1")
    assert "torch" not in sys.modules, "torch was imported"
    sys.exit(code)
"""


@pytest.fixture
def script(tmp_path):
    (tmp_path / "toy.py").write_text(SCRIPT)
    return [sys.executable, str(tmp_path / "toy.py")]


def test_a_reader_that_leaves_early_is_no_error(script):
    process = subprocess.Popen([*script, "talk"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b'{"number": 0}\n'
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device of Linux")
def test_results_that_cannot_be_written_end_in_one_line(script):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*script, "talk"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    sentence = "toy: error: Cannot write the results: No space left on device.\n"
    assert done.stderr == sentence


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_unwind(script, number, code):
    process = subprocess.Popen(
        [*script, "wait"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A test run in the background of a shell ignores Ctrl-C, and its children would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    assert process.communicate() == (b"cleaned up\n", b"")
    assert process.returncode == code


def test_help_needs_no_torch(script):
    for arguments in (["--help"], ["talk", "--help"], ["--version"]):
        subprocess.run([*script, *arguments], check=True, capture_output=True)


def test_completion_scripts_know_the_verbs(script):
    result = subprocess.run(
        [*script, "--tyro-print-completion", "bash"], capture_output=True, text=True, check=True
    )
    assert "talk" in result.stdout


def test_nested_tables_are_flattened():
    values = {"a": {"b": [1, 2], "c": {"d": None}}, "e": "text", "f": ()}
    assert list(flat(values)) == [("a.b", "1 2"), ("a.c.d", None), ("e", "text"), ("f", "")]
