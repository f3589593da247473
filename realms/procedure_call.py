"""
A call of a procedure that the realm or one of its extensions answers itself.

Rules of this file:

- A procedure answers its call when it likes: at once, or in a later turn. What ends a call otherwise
  (CANCEL, its timeout, its caller leaving) ends it for good: an answer after that goes nowhere.
- The payload stays as the caller's bytes until somebody asks for it.
- What is answered is encoded while the procedure stands on the stack, so that a value that no
  serializer can carry is the procedure's own exception, and nobody else's.

The hot path (benchmarks/dstm.py: commits): one small object for each call, and a call that is
answered at once stands in no table.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, Protocol, TypeVar

import msgspec
from msgspec import Raw, Struct

from router.routing.deadlines import Timer
from router.routing.outputs import Delivery
from router.routing.session import Session
from router.wamp.messages import Call, Error, Result
from router.wamp.serializers import JSON, MSGPACK, Serializer

S = TypeVar("S", bound=Struct)

NEW: Final = 0  # its procedure runs
PENDING: Final = 1  # it stands in ``session.calls``, because its procedure has not answered
ENDED: Final = 2

# How WAMP writes binary data in JSON (WAMP AP 'Binary support in JSON').
_BINARY_MARK: Final = b"\\u0000"

_encode_json: Final = msgspec.json.Encoder().encode


class DeskPort(Protocol):
    """What a call needs of the owner of its procedure."""

    @property
    def dump(self) -> "Dump":
        """Encode what the owner answers."""

    def send(self, delivery: Delivery) -> None:
        """Send one message."""

    def settle(self, call: "ProcedureCall") -> None:
        """Take a pending call out of every table."""

    def postpone(self, call: "ProcedureCall") -> None:
        """Start the timeout of a pending call anew."""

    def defect(self, what: Any = None) -> None:
        """Log the exception that is being handled, and answer the call that it was about."""


Procedure = Callable[["ProcedureCall"], None]
Dump = Callable[[Serializer, Any], Raw]  # plain values as a payload of this serializer


class ProcedureCall(Struct, eq=False):
    """
    One CALL, from its arrival to its answer.

    :ivar session: the caller; its ``id``, ``authid`` and ``authrole`` say who it is
    :ivar procedure: the URI that was called
    :ivar request: the caller's request id
    :ivar on_cancel: set it to be told, once and without arguments, that nobody waits any more: the call
        was canceled, its time is over, or its caller left
    """

    session: Session
    procedure: str
    request: int
    desk: DeskPort
    _args: Any  # msgspec.Raw until it is asked for; a list; None
    _kwargs: Any  # msgspec.Raw until it is asked for; a dict; None
    wants_progress: bool = False
    on_cancel: Callable[[], object] | None = None
    state: int = NEW  # this and what follows is the realm's
    timeout: float = 0.0  # seconds; 0 means none
    timer: "Timer[ProcedureCall] | None" = None

    def __repr__(self) -> str:
        return f"<ProcedureCall {self.request} of {self.procedure!r} by {self.session!r}>"

    @property
    def args(self) -> list[Any]:
        """The positional arguments, as plain values."""
        args = self._args
        if type(args) is Raw:
            assert self.session.serializer is not None  # it was this one that left the bytes
            self._args = args = self.session.serializer.load(args)
        return args if args is not None else []

    @property
    def kwargs(self) -> dict[str, Any]:
        """The keyword arguments, as plain values."""
        kwargs = self._kwargs
        if type(kwargs) is Raw:
            assert self.session.serializer is not None
            self._kwargs = kwargs = self.session.serializer.load(kwargs)
        return kwargs if kwargs is not None else {}

    @property
    def is_over(self) -> bool:
        """Whether it was answered, or ended otherwise: what is still answered goes nowhere."""
        return self.state == ENDED

    def decode(self, shape: type[S]) -> S | None:
        """
        Read the keyword arguments into ``shape``, straight from the caller's bytes where that is possible.

        ``None`` where they do not fit: then look at ``kwargs``, and say what is wrong. Binary data in a
        field of any type may arrive as such; a string never stands for it.
        """
        raw = self._kwargs
        try:
            if type(raw) is Raw:
                serializer = self.session.serializer
                fitting: S
                if serializer is MSGPACK:
                    fitting = _msgpack_decoder(shape)(raw)
                    return fitting
                if serializer is JSON and _BINARY_MARK not in bytes(raw):
                    fitting = _json_decoder(shape)(raw)
                    return fitting
            return msgspec.convert(self.kwargs, shape)
        except (msgspec.ValidationError, _Foreign):
            return None

    def result(self, args: list[Any] | None = None, kwargs: Mapping[str, Any] | None = None) -> None:
        """
        Answer the call.

        Raises:
            TypeError, OverflowError, ...: no serializer carries these values; the call goes on.
        """
        if self.state == ENDED:
            return
        payload = self._encoded(args, kwargs)
        self.end()
        session = self.session
        answer = Result(self.request, {}, *payload)
        self.desk.send(Delivery((session,), answer, session.serializer))

    def error(self, uri: str, text: str = "", kwargs: Mapping[str, Any] | None = None) -> None:
        """
        Answer the call with an ERROR: ``[text]`` are its arguments, if there is one.

        Raises: as ``result``.
        """
        if self.state == ENDED:
            return
        payload = self._encoded([text] if text else None, kwargs)
        self.end()
        session = self.session
        session.note_error(uri)
        answer = Error(Call.CODE, self.request, {}, uri, *payload)
        self.desk.send(Delivery((session,), answer, session.serializer))

    def progress(self, args: list[Any] | None = None, kwargs: Mapping[str, Any] | None = None) -> None:
        """
        Send a progressive result, if the caller asked for them, and start the timeout anew.

        Raises: as ``result``.
        """
        if self.state == ENDED or not self.wants_progress:
            return
        payload = self._encoded(args, kwargs)
        if self.timer is not None:
            self.desk.postpone(self)
        session = self.session
        answer = Result(self.request, {"progress": True}, *payload)
        self.desk.send(Delivery((session,), answer, session.serializer))

    def _encoded(self, args: list[Any] | None, kwargs: Mapping[str, Any] | None) -> tuple[Any, Any]:
        """Give the payload in the caller's serialization."""
        serializer = self.session.serializer
        if serializer is None:
            return args, kwargs
        dump = self.desk.dump
        return (
            None if args is None else dump(serializer, args),
            None if kwargs is None else dump(serializer, kwargs),
        )

    def end(self) -> None:
        """Make it over, whoever ended it."""
        if self.state == PENDING:
            self.desk.settle(self)
        self.state = ENDED
        self.on_cancel = None


def dump_json(serializer: Serializer, value: Any) -> Raw:
    """
    Give plain values as a payload, knowing that they are JSON: no bytes, and strings as keys.

    JSON's encoder then takes them as they are, without a look at each value.
    """
    return Raw(_encode_json(value)) if serializer is JSON else serializer.dump(value)


def dump_any(serializer: Serializer, value: Any) -> Raw:
    """Give plain values as a payload."""
    return serializer.dump(value)


class _Foreign(Exception):
    """An extension type of MessagePack, which no shape has."""


def _refuse_extension(code: int, data: memoryview) -> Any:
    raise _Foreign


@lru_cache(maxsize=256)
def _json_decoder(shape: type[S]) -> Callable[[Raw], S]:
    return msgspec.json.Decoder(shape).decode


@lru_cache(maxsize=256)
def _msgpack_decoder(shape: type[S]) -> Callable[[Raw], S]:
    return msgspec.msgpack.Decoder(shape, ext_hook=_refuse_extension).decode
