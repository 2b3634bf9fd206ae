"""The verbs of the command line, one module each: its settings, and the function that runs it."""
