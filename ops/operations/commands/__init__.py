"""The commands, a module each: its docstring is the help, `arguments` says what it takes, and `run` does it."""
