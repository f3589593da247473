"""
What a WebSocket transport's port answers by HTTP beside its pages: one line for each feature.

A mount is made when the first request comes, so that its imports cost nothing before.
"""

from collections.abc import Callable
from typing import Any

from router.transport.listener import Listener
from router.web import Mounts


def mounts_of(settings: Any, node: Any, listener: Listener) -> Mounts:
    """
    Give the mounts of one transport; ``settings`` is its ``WebSocketTransport``, ``node`` the ``Node``.

    ``listener.peer(request.channel.transport, "http", headers)`` describes who made a request.
    """
    mounts: dict[str, Any] = {}
    if settings.longpoll is not None:
        mounts[settings.longpoll.path] = lambda: _longpoll(node, listener)
    if settings.bridge is not None:
        mounts[settings.bridge.path] = lambda: _bridge(settings.bridge, node, listener)
    if settings.metrics is not None:
        mounts[settings.metrics.path] = lambda: _metrics(settings.metrics, node, listener)
    if settings.health:
        mounts["/healthz"] = lambda: _health(lambda: True)
        mounts["/readyz"] = lambda: _health(lambda: node.is_ready)
    return mounts


def _longpoll(node: Any, listener: Listener) -> Any:
    from router.transport.longpoll import LongPoll

    return LongPoll(listener, node.reactor)


def _bridge(settings: Any, node: Any, listener: Listener) -> Any:
    from router.web.bridge.resource import BridgeResource

    return BridgeResource(settings, listener, node.directory, node.nonces, node.reactor)


def _metrics(settings: Any, node: Any, listener: Listener) -> Any:
    from router.metrics.page import MetricsPage

    return MetricsPage(settings, node, listener)


def _health(is_well: Callable[[], bool]) -> Any:
    from router.metrics.page import HealthPage

    return HealthPage(is_well)
