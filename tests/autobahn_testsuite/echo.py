"""
An echo on the router's own WebSocket class, for the Autobahn testsuite (see the README beside it).

    python tests/autobahn_testsuite/echo.py --port 9001 --fast text --reactor uvloop
"""

import argparse
import sys
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=9001)
    parser.add_argument("--fast", choices=("text", "binary"), default="text", help="what the fast path takes")
    parser.add_argument("--reactor", default="default")
    options = parser.parse_args()

    from twisted.application.reactors import installReactor

    installReactor(options.reactor)
    from autobahn.twisted.websocket import WebSocketServerFactory
    from twisted.internet import reactor
    from twisted.internet.endpoints import serverFromString

    from router.transport.websocket import FastWebSocket, accept_deflate, options_as_class

    class Echo(FastWebSocket):
        opcode = 0x81 if options.fast == "text" else 0x82

        def onOpen(self) -> None:
            if self._perMessageCompress is not None:
                self.opcode = 0x100

        def receive_all(self, messages: list[bytes], now: float) -> None:
            for message in messages:
                self.sendMessage(message, self.opcode == 0x82)

        def onMessage(self, payload: bytes, isBinary: bool) -> None:
            self.sendMessage(payload, isBinary)

    factory: Any = WebSocketServerFactory(reactor=reactor)
    factory.setProtocolOptions(failByDrop=False, perMessageCompressionAccept=accept_deflate)
    factory.protocol = options_as_class(Echo, factory)
    listening = serverFromString(reactor, f"tcp:{options.port}:interface=127.0.0.1").listen(factory)
    listening.addCallback(lambda port: print(f"echo on {port.getHost()}", flush=True))
    reactor.run()


if __name__ == "__main__":
    sys.exit(main())
