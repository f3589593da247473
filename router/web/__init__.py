"""What the router serves to browsers and other clients of HTTP."""

from collections.abc import Callable, Mapping
from typing import Any

# path, as "/metrics" -> what makes the ``twisted.web`` resource that answers there and below
Mounts = Mapping[str, Callable[[], Any]]


class LazySite:
    """
    The site of a port, made when the first request is not for a WebSocket.

    Twisted's web server takes 3 MB and a tenth of a second to import, which a router that only
    talks WAMP never needs.
    """

    def __init__(self, page: str, websocket_path: str, mounts: Mounts) -> None:
        self._page = page
        self._websocket_path = websocket_path
        self._mounts = mounts
        self._site: Any = None

    def buildProtocol(self, address: Any) -> Any:
        """Make the protocol of one HTTP connection."""
        if self._site is None:
            from router.web.site import site_for

            self._site = site_for(self._page, self._websocket_path, self._mounts)
        return self._site.buildProtocol(address)


class LazyWebhooks:
    """
    The webhooks of a node, made when a realm has one: Twisted's web client takes as much as its server.

    ``parts`` are the arguments of ``router.web.webhooks.Webhooks``.
    """

    def __init__(self, *parts: Any) -> None:
        self._parts = parts
        self._webhooks: Any = None

    def update(self, realms: Mapping[str, Any]) -> None:
        """Take the configuration of all realms, name -> ``RealmConfig``."""
        if self._webhooks is None and any(config.webhooks for config in realms.values()):
            from router.web.webhooks import Webhooks

            self._webhooks = Webhooks(*self._parts)
        if self._webhooks is not None:
            self._webhooks.update(realms)

    def stop(self) -> Any:
        """End all; a Deferred that is returned fires when their connections are closed."""
        webhooks, self._webhooks = self._webhooks, None
        return None if webhooks is None else webhooks.stop()
