"""The one error that a user of Regrok is meant to read."""


class RegrokError(ValueError):
    """Something the user gave is wrong: the message names the key, file or run and what to do.

    The command line and the workflow's scripts print the message alone; anything else that is
    raised is a defect of Regrok and keeps its traceback.
    """
