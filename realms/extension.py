"""
The extension interface of a realm: what an extension is given, and what it is asked for.

An extension adds procedures and topics under its own name to a realm that names it in its YAML,
under ``extensions:``. It is found by the entry point group ``concord.extensions``:

    [options.entry_points]
    concord.extensions =
        clock = clock_extension:Clock

Rules of this interface (docs/extensions.md tells them with an example):

- Everything here runs in the reactor's thread, and nothing of it may block, apart from ``open``.
  Files and databases are the business of ``Host.background``.
- The URIs of an extension begin with its name and a dot. In a realm that has it, no client may
  register or publish there; roles say who may call and subscribe.
- What an extension raises is logged, and harms nobody else: a call is answered with an error, and
  everything goes on.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from msgspec import Struct

from realms.authorization.config import Action
from realms.permissions import Grant
from realms.procedure_call import Procedure, ProcedureCall
from realms.world import Cancellable
from router.configuration import Document, Section
from router.configuration import Path as ConfigPath
from router.routing.session import Session
from router.wamp.uris import EXACT

GROUP = "concord.extensions"

__all__ = [
    "Action",
    "Cancellable",
    "Extension",
    "ExtensionError",
    "Grant",
    "Host",
    "Measure",
    "NoSettings",
    "Payload",
    "Procedure",
    "ProcedureCall",
    "PublishRefused",
    "Session",
]


class ExtensionError(Exception):
    """
    An extension cannot work with its settings or its data.

    ``place`` is where, as in ``spaces.shop``, or ""; ``text`` is for the operator. It refuses the start of
    the router, or a reload, which then changes nothing.
    """

    def __init__(self, place: str, text: str) -> None:
        super().__init__(f"{place}: {text}" if place else text)
        self.place = place
        self.text = text


class PublishRefused(Exception):
    """A session may not publish that: ``error`` is the URI of what it would have been told with ``text``."""

    def __init__(self, error: str, text: str) -> None:
        super().__init__(text)
        self.error = error
        self.text = text


class Payload(Struct, eq=False):
    """
    The arguments of an event, plain values. One object, given to many, is encoded once for each serializer.

    The values are not to be changed afterwards.
    """

    args: list[Any] | None = None
    kwargs: Mapping[str, Any] | None = None
    _encoded: dict[Any, tuple[Any, Any]] | None = None  # serializer -> args, kwargs


class Measure(Struct, frozen=True):
    """
    One number for monitoring. Each ``name`` has one ``kind``, one ``help`` and the same ``labels``' names.

    Prometheus knows it as ``concord_<name>``, a counter with ``_total`` behind it, with the label ``realm``
    besides. ``name`` begins with that of the extension; a unit stands at its end: ``clock_skew_seconds``.
    The values of a label are few.
    """

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    value: float
    labels: Mapping[str, str] = {}


class Host(Protocol):
    """What a realm gives to one extension."""

    @property
    def realm(self) -> str:
        """The realm's name."""

    @property
    def sessions(self) -> Mapping[int, Session]:
        """Everybody who has joined: session id -> Session. To be read."""

    @property
    def data_directory(self) -> Path | None:
        """
        A directory for what this extension of this realm keeps; it is made when it is first asked for.

        ``None`` where the router keeps nothing on a disk.

        Raises:
            ExtensionError: it cannot be made.
        """

    @property
    def log(self) -> Any:
        """A ``twisted.logger.Logger``: ``info("{count} spaces", count=3)``, ``failure("...")``."""

    def now_ms(self) -> int:
        """Tell the time: milliseconds since 1970."""

    def soon(self, function: Callable[[], object]) -> None:
        """Call ``function`` at the end of this turn of the reactor."""

    def call_later(self, seconds: float, function: Callable[[], object]) -> Cancellable:
        """Call ``function`` once, in so many seconds; not after the extension was closed."""

    def background(
        self, function: Callable[[], Any], done: Callable[[Any, BaseException | None], object]
    ) -> None:
        """
        Call ``function``, which may block, in a thread; then ``done(its result, None)`` in this one.

        Where it raised, or the router has too much to do already, it is ``done(None, the exception)``.
        Functions given one after the other may run at the same time.
        """

    def publish(
        self, topic: str, args: list[Any] | None = None, kwargs: Mapping[str, Any] | None = None
    ) -> None:
        """Publish an event to everybody who subscribed to ``topic``."""

    def publish_each(
        self,
        topic: str,
        payload_of: Callable[[Session], Payload | None],
        group_of: Callable[[Session], Hashable] | None = None,
    ) -> None:
        """
        Publish an event of which each subscriber gets its own payload, or nothing where that is ``None``.

        ``payload_of`` is asked for each subscriber. With ``group_of`` it is asked for one subscriber
        of each group, and all of that group get the same. The grouping is remembered: call ``regroup`` when
        ``group_of`` would answer otherwise than before. Who subscribes or leaves, and roles that change,
        are noticed here.
        """

    def regroup(self) -> None:
        """Forget who is in which group of ``publish_each``."""

    def has_subscribers(self, topic: str) -> bool:
        """Tell whether an event of ``topic`` has any receiver, by its name or by a pattern."""

    def may_publish(self, session: Session, topic: str) -> Grant:
        """Decide whether ``session`` may publish to ``topic``: ``error`` is ``None`` where it may."""

    def publish_as(
        self,
        session: Session,
        topic: str,
        args: list[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Publish as ``session`` would, with the options of PUBLISH; it may have left by now.

        Raises:
            PublishRefused: it may not, or an option has a wrong type.
        """

    def is_allowed(self, session: Session, action: Action, uri: str, match: str = EXACT) -> bool:
        """
        Tell whether its role lets ``session`` call, register, publish or subscribe ``uri``.

        What the role's permissions leave to an authorizer is refused here, as in ``may_publish``.
        """


class NoSettings(Section, frozen=True, kw_only=True):
    """This extension has no settings."""


class Extension:
    """
    Base of all extensions; one object for each realm that names it.

    :cvar name: the key in the YAML, and the beginning of its URIs: one component of a-z, 0-9 and ``_``
    :cvar Config: its settings; the docstring and the ``Meta`` of its fields make the reference page
    :cvar sends_json: promise that what is answered and published holds no bytes and no keys but strings;
        it is then encoded faster
    :ivar procedures: URI -> Procedure; it may change at any time
    """

    name: ClassVar[str]
    Config: ClassVar[type[Section]] = NoSettings
    sends_json: ClassVar[bool] = False

    def __init__(self, host: Host, config: Any) -> None:
        self.host = host
        self.config = config
        self.procedures: dict[str, Procedure] = {}

    @classmethod
    def check(cls, document: Document[Any], path: ConfigPath) -> None:
        """Check settings across values; ``path`` is where they are. See ``router.configuration.Document``."""

    def open(self) -> None:
        """
        Begin: before this, nobody reaches the procedures. It may block.

        Raises:
            ExtensionError: it cannot, and has left nothing open; the router does not start, or the reload
                changes nothing.
        """

    def joined(self, session: Session) -> None:
        """Take note that ``session`` has joined. Who was there before ``open`` is in ``host.sessions``."""

    def left(self, session: Session) -> None:
        """Take note that ``session`` has left: it is no more in ``host.sessions``."""

    def reconfigure(self, config: Any) -> None:
        """
        Take changed settings. It may block. It may be asked to take the old ones back, where something else
        refuses the reload.

        Raises:
            ExtensionError: it cannot, and has changed nothing.
        """
        self.config = config

    def measures(self) -> Iterable[Measure]:
        """Tell monitoring what there is to tell, each time that it asks."""
        return ()

    def close(self) -> Any:
        """
        End: let go of what was opened. ``open`` had succeeded; no call comes any more.

        A Deferred is waited for, as long as ``goodbye_timeout_ms`` allows.
        """
