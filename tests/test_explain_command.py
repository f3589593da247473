"""``concord explain``: the answer names the line that decides, and is what a running realm does."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.command import main

REALM = """\
authentication: {anonymous: {role: clerk}}
roles:
  clerk:
    permissions:
    - {uri: com.shop., match: prefix, allow: [call, subscribe], disclosure: always}
    - {uri: com.shop.admin., match: prefix}
    - {uri: com.shop.admin.hello, allow: [call, publish]}
    - {uri: wamp., match: prefix, allow: [call, subscribe]}
  backend:
    permissions: [{uri: org., match: prefix, allow: [register]}, {uri: org.authorize, allow: [register]}]
  asked:
    authorizer: org.authorize
    permissions: [{uri: com., match: prefix, allow: [call]}]
  first:
    authorizer: org.authorize
    authorization: {first: authorizer}
    permissions: [{uri: com., match: prefix, allow: [call]}]
  operator: &operator {permissions: [{uri: concord., match: prefix, allow: [call]}]}
  curious: *operator
management:
  roles: [operator]
"""


@pytest.fixture
def explain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run ``concord explain``; give the exit code, and what it printed without the path of the file."""
    (tmp_path / "realms").mkdir()
    (tmp_path / "router.yaml").write_text("")
    file = tmp_path / "realms" / "realm1.yaml"
    file.write_text(REALM)

    def run(role: str, action: str, uri: str, *more: str, realm: str = "realm1") -> tuple[int, list[str]]:
        asked = ["--realm", realm, "--role", role, "--action", action, "--uri", uri, *more]
        code = main(["explain", "-c", str(tmp_path), *asked])
        printed = capsys.readouterr()
        return code, (printed.out or printed.err).replace(str(file), "FILE").splitlines()

    return run


def test_a_permission_that_allows(explain: Any) -> None:
    assert explain("clerk", "call", "com.shop.list") == (
        0,
        [
            "allowed: role 'clerk' may call 'com.shop.list'",
            "  FILE:5:7: roles.clerk.permissions[0] decides: prefix 'com.shop.' allows call, subscribe",
            "  the other side always learns who it is",
        ],
    )


def test_a_permission_that_forbids_goes_before_one_that_allows(explain: Any) -> None:
    refused = "refused: role 'clerk' may not call 'com.shop.admin.stop' (wamp.error.not_authorized)"
    assert explain("clerk", "call", "com.shop.admin.stop") == (
        0,
        [
            refused,
            "  FILE:6:7: roles.clerk.permissions[1] decides: prefix 'com.shop.admin.' allows nothing",
            "  FILE:5:7: roles.clerk.permissions[0] matches, and another goes before it: "
            "prefix 'com.shop.' allows call, subscribe",
        ],
    )


def test_nothing_matches(explain: Any) -> None:
    assert explain("clerk", "publish", "net.x") == (
        0,
        [
            "refused: role 'clerk' may not publish 'net.x' (wamp.error.not_authorized)",
            "  FILE:3:3: roles.clerk: no permission of the role matches",
        ],
    )


def test_a_pattern_of_which_a_part_is_forbidden(explain: Any) -> None:
    _, lines = explain("clerk", "subscribe", "com.shop.", "--match", "prefix")
    assert lines == [
        "refused: role 'clerk' may not subscribe 'com.shop.' with match 'prefix' (wamp.error.not_authorized)",
        "  FILE:6:7: roles.clerk.permissions[1] decides, as a part of that pattern is its: "
        "prefix 'com.shop.admin.' allows nothing",
        "  FILE:5:7: roles.clerk.permissions[0] matches, and another goes before it: "
        "prefix 'com.shop.' allows call, subscribe",
    ]


def test_reserved_uris(explain: Any) -> None:
    _, lines = explain("clerk", "register", "wamp.session.count")
    assert lines[0].startswith("refused: wamp.*, concord.*, dstm.* are the router's own")
    assert lines[1:] == ["  no permission can allow that"]
    _, lines = explain("clerk", "call", "wamp.session.count")
    assert lines[0] == "allowed: role 'clerk' may call 'wamp.session.count'"
    assert lines[-1].startswith("  the router answers such calls itself")


def test_what_is_for_operators(explain: Any) -> None:
    """A permission alone makes nobody an operator."""
    _, lines = explain("operator", "call", "concord.realms")
    assert lines[-1] == "  FILE:21:3: management.roles has the role: it may do what operators do"
    _, lines = explain("curious", "call", "concord.realms")
    assert lines[0] == "allowed: role 'curious' may call 'concord.realms'"
    assert lines[-1].endswith("management.roles does not have the role: what is for operators is refused")


def test_what_is_not_valid(explain: Any) -> None:
    code, lines = explain("clerk", "call", "no uri")
    assert code == 0
    assert lines[0].startswith("refused: 'no uri' is no valid URI")
    assert len(lines) == 2


def test_an_authorizer_decides_the_rest(explain: Any) -> None:
    asked = "asked: role 'asked': its authorizer decides whether it may publish 'net.x'"
    assert explain("asked", "publish", "net.x") == (
        0,
        [
            asked,
            "  FILE:12:5: roles.asked.authorizer decides: org.authorize is called; no permission matches",
        ],
    )
    assert explain("asked", "call", "com.x")[1][0] == "allowed: role 'asked' may call 'com.x'"
    assert explain("asked", "subscribe", "com.x")[1][0].startswith("refused: ")


def test_an_authorizer_that_is_asked_first(explain: Any) -> None:
    _, lines = explain("first", "call", "com.x")
    assert lines[0] == "asked: role 'first': its authorizer decides whether it may call 'com.x'"
    assert lines[2] == "  FILE:17:19: roles.first.permissions[0] matches: prefix 'com.' allows call"


def test_nobody_becomes_an_authorizer_by_asking_one(explain: Any) -> None:
    for uri, match in (("org.authorize", "exact"), ("org.", "prefix"), (".authorize", "wildcard")):
        _, lines = explain("first", "register", uri, "--match", match)
        assert lines[0].startswith("refused: "), lines


def test_who_does_not_exist(explain: Any) -> None:
    assert explain("clark", "call", "com.x") == (
        1,
        ["concord: unknown role 'clark' of the realm realm1: did you mean 'clerk'?"],
    )
    assert explain("clerk", "call", "com.x", realm="realm2") == (
        1,
        ["concord: unknown realm 'realm2': did you mean 'realm1'?"],
    )


def test_a_call_names_one_uri(explain: Any) -> None:
    assert explain("clerk", "call", "com.", "--match", "prefix") == (
        2,
        ["concord: --match prefix: a call names one URI"],
    )


ACTIONS = st.tuples(st.sampled_from(["call", "publish"]), st.just("exact")) | st.tuples(
    st.sampled_from(["register", "subscribe"]), st.sampled_from(["exact", "prefix", "wildcard"])
)
URIS = ["com.shop.x", "com.shop.", "com..x", "com.shop.admin.hello", "org.authorize", "wamp.x", ""]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["clerk", "asked", "first", "backend"]), ACTIONS, st.sampled_from(URIS))
def test_every_answer_names_a_line_or_says_why_not(
    explain: Any, role: str, asked: tuple[str, str], uri: str
) -> None:
    """Whatever is asked: one word first, then at least one reason."""
    code, lines = explain(role, asked[0], uri, "--match", asked[1])
    assert code == 0
    assert re.match("(allowed|refused|asked): ", lines[0])
    assert lines[1].startswith(("  FILE:", "  no permission "))
