"""
Failed attempts to join, counted, so that nobody guesses a secret.

Rules of this file:

- What counts is a client that was somebody and could not prove it. Who gets in costs nothing.
- Three budgets, each a token bucket that is full again after ``window_ms``: of an address, of a name from an
  address, and of a name from anywhere. The last one, once spent, lets in from addresses that have not
  failed for this name: who attacks a name from everywhere gets one attempt from each address, and
  its owner still gets in from his own.
- What is refused over a budget tells nothing: names that do not exist have the same budgets.
- An IPv6 address counts with its whole /64 network, which one host has. Clients on a Unix socket have no
  address; their names have budgets all the same.
- The table is bounded; what was touched longest ago is forgotten first.
"""

import ipaddress
from collections import OrderedDict
from hashlib import blake2b
from typing import Final

from realms.auth.common_config import Failures

_ANYWHERE: Final = "*"
_NOBODY: Final = b""
Key = tuple[str, bytes]  # address, digest of the authid; either may be absent


class FailedAttempts:
    """
    The failures of one realm.

    :ivar settings: may be replaced; what was counted stays
    """

    def __init__(self, settings: Failures) -> None:
        self.settings = settings
        # key -> attempts that are left, and when that was so; a full bucket need not be here
        self._left: OrderedDict[Key, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._left)

    def wait(self, host: str, authid: str | None, now: float) -> float:
        """Tell for how many seconds no attempt of ``authid`` from ``host`` is taken; 0 where it is."""
        if not self._left or not self.settings.enabled:
            return 0.0
        address, name = network_of(host), _digest(authid)
        settings = self.settings
        waits = [0.0]
        if address:
            waits.append(self._until((address, _NOBODY), settings.address_attempts, 1, now))
        if name:
            pair = (address, name)
            waits.append(self._until(pair, settings.authid_attempts, 1, now))
            clean = self._until(pair, settings.authid_attempts, settings.authid_attempts, now)
            everywhere = self._until((_ANYWHERE, name), settings.authid_attempts_anywhere, 1, now)
            waits.append(min(clean, everywhere))
        return max(waits)

    def failed(self, host: str, authid: str | None, now: float) -> None:
        """Count one failure."""
        settings = self.settings
        address, name = network_of(host), _digest(authid)
        if address:
            self._spend((address, _NOBODY), settings.address_attempts, now)
        if name:
            self._spend((address, name), settings.authid_attempts, now)
            self._spend((_ANYWHERE, name), settings.authid_attempts_anywhere, now)
        while len(self._left) > settings.entries:
            self._left.popitem(last=False)

    def succeeded(self, host: str, authid: str | None) -> None:
        """Forget what ``authid`` mistyped at ``host``."""
        if self._left:
            self._left.pop((network_of(host), _digest(authid)), None)

    def _spend(self, key: Key, attempts: int, now: float) -> None:
        # Below nothing where several attempts were judged at once: as far as what comes back in a window.
        self._left[key] = (max(self._now_left(key, attempts, now) - 1, -attempts), now)
        self._left.move_to_end(key)

    def _until(self, key: Key, attempts: int, wanted: int, now: float) -> float:
        """Tell in how many seconds a bucket has ``wanted`` attempts; one that is full is forgotten."""
        if key not in self._left:
            return 0.0
        left = self._now_left(key, attempts, now)
        if left >= attempts:
            del self._left[key]
        return max(0.0, (wanted - left) / self._rate(attempts))

    def _now_left(self, key: Key, attempts: int, now: float) -> float:
        left, since = self._left.get(key, (float(attempts), now))
        return min(attempts, left + (now - since) * self._rate(attempts))

    def _rate(self, attempts: int) -> float:
        """Give the attempts that come back in a second."""
        return attempts * 1000 / self.settings.window_ms


def network_of(host: str) -> str:
    """Give what counts as one address: an IPv4 address, the /64 network of an IPv6 address."""
    if ":" not in host:
        return host
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    mapped = address.ipv4_mapped
    return str(mapped) if mapped is not None else str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))


def _digest(authid: str | None) -> bytes:
    """Give 16 bytes that stand for a name, however long it is."""
    return blake2b(authid.encode(errors="surrogatepass"), digest_size=16).digest() if authid else _NOBODY
