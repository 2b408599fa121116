"""The subcommands of `regrok`.

A module has `add_parser(sub)`, which adds its parser to argparse's subparsers with `run` as its
default, and `run(arguments) -> int | None`, the exit status. Heavy imports go inside `run`.
"""

NAMES = (
    *("status", "plan", "claims", "open", "replay", "compare", "verify", "release", "retest"),
    *("findings", "site", "new_study", "same_bits", "schema"),
)
"""Modules here, in the order of `regrok --help`."""
