"""
The 24 messages of WAMP v2, each with its wire array.

A message is a value: it does not know who sent it or where it goes. The
fields stand in wire order. ``args`` and ``kwargs`` are the application payload:

- in a message that a serializer has decoded, ``msgspec.Raw``: the slice of the
  sender's bytes, already checked, in the sender's serialization;
- in a message that the router makes itself, plain Python values;
- ``None`` where the message carries none.

Decoding is msgspec's: one tagged union, one call (WAMP BP 'Messages').
Encoding goes through ``wire()``, because absent trailing elements must be absent
in the array, which msgspec alone does not do. The three messages of the hot path have
a variant for the usual payload, args alone: it is ``COMPLETE``, so that msgspec encodes
it as it is (benchmark: calls, window 64; it saves 0.14 us a message).
"""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

from msgspec import Meta, Raw, Struct

from router.wamp.ids import MAX_ID

if TYPE_CHECKING:
    Payload = Any  # msgspec.Raw, or list / dict of plain values, or None
else:
    Payload = Raw  # what tells msgspec to leave the payload as the sender's bytes

# 0 stands for "no request" in messages by which the router revokes something.
Id = Annotated[int, Meta(ge=0, le=MAX_ID)]
Wire = list[Any]


class Message(Struct, array_like=True, gc=False):
    """Base of all messages; ``gc=False`` because a message never takes part in a reference cycle."""

    CODE: ClassVar[int] = 0
    # Whether msgspec's own encoding of the object is its wire array.
    COMPLETE: ClassVar[bool] = False

    def wire(self) -> Wire:
        """Give the wire array, without absent trailing elements."""
        fields = [getattr(self, name) for name in self.__struct_fields__]
        while fields and fields[-1] is None:
            fields.pop()
        return [self.CODE, *([] if field is None else field for field in fields)]


class Hello(Message, tag=1, array_like=True, gc=False):
    """``[HELLO, realm|uri, details|dict]``"""

    CODE = 1
    realm: str
    details: dict[str, Any]


class Welcome(Message, tag=2, array_like=True, gc=False):
    """``[WELCOME, session|id, details|dict]``"""

    CODE = 2
    session: Id
    details: dict[str, Any]


class Abort(Message, tag=3, array_like=True, gc=False):
    """``[ABORT, details|dict, reason|uri, args|list?, kwargs|dict?]``"""

    CODE = 3
    details: dict[str, Any]
    reason: str
    args: Payload = None
    kwargs: Payload = None


class Challenge(Message, tag=4, array_like=True, gc=False):
    """``[CHALLENGE, authmethod|string, extra|dict]``"""

    CODE = 4
    authmethod: str
    extra: dict[str, Any]


class Authenticate(Message, tag=5, array_like=True, gc=False):
    """``[AUTHENTICATE, signature|string, extra|dict]``"""

    CODE = 5
    signature: str
    extra: dict[str, Any]


class Goodbye(Message, tag=6, array_like=True, gc=False):
    """``[GOODBYE, details|dict, reason|uri]``"""

    CODE = 6
    details: dict[str, Any]
    reason: str


class Error(Message, tag=8, array_like=True, gc=False):
    """``[ERROR, request_type|int, request|id, details|dict, error|uri, args|list?, kwargs|dict?]``"""

    CODE = 8
    request_type: int
    request: Id
    details: dict[str, Any]
    error: str
    args: Payload = None
    kwargs: Payload = None


class Publish(Message, tag=16, array_like=True, gc=False):
    """``[PUBLISH, request|id, options|dict, topic|uri, args|list?, kwargs|dict?]``"""

    CODE = 16
    request: Id
    options: dict[str, Any]
    topic: str
    args: Payload = None
    kwargs: Payload = None


class Published(Message, tag=17, array_like=True, gc=False):
    """``[PUBLISHED, request|id, publication|id]``"""

    CODE = 17
    request: Id
    publication: Id


class Subscribe(Message, tag=32, array_like=True, gc=False):
    """``[SUBSCRIBE, request|id, options|dict, topic|uri]``"""

    CODE = 32
    request: Id
    options: dict[str, Any]
    topic: str


class Subscribed(Message, tag=33, array_like=True, gc=False):
    """``[SUBSCRIBED, request|id, subscription|id]``"""

    CODE = 33
    request: Id
    subscription: Id


class Unsubscribe(Message, tag=34, array_like=True, gc=False):
    """``[UNSUBSCRIBE, request|id, subscription|id]``"""

    CODE = 34
    request: Id
    subscription: Id


class Unsubscribed(Message, tag=35, array_like=True, gc=False):
    """``[UNSUBSCRIBED, request|id, details|dict?]``; request 0 and details where the router revokes."""

    CODE = 35
    request: Id
    details: dict[str, Any] | None = None


class Event(Message, tag=36, array_like=True, gc=False):
    """``[EVENT, subscription|id, publication|id, details|dict, args|list?, kwargs|dict?]``"""

    CODE = 36
    subscription: Id
    publication: Id
    details: dict[str, Any]
    args: Payload = None
    kwargs: Payload = None

    def wire(self) -> Wire:
        if self.kwargs is not None:
            args = self.args if self.args is not None else []
            return [36, self.subscription, self.publication, self.details, args, self.kwargs]
        if self.args is not None:
            return [36, self.subscription, self.publication, self.details, self.args]
        return [36, self.subscription, self.publication, self.details]


class EventArgs(Message, tag=36, array_like=True, gc=False):
    """``[EVENT, subscription|id, publication|id, details|dict, args|list]``"""

    CODE = 36
    COMPLETE = True
    subscription: Id
    publication: Id
    details: dict[str, Any]
    args: Payload


class Call(Message, tag=48, array_like=True, gc=False):
    """``[CALL, request|id, options|dict, procedure|uri, args|list?, kwargs|dict?]``"""

    CODE = 48
    request: Id
    options: dict[str, Any]
    procedure: str
    args: Payload = None
    kwargs: Payload = None


class Cancel(Message, tag=49, array_like=True, gc=False):
    """``[CANCEL, CALL.request|id, options|dict]``"""

    CODE = 49
    request: Id
    options: dict[str, Any]


class Result(Message, tag=50, array_like=True, gc=False):
    """``[RESULT, CALL.request|id, details|dict, args|list?, kwargs|dict?]``"""

    CODE = 50
    request: Id
    details: dict[str, Any]
    args: Payload = None
    kwargs: Payload = None

    def wire(self) -> Wire:
        if self.kwargs is not None:
            args = self.args if self.args is not None else []
            return [50, self.request, self.details, args, self.kwargs]
        if self.args is not None:
            return [50, self.request, self.details, self.args]
        return [50, self.request, self.details]


class ResultArgs(Message, tag=50, array_like=True, gc=False):
    """``[RESULT, CALL.request|id, details|dict, args|list]``"""

    CODE = 50
    COMPLETE = True
    request: Id
    details: dict[str, Any]
    args: Payload


class Register(Message, tag=64, array_like=True, gc=False):
    """``[REGISTER, request|id, options|dict, procedure|uri]``"""

    CODE = 64
    request: Id
    options: dict[str, Any]
    procedure: str


class Registered(Message, tag=65, array_like=True, gc=False):
    """``[REGISTERED, request|id, registration|id]``"""

    CODE = 65
    request: Id
    registration: Id


class Unregister(Message, tag=66, array_like=True, gc=False):
    """``[UNREGISTER, request|id, registration|id]``"""

    CODE = 66
    request: Id
    registration: Id


class Unregistered(Message, tag=67, array_like=True, gc=False):
    """``[UNREGISTERED, request|id, details|dict?]``; request 0 and details where the router revokes."""

    CODE = 67
    request: Id
    details: dict[str, Any] | None = None


class Invocation(Message, tag=68, array_like=True, gc=False):
    """``[INVOCATION, request|id, registration|id, details|dict, args|list?, kwargs|dict?]``"""

    CODE = 68
    request: Id
    registration: Id
    details: dict[str, Any]
    args: Payload = None
    kwargs: Payload = None

    def wire(self) -> Wire:
        if self.kwargs is not None:
            args = self.args if self.args is not None else []
            return [68, self.request, self.registration, self.details, args, self.kwargs]
        if self.args is not None:
            return [68, self.request, self.registration, self.details, self.args]
        return [68, self.request, self.registration, self.details]


class InvocationArgs(Message, tag=68, array_like=True, gc=False):
    """``[INVOCATION, request|id, registration|id, details|dict, args|list]``"""

    CODE = 68
    COMPLETE = True
    request: Id
    registration: Id
    details: dict[str, Any]
    args: Payload


class Interrupt(Message, tag=69, array_like=True, gc=False):
    """``[INTERRUPT, INVOCATION.request|id, options|dict]``"""

    CODE = 69
    request: Id
    options: dict[str, Any]


class Yield(Message, tag=70, array_like=True, gc=False):
    """``[YIELD, INVOCATION.request|id, options|dict, args|list?, kwargs|dict?]``"""

    CODE = 70
    request: Id
    options: dict[str, Any]
    args: Payload = None
    kwargs: Payload = None


MESSAGE_TYPES: Final[tuple[type[Message], ...]] = (
    Hello, Welcome, Abort, Challenge, Authenticate, Goodbye, Error, Publish, Published,
    Subscribe, Subscribed, Unsubscribe, Unsubscribed, Event, Call, Cancel, Result,
    Register, Registered, Unregister, Unregistered, Invocation, Interrupt, Yield,
)  # fmt: skip
