"""Makes ``twistd --reactor=uvloop`` known to Twisted."""

from twisted.application.reactors import Reactor

uvloop = Reactor(
    "uvloop",
    "router.transport.uvloop_reactor",
    "uvloop: asyncio on libuv, TCP and UNIX servers on its own transports.",
)
