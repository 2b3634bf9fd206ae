import json
import logging

import pytest

from tenfold_shared.commands import Options
from tenfold_shared.errors import UserError
from tenfold_shared.refusals import blamed_on, refuses


def settings_verb(config):
    """Refuse a setting, as this project's code does."""
    raise ValueError("steps must be at least 1,\n got 0.")


def misused_library(config):
    """Let a library find a mistake of this project's."""
    json.loads("{")


settings_verb.__module__ = misused_library.__module__ = f"{__name__}.verbs.go"


def test_a_refused_setting_is_one_line_and_exit_code_1(caplog):
    with caplog.at_level(logging.ERROR):
        assert refuses(settings_verb)(Options()) == 1
    assert caplog.messages == ["steps must be at least 1, got 0."]


def test_debug_shows_the_traceback():
    with pytest.raises(ValueError, match="at least 1"):
        refuses(settings_verb)(Options(debug=True))


def test_a_mistake_of_the_program_stays_a_traceback():
    with pytest.raises(json.JSONDecodeError):
        refuses(misused_library)(Options())


def test_a_verb_that_refuses_nothing_ends_with_0():
    assert refuses(lambda config: None)(Options()) == 0


def test_a_file_is_blamed_for_what_it_says(tmp_path):
    path = tmp_path / "points.csv"
    sentence = r"points\.csv: steps must be at least 1, got 0\.$"
    package = __name__.partition(".")[0]
    with pytest.raises(UserError, match=sentence), blamed_on(path, package=package):
        settings_verb(None)
    with pytest.raises(json.JSONDecodeError), blamed_on(path, package=__name__):
        json.loads("{")
