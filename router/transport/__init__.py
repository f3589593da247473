"""The Twisted shell: sockets, framing, queues and timers around the routing core."""
