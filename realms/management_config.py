"""
The settings of management: the section ``management`` of a realm's file.

Only values are here.
"""

from typing import Annotated, Literal

from msgspec import Meta

from router.configuration import Section


class Management(Section, frozen=True, kw_only=True):
    """The procedures and topics under `concord.` with which operators look at the router and change it."""

    roles: Annotated[
        tuple[Annotated[str, Meta(title="role", extra={"refers_to": "roles"})], ...],
        Meta(
            description="Who may use them. Each role needs a permission for them besides: a permission for "
            "everything does not make anybody an operator. An empty list means nobody.",
            examples=[["operator"]],
        ),
    ] = ()
    scope: Annotated[
        Literal["realm", "node"],
        Meta(
            title="scope",
            description="What they may see and change: this `realm` alone, or the whole `node`, with its "
            "other realms, its log and its configuration.",
        ),
    ] = "realm"
    stats_interval_ms: Annotated[
        int,
        Meta(description="Time between two events of `concord.stats`.", ge=100, le=3_600_000),
    ] = 2_000
