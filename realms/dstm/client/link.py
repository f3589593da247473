"""
What the client's core asks of its surroundings, and what it hears from them.

A *link* is one joined session of any WAMP library; a space sees many in its life, one at a time. The
*surroundings* are what differs between frameworks and in tests: timers, chance, the log. A *channel*
is the link in use, as the core sees it: once it is closed, nothing comes out of it any more, so that
no other module has to ask whether an answer is late.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from realms.dstm.errors import DstmError


class Reply(NamedTuple):
    """The result of a CALL; of a SUBSCRIBE, where both are empty."""

    args: list[Any]
    kwargs: dict[str, Any]


class LinkLost(NamedTuple):
    """No answer will come: the session ended, and what was asked may or may not have happened."""

    reason: str


Answer = Reply | DstmError
OnAnswer = Callable[[Answer], None]
OnOutcome = Callable[[Answer | LinkLost], None]
OnEvent = Callable[[list[Any], dict[str, Any]], None]


class Link(Protocol):
    """One joined session. It may answer from inside ``call`` and ``subscribe``."""

    def call(self, procedure: str, args: list[Any], kwargs: dict[str, Any], done: OnOutcome) -> None:
        """Send a CALL; ``done`` gets its outcome once."""

    def subscribe(self, topic: str, on_event: OnEvent, done: OnOutcome) -> None:
        """Send a SUBSCRIBE; ``on_event`` gets args and kwargs of each event from SUBSCRIBED on."""

    def unsubscribe(self) -> None:
        """Undo every ``subscribe`` of this link; nothing is answered."""


class Surroundings(Protocol):
    """Time, chance and the log."""

    def later(self, seconds: float, function: Callable[[], None]) -> Callable[[], None]:
        """Call ``function`` after ``seconds``, never at once; what is returned cancels it."""

    def random(self) -> float:
        """Draw from [0, 1)."""

    def warn(self, text: str) -> None:
        """Tell whoever runs the program of something that should not happen."""

    def defect(self, text: str, error: BaseException) -> None:
        """Log an exception of the application's own callbacks."""


class Channel:
    """
    The link in use; ``close`` cuts it off.

    :ivar turn: runs one input of the core to its end
    :ivar lost: called once, when the link is found lost
    """

    def __init__(
        self, link: Link, turn: Callable[[Callable[[], None]], None], lost: Callable[[str], None]
    ) -> None:
        self.link = link
        self.is_open = True
        self._turn = turn
        self._lost = lost

    def call(self, procedure: str, args: list[Any], kwargs: dict[str, Any], done: OnAnswer) -> None:
        """Call; ``done`` gets the answer, unless the channel is closed before."""
        self.link.call(procedure, args, kwargs, self._guarded(done))

    def subscribe(self, topic: str, on_event: OnEvent, done: OnAnswer) -> None:
        """Subscribe; events come until the channel is closed."""

        def event(args: list[Any], kwargs: dict[str, Any]) -> None:
            if self.is_open:
                self._turn(lambda: on_event(args, kwargs))

        self.link.subscribe(topic, event, self._guarded(done))

    def close(self) -> None:
        """Let nothing through any more."""
        self.is_open = False

    def _guarded(self, done: OnAnswer) -> OnOutcome:
        def outcome(outcome: Answer | LinkLost) -> None:
            if not self.is_open:
                return
            if isinstance(outcome, LinkLost):
                self._turn(lambda: self._lost(outcome.reason))
            else:
                self._turn(lambda: done(outcome))

        return outcome
