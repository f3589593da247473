"""Endpoint strings: what is added before Twisted gets them."""

import pytest

from router.endpoint_strings import with_backlog


@pytest.mark.parametrize(
    "description",
    [
        "tcp:8080",
        "tcp:8080:interface=127.0.0.1",
        "tcp6:8080",
        "unix:/run/a",
        "ssl:8443:privateKey=k:certKey=c",
    ],
)
def test_more_connections_may_wait_than_twisted_lets(description: str) -> None:
    """A crowd that comes at once is not turned away by the kernel."""
    assert with_backlog(description) == f"{description}:backlog=1024"


@pytest.mark.parametrize("description", ["tcp:8080:backlog=7", "systemd:domain=INET:index=0"])
def test_what_the_operator_says_stays(description: str) -> None:
    """A backlog that is given, and a kind that has none, are left alone."""
    assert with_backlog(description) == description
