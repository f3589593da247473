"""A result, an error, an event, progress and a cancel: python first_client.py [URL of the router]."""

import sys

from autobahn.twisted.component import Component
from autobahn.wamp import ApplicationError, CallOptions, PublishOptions, RegisterOptions
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import react


def divide(a, b, details):
    if b == 0:
        raise ApplicationError("com.example.division_by_zero", f"{a} / 0")
    if details.progress:
        details.progress(a // b)
    return a / b


async def main(reactor, session):
    event, interrupted = Deferred(), Deferred()
    await session.register(divide, "com.example.divide", RegisterOptions(details=True))
    await session.register(lambda: Deferred(interrupted.callback), "com.example.wait")
    await session.subscribe(event.callback, "com.example.news")

    print("result:", await session.call("com.example.divide", 7, 2))
    try:
        await session.call("com.example.divide", 7, 0)
    except ApplicationError as error:
        print("error:", error.error, error.args)

    session.publish("com.example.news", "hello", options=PublishOptions(exclude_me=False))
    print("event:", await event)

    on_progress = CallOptions(on_progress=lambda part: print("progress:", part))
    print("result:", await session.call("com.example.divide", 7, 2, options=on_progress))

    call = session.call("com.example.wait")
    call.cancel()
    try:
        await call
    except CancelledError:
        await interrupted
        print("canceled, and the callee knows")


url = sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8080/ws"
react(Component(main, url).start)
