"""
The command line client: ``concord call``, ``publish``, ``subscribe``, ``register``, ``dstm`` and ``top``.

It speaks to any WAMP router, over Autobahn's transports and serializers on asyncio.

Rules of this package:

- Nothing of the router is imported here, and what a command needs is imported when it runs: it is to
  start fast. ``parser`` imports neither Autobahn nor asyncio.
- Standard output carries JSON alone, one value a line. Everything else goes to standard error.
- A secret is never printed, and never in a message of an exception.
"""
