"""
WAMP ids: integers in 1..2**53, of global, router or session scope.

The core never draws an id of global scope itself: it is handed one, so that
its outputs are a function of its inputs (WAMP BP 'IDs').
"""

from random import SystemRandom
from typing import Final

MAX_ID: Final = 2**53

_random = SystemRandom()


def random_session_id() -> int:
    """Draw a session id from the operating system's randomness, so that nobody can guess another's."""
    return _random.randint(1, MAX_ID)
