"""Calls, publications and subscriptions over plain HTTP, for clients that do not speak WAMP."""
