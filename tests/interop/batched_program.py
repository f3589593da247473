"""
An Autobahn client that batches its messages: ``python batched_program.py URL json|msgpack|cbor``.

Autobahn's ``Component`` takes no batched serializer; ``ApplicationRunner`` does.
"""

import sys
from typing import Any

from autobahn.twisted.wamp import ApplicationRunner, ApplicationSession
from autobahn.wamp.serializer import create_transport_serializer
from autobahn.wamp.types import PublishOptions
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults

CALLS = 100


class Batching(ApplicationSession):
    """Calls itself and hears itself, many times in one turn."""

    async def onJoin(self, details: Any) -> None:
        heard: list[int] = []
        all_heard: Deferred[None] = Deferred()

        def hear(number: int) -> None:
            heard.append(number)
            if len(heard) == CALLS:
                all_heard.callback(None)

        await self.register(lambda number: number + 1, "com.example.batched.next")
        await self.subscribe(hear, "com.example.batched.topic")
        options = PublishOptions(exclude_me=False)
        for number in range(CALLS):
            self.publish("com.example.batched.topic", number, options=options)
        results = await gatherResults(self.call("com.example.batched.next", n) for n in range(CALLS))
        await all_heard
        # Autobahn's logging has taken sys.stdout.
        print(results == list(range(1, CALLS + 1)), heard == list(range(CALLS)), file=sys.__stdout__)
        self.leave()

    def onDisconnect(self) -> None:
        reactor.stop()


if __name__ == "__main__":
    url, serializer = sys.argv[1:]
    chosen = create_transport_serializer(f"{serializer}.batched")
    ApplicationRunner(url, "interop", serializers=[chosen]).run(Batching, log_level="error")
