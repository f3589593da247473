"""Whom a connection is from, when proxies say so (RFC 7239 section 5.2)."""

import ipaddress

import pytest

from router.transport.client_address import forwarded_for

TRUSTED = [ipaddress.ip_network(text) for text in ("10.0.0.0/8", "2001:db8:1::/48")]


@pytest.mark.parametrize(
    ("host", "headers", "client"),
    [
        ("10.0.0.1", {}, "10.0.0.1"),
        ("10.0.0.1", {"x-forwarded-for": "192.0.2.7"}, "192.0.2.7"),
        ("10.0.0.1", {"x-forwarded-for": "192.0.2.7:4711"}, "192.0.2.7"),
        ("10.0.0.1", {"x-forwarded-for": "2001:db8::7"}, "2001:db8::7"),
        ("10.0.0.1", {"x-forwarded-for": "[2001:db8::7]:4711"}, "2001:db8::7"),
        ("10.0.0.1", {"x-forwarded-for": "192.0.2.7, 10.0.0.2 , ,10.0.0.3"}, "192.0.2.7"),
        ("10.0.0.1", {"forwarded": "for=192.0.2.60;proto=http;by=10.0.0.1"}, "192.0.2.60"),
        ("10.0.0.1", {"forwarded": 'For="[2001:db8:cafe::17]:4711"'}, "2001:db8:cafe::17"),
        ("10.0.0.1", {"forwarded": 'for=192.0.2.43, for="10.0.0.9:80"'}, "192.0.2.43"),
        ("2001:db8:1::5", {"x-forwarded-for": "192.0.2.7"}, "192.0.2.7"),
    ],
)
def test_behind_trusted_proxies(host: str, headers: dict[str, str], client: str) -> None:
    assert forwarded_for(host, headers, TRUSTED) == client


@pytest.mark.parametrize(
    ("host", "headers", "client"),
    [
        # Nobody is believed who is not a trusted proxy, nor a client that writes the header itself.
        ("192.0.2.66", {"x-forwarded-for": "192.0.2.7"}, "192.0.2.66"),
        ("10.0.0.1", {"x-forwarded-for": "127.0.0.1, 192.0.2.66"}, "192.0.2.66"),
        ("10.0.0.1", {"forwarded": "for=127.0.0.1, for=192.0.2.66, for=10.0.0.2"}, "192.0.2.66"),
        # What is no address ends the walk at the last hop that is known.
        ("10.0.0.1", {"forwarded": "for=_hidden"}, "10.0.0.1"),
        ("10.0.0.1", {"x-forwarded-for": "unknown, 10.0.0.2"}, "10.0.0.2"),
        ("10.0.0.1", {"x-forwarded-for": "999.0.0.1"}, "10.0.0.1"),
        ("10.0.0.1", {"x-forwarded-for": "10.0.0.3, 10.0.0.2"}, "10.0.0.3"),
        ("", {"x-forwarded-for": "192.0.2.7"}, ""),
        # nginx writes the one and lets through the other that its client has made up
        ("10.0.0.1", {"x-forwarded-for": "192.0.2.66", "forwarded": "for=127.0.0.1"}, "192.0.2.66"),
        ("10.0.0.1", {"x-forwarded-for": "192.0.2.66", "forwarded": "for=10.0.0.2"}, "192.0.2.66"),
    ],
)
def test_not_believed(host: str, headers: dict[str, str], client: str) -> None:
    assert forwarded_for(host, headers, TRUSTED) == client
