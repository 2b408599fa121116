"""`regrok`: one program, one module of `regrok.commands` per subcommand."""

import argparse
import difflib
import os
import re
import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module, metadata
from pathlib import Path
from typing import NoReturn

from regrok import commands
from regrok.errors import RegrokError
from regrok.pipeline.interpreter import refuse_foreign_here
from regrok.surroundings import steady
from regrok.terminal import degrade


class Parser(argparse.ArgumentParser):
    """argparse's, which names the nearest word where one is wrong."""

    def error(self, message: str) -> NoReturn:
        """One message and exit status 2."""
        wrong = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)$", message)
        known = re.findall(r"[\w-]+", wrong[2]) if wrong else []
        near = difflib.get_close_matches(wrong[1], known, 1) if wrong else []
        if wrong and near:
            message = (
                f"{message[: wrong.start()]}'{wrong[1]}': there is none; did you mean '{near[0]}'?"
            )
        super().error(message)


def parser() -> argparse.ArgumentParser:
    """The command line: each module of `commands.NAMES` adds its own subcommand."""
    top = Parser(
        prog="regrok",
        description="An executable audit of what the grokking literature claims in numbers.",
        formatter_class=partial(argparse.HelpFormatter, max_help_position=16),
        epilog="examples: regrok status · regrok plan --scale smoke · regrok claims A3 · regrok verify",
    )
    top.add_argument("--version", action="version", version=f"regrok {metadata.version('regrok')}")
    sub = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in commands.NAMES:
        import_module(f"{commands.__name__}.{name}").add_parser(sub)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; what the user can mend is one message on stderr and exit status 2."""
    degrade()
    steady(os.environ)
    chosen = parser().parse_args(arguments)
    try:
        # Commands read and write below the working directory, and some a panel elsewhere.
        refuse_foreign_here()
        refuse_foreign_here(getattr(chosen, "config", Path()).parent)
        status = chosen.run(chosen)
        sys.stdout.flush()
    except RegrokError as error:
        print(f"regrok: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (head, less) has left. Python would complain once more while it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status or 0


if __name__ == "__main__":
    sys.exit(main())
