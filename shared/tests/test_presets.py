import pytest

from tenfold_shared.presets import Presets


@pytest.fixture
def presets():
    return Presets({"plain": lambda: 1, "paper": lambda: 2}, default="plain")


@pytest.mark.parametrize(
    ("argv", "value"),
    [
        ([], 1),
        (["go", "--preset", "paper"], 2),
        (["go", "--preset=paper"], 2),
        (["go", "--preset", "paper", "--preset", "plain"], 1),
        (["go", "--preset", "unknown"], 1),
        (["go", "--preset"], 1),
    ],
)
def test_the_last_flag_counts_and_the_parser_refuses_unknown_names(presets, argv, value):
    with presets.chosen_by(argv):
        assert presets.settings() == value
    assert presets.settings() == 1


def test_a_settings_file_may_name_it_and_a_flag_wins(presets, tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text('preset = "paper"\n')
    with presets.chosen_by(["go", "--config", str(file)]):
        assert presets.settings() == 2
    with presets.chosen_by(["go", "--preset", "plain", "--config", str(file)]):
        assert presets.settings() == 1


@pytest.mark.parametrize("text", ["preset = 3", "preset = [", "\0", "preset = 'unknown'"])
def test_what_is_wrong_with_the_file_is_told_later(presets, tmp_path, text):
    file = tmp_path / "settings.toml"
    file.write_text(text)
    with presets.chosen_by(["--config", str(file)]):
        assert presets.settings() == 1
    with presets.chosen_by(["--config", str(tmp_path)]):
        assert presets.settings() == 1


def test_the_default_is_one_of_the_names():
    with pytest.raises(ValueError, match="default must be one of a, got 'b'"):
        Presets({"a": dict}, default="b")
