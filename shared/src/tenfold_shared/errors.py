"""The one exception and the one warning that are meant for the person at the terminal."""


class UserError(Exception):
    """A problem that the user can solve: a missing or damaged file, data that do not fit.

    Its message is one sentence: what is wrong, where, and how to fix it. Commands print it without
    a traceback and exit with code 1. Wrong arguments in Python raise `ValueError` instead.
    """


class AdviceWarning(UserWarning):
    """Something that stops nothing and that the user should know: a term that is inactive, odd data.

    Commands print its message as one line, whatever Python's filters of warnings say. Elsewhere it
    is a warning like others.
    """
