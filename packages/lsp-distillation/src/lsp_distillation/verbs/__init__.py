"""The verbs of the command, each in its own module."""
