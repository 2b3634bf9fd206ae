"""The one exception that is meant for the person at the terminal."""


class UserError(Exception):
    """A problem that the user can solve: a missing or damaged file, data that do not fit.

    Its message is one sentence: what is wrong, where, and how to fix it. Commands print it without
    a traceback and exit with code 1. Wrong arguments in Python raise `ValueError` instead.
    """
