"""
Simulated connections: in order while they last, slow, cut without warning.

Rules of this file:

- A connection keeps the order of its messages in each direction, as TCP does.
- A cut loses an unknown end of what is under way in each direction; each side notices later, at its own time.
- Messages cross as bytes, so that nobody shares an object with another.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from dstm_sim_world import World

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode
Receive = Callable[[Any], None]


class Direction:
    """Messages to one side: at its end, ``receive`` for each and ``lost`` once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._arrival = world.now
        self._under_way: list[Callable[[], None]] = []  # cancels of what has not arrived
        self.is_cut = False
        self.receive: Receive = lambda message: None
        self.lost: Callable[[], None] = lambda: None

    def send(self, data: bytes) -> None:
        if self.is_cut:
            return  # it goes into a dead socket
        world = self._world
        slow = world.between(5, 80) if world.chance(0.04) else world.between(0.1, 3.0)
        # whole half milliseconds, so that several messages come in one turn
        arrival = max(self._arrival, round((world.now + slow) * 2) / 2)
        self._arrival = arrival
        self._under_way.append(world.after(arrival - world.now, lambda: self._arrive(data)))

    def _arrive(self, data: bytes) -> None:
        self._under_way.pop(0)
        self.receive(decode(data))

    def cut(self) -> None:
        """Lose an end of what is under way, and tell this side later."""
        if self.is_cut:
            return
        self.is_cut = True
        keep = self._world.random.randint(0, len(self._under_way))
        for cancel in self._under_way[keep:]:
            cancel()
        del self._under_way[keep:]
        notice = max(self._arrival, self._world.now) + self._world.between(0, 60)
        self._world.after(notice - self._world.now, lambda: self.lost())


class Connection:
    """
    Two directions; a message is any JSON value.

    :ivar session: what the server calls this connection: a new number for each
    """

    def __init__(self, world: World, session: int) -> None:
        self.session = session
        self.to_server = Direction(world)
        self.to_client = Direction(world)

    def cut(self) -> None:
        self.to_server.cut()
        self.to_client.cut()

    def tell_server(self, message: Any) -> None:
        self.to_server.send(encode(message))

    def tell_client(self, message: Any) -> None:
        self.to_client.send(encode(message))
