"""
The dealer by wire arrays: what goes in, what comes out, to whom, in which order.

A ``Play`` gives a message to the dealer and returns ``(session name, wire array)`` for each delivery and
``(topic, args)`` for each announcement.
"""

from router.routing.dealer import Dealer, DealerLimits
from router.routing.outputs import Announcement
from router.routing.session import Session
from router.wamp.messages import MESSAGE_TYPES

TYPES = {message_type.CODE: message_type for message_type in MESSAGE_TYPES}
NOW = 1000.0
CREATED = "2024-02-29T12:00:00.000Z"
CANCELED = "wamp.error.canceled"
TIMEOUT = "wamp.error.timeout"
NO_CANCELING = {
    "callee.progressive_call_results",
    "callee.progressive_call_invocations",
    "callee.call_timeout",
    "callee.payload_passthru_mode",
    "caller.progressive_call_invocations",
    "caller.payload_passthru_mode",
}
EVERYTHING = NO_CANCELING | {"callee.call_canceling"}
PPT = {"ppt_scheme": "wamp", "ppt_serializer": "cbor", "ppt_cipher": "aes256gcm", "ppt_keyid": "0x12"}


class Play:
    """A dealer and its sessions by name; ``now`` is the clock that the calls see."""

    def __init__(self, *, randbelow=lambda n: 0, **limits):
        self.dealer = Dealer(limits=DealerLimits(**limits), randbelow=randbelow)
        self.sessions = {}
        self.now = NOW

    def join(self, *names, features=EVERYTHING, serializer=None):
        for name in names:
            session_id = len(self.sessions) + 1
            self.sessions[name] = Session(
                session_id, f"{name}@x", "user", features=features, serializer=serializer
            )
        return self

    def outputs(self, name, wire, **more):
        session, message = self.sessions[name], TYPES[wire[0]](*wire[1:])
        dealer = self.dealer
        match wire[0]:
            case 64:
                return dealer.register(session, message, CREATED)
            case 66:
                return dealer.unregister(session, message)
            case 48:
                return dealer.call(session, message, self.now, **more)
            case 49:
                return dealer.cancel(session, message)
            case 70:
                return dealer.yield_(session, message, self.now)
        return dealer.error(session, message)

    def __call__(self, name, wire, **more):
        return self.told(self.outputs(name, wire, **more))

    def told(self, outputs):
        names = {session: name for name, session in self.sessions.items()}
        told = []
        for output in outputs:
            if isinstance(output, Announcement):
                told.append((output.topic, output.args))
            else:
                told += [(names[session], output.message.wire()) for session in output.recipients]
        return told

    def leave(self, name):
        return self.told(self.dealer.leave(self.sessions[name]))

    def expire(self, now):
        self.now = now
        return self.told(self.dealer.expire(now))

    def pending(self):
        """Give what the sessions' tables hold: calls and invocations."""
        held = self.sessions.values()
        return sum(len(each.calls) for each in held), sum(len(each.invocations) for each in held)


def pair(callee_features=EVERYTHING, options=None, **limits):
    """Give a play with a callee that registered ``com.x`` as registration 1, and a caller."""
    play = Play(**limits).join("callee", features=callee_features).join("caller")
    play("callee", [64, 1, options or {}, "com.x"])
    return play


def refused(name, request_type, request, error, text):
    return name, [8, request_type, request, {}, error, [text]]


def canceled(name, request, text="canceled by the caller"):
    return name, [8, 48, request, {}, CANCELED, [text]]


def interrupted(name, invocation, mode="killnowait", reason=CANCELED):
    return name, [69, invocation, {"mode": mode, "reason": reason}]
