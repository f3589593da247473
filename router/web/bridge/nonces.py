"""The nonces of signed requests: each is used once while its timestamp is good."""

from collections.abc import Hashable
from typing import Final

SWEEP_AT: Final = 1000  # owners; beyond that those without a nonce are forgotten


class Nonces:
    """
    What was used, bounded for each owner: one that signs too much harms nobody else.

    All nonces are kept for the same time, so the oldest stands first.
    """

    def __init__(self) -> None:
        self._used: dict[Hashable, dict[str, float]] = {}  # owner -> nonce -> until when, in order

    def use(self, owner: Hashable, nonce: str, now: float, seconds: float, limit: int) -> str:
        """Use a nonce, which is remembered for so long; tell what is wrong, or ``""``."""
        if owner not in self._used and len(self._used) >= SWEEP_AT:
            self._sweep(now)
        used = self._used.setdefault(owner, {})
        _forget_old(used, now)
        if nonce in used:
            return "this nonce was used before"
        if len(used) >= limit:
            return f"limit nonces={limit} is reached"
        used[nonce] = now + seconds
        return ""

    def _sweep(self, now: float) -> None:
        for owner, used in list(self._used.items()):
            _forget_old(used, now)
            if not used:
                del self._used[owner]


def _forget_old(used: dict[str, float], now: float) -> None:
    while used:
        nonce = next(iter(used))
        if used[nonce] > now:
            return
        del used[nonce]
