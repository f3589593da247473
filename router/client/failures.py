"""How a command ends when it did not do what it was asked: one exception for each exit code."""

from typing import Any, Final

GOOD: Final = 0


class Failure(Exception):
    """What ends a command; ``exit_code`` is what the process exits with, ``str()`` is for people."""

    exit_code = 1


class WampError(Failure):
    """
    An ERROR that answered a request.

    :ivar uri: of the error
    :ivar arguments: positional, plain values
    :ivar keywords: name -> plain value
    """

    exit_code = 1

    def __init__(self, uri: str, arguments: Any = (), keywords: Any = None) -> None:
        super().__init__(uri)
        self.uri = uri
        self.arguments = list(arguments or ())
        self.keywords = dict(keywords or {})


class UsageError(Failure):
    """The command was called wrongly: nothing was sent."""

    exit_code = 2


class NotConnected(Failure):
    """There is no connection, or it was lost before the command was done."""

    exit_code = 3


class NotJoined(Failure):
    """The router refused the session: no such realm, authentication failed."""

    exit_code = 4


class TimedOut(Failure):
    """The time that ``--timeout`` gave has passed."""

    exit_code = 5
