"""
One publication on its way to subscribers: what it carries, and who may receive it.

Rules of this file:

- Options are read once, into a typed value; a wrong type is refused, naming the option.
- A session is admitted if all six statements of WAMP AP 'Subscriber Black- and Whitelisting' hold:
  lists of different kinds intersect, and an empty ``eligible`` list admits nobody.
- Publisher exclusion is by session id, never by the session itself, so that a retained event does
  not keep its publisher alive.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from router.routing.options import Refused, flag, shard_key
from router.routing.session import Session
from router.wamp import uris
from router.wamp.messages import Payload

if TYPE_CHECKING:
    from router.wamp.serializers import Serializer


class Audience(Struct, frozen=True, gc=False):
    """The six lists that narrow down the receivers; ``None`` where the publisher gave none."""

    eligible: frozenset[int | float] | None = None  # session ids; a float here is integral
    eligible_authid: frozenset[str] | None = None
    eligible_authrole: frozenset[str] | None = None
    exclude: frozenset[int | float] | None = None  # session ids; a float here is integral
    exclude_authid: frozenset[str] | None = None
    exclude_authrole: frozenset[str] | None = None

    def admits(self, session: Session) -> bool:
        """Tell whether ``session`` may receive the event, if it is subscribed."""
        return (
            (self.eligible is None or session.id in self.eligible)
            and (self.eligible_authid is None or session.authid in self.eligible_authid)
            and (self.eligible_authrole is None or session.authrole in self.eligible_authrole)
            and (self.exclude is None or session.id not in self.exclude)
            and (self.exclude_authid is None or session.authid not in self.exclude_authid)
            and (self.exclude_authrole is None or session.authrole not in self.exclude_authrole)
        )

    def among(self, sessions: Mapping[int, Session]) -> list[Session]:
        """Give those of ``sessions`` (id -> Session) that are admitted, at the cost of the shorter list."""
        if self.eligible is not None and len(self.eligible) < len(sessions):
            candidates = [sessions[int(chosen)] for chosen in self.eligible if chosen in sessions]
            return [session for session in candidates if self.admits(session)]
        return [session for session in sessions.values() if self.admits(session)]


_LISTS: Final = Audience.__struct_fields__


class PublishOptions(Struct, gc=False):
    """``PUBLISH.Options`` as far as the broker uses them; ``audience`` is ``None`` where no list is given."""

    acknowledge: bool
    exclude_me: bool
    retain: bool
    audience: Audience | None
    rkey: str | None


def read_publish_options(options: Mapping[str, Any]) -> PublishOptions:
    """
    Check ``PUBLISH.Options`` and fill in the defaults.

    Raises:
        Refused: ``invalid_argument``; an option has the wrong type.
    """
    flag(options, "disclose_me")  # what comes of it is the realm's decision
    return PublishOptions(
        flag(options, "acknowledge"),
        flag(options, "exclude_me") or options.get("exclude_me") is None,
        flag(options, "retain"),
        _read_audience(options),
        shard_key(options, "rkey"),
    )


def _read_audience(options: Mapping[str, Any]) -> Audience | None:
    if all(options.get(name) is None for name in _LISTS):
        return None
    try:
        audience = msgspec.convert(options, Audience)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$.")
        raise Refused(uris.INVALID_ARGUMENT, f"{path.rstrip('`')}: {reason.replace('`', '')}") from None
    for name in ("eligible", "exclude"):
        if any(type(chosen) is float and not chosen.is_integer() for chosen in getattr(audience, name) or ()):
            raise Refused(uris.INVALID_ARGUMENT, f"{name}: a session id is an integer")
    return audience


class Publication(Struct, gc=False):
    """
    An event before it is bound to a subscription.

    ``args``, ``kwargs`` and ``origin`` are those of ``Delivery``. ``excluded`` is the id of the
    publisher that does not receive its own event, ``audience`` who else does; ``None``: everybody.
    ``rkey`` is the key of its resource (WAMP AP 'Sharded Subscription').
    """

    topic: str
    id: int
    details: dict[str, Any]
    args: Payload
    kwargs: Payload
    origin: "Serializer | None" = None
    audience: Audience | None = None
    excluded: int | None = None
    rkey: str | None = None

    def admits(self, session: Session) -> bool:
        """Tell whether ``session`` may receive this, if it is subscribed."""
        return session.id != self.excluded and (self.audience is None or self.audience.admits(session))
