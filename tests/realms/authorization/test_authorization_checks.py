"""What the check of a realm's file says of its roles."""

from pathlib import Path
from typing import Any

import pytest

from realms.config import read_realm
from router.configuration import SecretSources

END = "authentication: {anonymous: {role: clerk}}\n"


@pytest.fixture
def read(tmp_path: Path) -> Any:
    """Read a file with the roles ``text``; give its problems and warnings, with their lines."""

    def run(text: str) -> tuple[list[str], list[str]]:
        file = tmp_path / "realm1.yaml"
        file.write_text(f"roles:\n{text}{END}")
        document = read_realm(file, SecretSources(tmp_path))
        shown = [
            [f"{p.line} {p.path}: {p.message}" for p in found]
            for found in (document.problems, document.warnings)
        ]
        return shown[0], shown[1]

    return run


def test_a_role_that_may_do_everything(read: Any) -> None:
    text = """\
  clerk:
    permissions:
    - {uri: "", match: prefix, allow: [call, register, publish, subscribe]}
"""
    assert read(text) == ([], ["3 roles.clerk: may do everything that no other permission of it excepts"])


@pytest.mark.parametrize("permissions", ["", "permissions: []", "permissions: [{uri: com.x, allow: []}]"])
def test_a_role_that_may_do_nothing(read: Any, permissions: str) -> None:
    problems, warnings = read(f"  clerk: {{{permissions}}}\n")
    assert problems == []
    assert warnings == ["2 roles.clerk: may do nothing: it has no permission that allows anything"]


def test_a_permission_that_never_decides(read: Any) -> None:
    text = """\
  clerk:
    permissions:
    - {uri: com..status, match: wildcard, allow: [call]}
    - {uri: com., match: prefix, allow: [subscribe]}
"""
    assert read(text) == (
        [],
        ["4 roles.clerk.permissions[0]: never decides: prefix 'com.' on line 5 goes before it everywhere"],
    )


@pytest.mark.parametrize(("uri", "start"), [("com.shop.*", "com.shop."), ("*", "")])
def test_a_star_is_no_pattern(read: Any, uri: str, start: str) -> None:
    """Other routers take it for one: here it would allow nothing that anybody asks for."""
    problems, warnings = read(f'  clerk: {{permissions: [{{uri: "{uri}", allow: [call]}}]}}\n')
    assert problems == []
    assert warnings == [
        "2 roles.clerk.permissions[0].uri: * is a character like others: for all that begins with "
        f"'{start}' write uri: '{start}' and match: prefix"
    ]


def test_what_is_always_the_routers_own(read: Any) -> None:
    text = "  clerk: {permissions: [{uri: wamp., match: prefix, allow: [call, publish, register]}]}\n"
    said = "publish and register are never allowed under wamp., concord., dstm.: they are the router's"
    assert read(text) == ([], [f"2 roles.clerk.permissions[0].allow: {said}"])


def test_good_roles_get_no_warning(read: Any) -> None:
    text = """\
  clerk:
    permissions:
    - {uri: com., match: prefix, allow: [call, publish]}
    - {uri: com.admin., match: prefix, allow: []}
    - {uri: wamp., match: prefix, allow: [call, subscribe]}
"""
    assert read(text) == ([], [])


class TestAuthorizers:
    """Whoever may register one has a role that permissions alone decide."""

    AUTHORIZER = "  backend: {permissions: [{uri: com.authorize, allow: [register]}]}\n"

    def test_good(self, read: Any) -> None:
        assert read(f"{self.AUTHORIZER}  clerk: {{authorizer: com.authorize}}\n") == ([], [])

    def test_nobody_may_register_it(self, read: Any) -> None:
        problems, warnings = read("  clerk: {authorizer: com.authorize}\n")
        assert problems == []
        assert warnings == [
            "2 roles.clerk.authorizer: no role may register 'com.authorize': it can't be asked"
        ]

    def test_the_role_of_an_authorizer_has_one_itself(self, read: Any) -> None:
        text = """\
  clerk: {authorizer: com.authorize}
  backend:
    authorizer: com.authorize
    permissions: [{uri: com., match: prefix, allow: [register]}]
"""
        (problem,), _ = read(text)
        assert problem.startswith("4 roles.backend.authorizer: this role may register 'com.authorize', ")
        assert "the authorizer of roles.clerk" in problem or "the authorizer of roles.backend" in problem

    def test_two_authorizers_may_not_decide_for_each_other(self, read: Any) -> None:
        text = """\
  one: {authorizer: com.b, permissions: [{uri: com.a, allow: [register]}]}
  clerk: {authorizer: com.a, permissions: [{uri: com.b, allow: [register]}]}
"""
        problems, _ = read(text)
        assert [problem[:5] for problem in problems] == ["2 rol", "3 rol"] or len(problems) == 2

    @pytest.mark.parametrize("uri", ["wamp.authorize", "no uri", "''", "com.", "concord.x"])
    def test_its_uri_must_be_a_clients_procedure(self, read: Any, uri: str) -> None:
        (problem,), _ = read(f"  clerk: {{authorizer: {uri}}}\n")
        assert problem.startswith("2 roles.clerk.authorizer: ")

    def test_settings_are_checked(self, read: Any) -> None:
        (problem,), _ = read("  clerk: {authorizer: com.a, authorization: {cache: sesion}}\n")
        assert "did you mean 'session'?" in problem
