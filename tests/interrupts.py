"""Ends a training where a kill would, but inside the process."""

from __future__ import annotations


class Interrupt(Exception):
    pass


class After:
    """Raises after some updates, as a kill would, but inside the process."""

    def __init__(self, updates):
        self.left = updates

    def update(self, trainer):
        self.left -= 1
        if self.left == 0:
            raise Interrupt

    def finish(self, trainer):
        pass
