"""The subcommands of `regrok`.

A module has `add_parser(sub)`, which adds its parser to argparse's subparsers with `run` as its
default, and `run(arguments) -> int | None`, the exit status. Heavy imports go inside `run`.
"""

NAMES = ("plan", "replay", "same_bits", "claims", "compare", "release", "verify", "schema")
"""Modules here, in the order of `regrok --help`."""
