"""What a test does where this machine lacks the client that it needs."""

import os

import pytest


def unavailable(why: str) -> None:
    """Skip the test, and say why; in continuous integration (CI=true), fail instead."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"must be tested here: {why}")
    pytest.skip(why)
