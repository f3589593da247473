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

    ``rules`` are the ``StaticRules`` of the transport.
    """

    def __init__(self, page: str, websocket_path: str, mounts: Mounts, rules: Any, reactor: Any) -> None:
        self._parts = (page, websocket_path, mounts, rules, reactor)
        self._realms: Mapping[str, Any] = {}
        self._site: Any = None

    def __bool__(self) -> bool:
        """Whether there is anything to be had."""
        page, _, mounts, *_ = self._parts
        return page != "none" or bool(mounts) or bool(self._realms)

    def take(self, realms: Mapping[str, Any]) -> None:
        """Serve the files of these realms, name -> ``RealmFiles``, and of no others."""
        self._realms = realms
        if self._site is not None:
            self._site.pages.take(realms)

    def buildProtocol(self, address: Any) -> Any:
        """Make the protocol of one HTTP connection."""
        if self._site is None:
            from router.web.site import site_for

            self._site = site_for(*self._parts)
            self._site.pages.take(self._realms)
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
