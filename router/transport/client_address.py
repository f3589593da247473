"""
The client's address behind trusted proxies, from the headers that they add.

A header is believed only as far as trusted proxies have written it: the list is read from the
nearest hop backwards, and the first address that is not a trusted proxy is the client
(RFC 7239 section 5.2 and the older ``X-Forwarded-For``).
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_FOR = re.compile(r'for="?(\[[0-9a-fA-F:.]+\]|[0-9A-Za-z_.:-]+)', re.IGNORECASE)


def forwarded_for(host: str, headers: Mapping[str, str], trusted: Sequence[Network]) -> str:
    """Give the client's address, for a connection that came from ``host`` with lower-case ``headers``."""
    hops = _hops(headers)
    while hops and _is_trusted(host, trusted):
        hop = _address(hops.pop())
        if hop is None:
            return host
        host = hop
    return host


def _hops(headers: Mapping[str, str]) -> list[str]:
    """Read ``X-Forwarded-For``, else ``Forwarded``: most proxies write the first, and pass the other on."""
    hops = [hop.strip() for hop in headers.get("x-forwarded-for", "").split(",") if hop.strip()]
    return hops or _FOR.findall(headers.get("forwarded", ""))


def _address(hop: str) -> str | None:
    """Read ``192.0.2.7``, ``192.0.2.7:4711``, ``2001:db8::1`` or ``[2001:db8::1]:4711``."""
    if hop.startswith("["):
        hop = hop[1 : hop.find("]")]
    elif hop.count(":") == 1:
        hop = hop.partition(":")[0]
    try:
        return str(ipaddress.ip_address(hop))
    except ValueError:
        return None


def _is_trusted(host: str, trusted: Sequence[Network]) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in trusted)
