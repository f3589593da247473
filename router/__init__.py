"""Concord: a WAMP v2 router for Python on Twisted and Autobahn."""

__version__ = "0.1.0"
