"""How importers tell the caller how far they are. They print nothing themselves."""

from typing import Protocol


class Progress(Protocol):
    """Called after each file: `done` of `total`."""

    def __call__(self, done: int, total: int) -> None:
        """Take note."""
        ...


def no_progress(done: int, total: int) -> None:
    """Ignore it."""
