"""A realm's configured limits, in the form in which the broker and the dealer take them."""

from realms.config import Limits
from router.routing.broker import BrokerLimits
from router.routing.dealer import DealerLimits


def broker_limits(limits: Limits) -> BrokerLimits:
    """Take what bounds the broker."""
    return BrokerLimits(
        subscriptions_per_session=limits.subscriptions_per_session,
        retained_events=limits.retained_events,
        retained_bytes=limits.retained_bytes,
    )


def dealer_limits(limits: Limits) -> DealerLimits:
    """Take what bounds the dealer."""
    return DealerLimits(
        registrations_per_session=limits.registrations_per_session,
        pending_calls_per_session=limits.pending_calls_per_session,
        pending_invocations_per_session=limits.pending_invocations_per_session,
        queued_calls_per_registration=limits.queued_calls_per_registration,
        kept_call_bytes_per_session=limits.kept_call_bytes_per_session,
        call_timeout_ms=limits.call_timeout_ms,
    )
