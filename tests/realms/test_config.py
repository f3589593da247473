"""A realm's file: what it may say, and what is wrong with it."""

from pathlib import Path
from typing import Any

import pytest

from realms.authorization.checks import grants_everything
from realms.config import Permission, RealmConfig, RoleConfig, name_of, read_realm
from router.configuration import Document, Secret, SecretSources

KEY = "A" * 43 + "="  # 32 bytes in Base64


@pytest.fixture
def realm(tmp_path: Path) -> Any:
    """Return a function that reads a text as a realm's file."""

    def checked(text: str, name: str = "realm1.yaml") -> Document[RealmConfig]:
        (tmp_path / name).write_text(text)
        return read_realm(tmp_path / name, SecretSources(tmp_path, {}))

    return checked


def permission(text: str, rules: str = "loose") -> str:
    return f"uri_check: {rules}\nroles:\n  a:\n    permissions:\n    - {{{text}}}\n"


def cra(text: str) -> str:
    return (
        f"roles: {{a: {{}}}}\nauthentication:\n  wampcra:\n    principals:\n      joe: {{role: a, {text}}}\n"
    )


class TestName:
    def test_is_the_files_name_by_default(self, realm: Any) -> None:
        assert realm("", "com.example.shop.yaml").value.name == "com.example.shop"
        assert realm("name: other").value.name == "other"

    def test_must_be_a_uri(self, realm: Any) -> None:
        (problem,) = realm("name: my realm").problems
        assert problem.message == "must be a URI (WAMP 'URIs'), as 'com.example.shop', got 'my realm'"
        (problem,) = realm("name: ''").problems
        assert problem.line == 1

    def test_of_a_file_must_be_a_uri_where_no_other_is_given(self, realm: Any) -> None:
        (problem,) = realm("limits: {}", "my realm.yaml").problems
        assert "('my realm'): set 'name'" in problem.message
        assert realm("name: fine", "my realm.yaml").value.name == "fine"

    def test_is_known_of_a_wrong_file_too(self, realm: Any) -> None:
        assert name_of(realm("name: x\nbad: 1")) == "x"


class TestPermissions:
    def test_in_full(self, realm: Any) -> None:
        text = permission("uri: com..x, match: wildcard, allow: [call, publish], disclosure: always")
        assert realm(text).value.roles["a"].permissions == (
            Permission(uri="com..x", match="wildcard", allow=("call", "publish"), disclosure="always"),
        )

    @pytest.mark.parametrize(
        ("text", "rules"),
        [
            ("uri: com..x", "loose"),
            ("uri: ''", "loose"),
            ("uri: com.X", "strict"),
            ("uri: com.X, match: prefix", "strict"),
            ("uri: com.a b, match: wildcard", "loose"),
        ],
    )
    def test_with_an_invalid_uri(self, realm: Any, text: str, rules: str) -> None:
        (problem,) = realm(permission(text, rules)).problems
        assert (problem.line, problem.path) == (5, "roles.a.permissions[0].uri")
        assert problem.message.endswith(f"(uri_check: {rules})")

    @pytest.mark.parametrize(
        "text", ["uri: '', match: prefix", "uri: com., match: prefix", "uri: com.., match: wildcard"]
    )
    def test_with_a_pattern(self, realm: Any, text: str) -> None:
        assert realm(permission(text, "strict")).problems == []

    def test_for_the_same_pattern_twice(self, realm: Any) -> None:
        text = (
            permission("uri: com.x, allow: [call]")
            + "    - {uri: com.x, match: prefix}\n    - {uri: com.x}\n"
        )
        (problem,) = realm(text).problems
        assert (problem.line, problem.column, problem.path) == (7, 13, "roles.a.permissions[2].uri")
        assert problem.message == "exact 'com.x' is also on line 5: merge the two"

    def test_that_grant_everything(self) -> None:
        every = ("call", "register", "publish", "subscribe")
        full = Permission(uri="", match="prefix", allow=every)  # type: ignore[arg-type]
        part = Permission(uri="", match="prefix", allow=("call",))
        narrow = Permission(uri="com.", match="prefix", allow=every)  # type: ignore[arg-type]
        assert grants_everything(RoleConfig(permissions=(narrow, full)))
        assert not grants_everything(RoleConfig(permissions=(narrow, part)))
        assert not grants_everything(None)

    def test_a_role_must_have_a_name(self, realm: Any) -> None:
        assert [p.path for p in realm("roles: {'': {}, ' ': {}, ok: {}}").problems] == [
            "roles['']",
            "roles[' ']",
        ]


class TestAuthentication:
    def test_in_full(self, realm: Any) -> None:
        authentication = realm(
            "roles: {a: {}}\nauthentication:\n  anonymous: {role: a}\n  ticket:\n    principals:\n"
            "      joe: {role: a, secret: s1}\n  wampcra:\n    principals:\n"
            f"      joe: {{role: a, secret: {KEY}, salt: salt1, iterations: 2000}}\n"
            "      ann: {role: a, secret: s2}\n"
        ).value.authentication
        assert authentication.anonymous.role == "a"
        assert authentication.ticket.principals["joe"].secret == Secret("s1")
        assert authentication.wampcra.principals["joe"].iterations == 2000
        assert authentication.wampcra.principals["joe"].keylen == 32
        assert authentication.wampcra.principals["ann"].salt is None

    @pytest.mark.parametrize("method", ["ticket", "wampcra"])
    def test_names_roles_that_exist(self, realm: Any, method: str) -> None:
        text = (
            f"roles: {{clerk: {{}}}}\nauthentication:\n  {method}:\n"
            "    principals:\n      joe: {role: clrk, secret: x}\n"
        )
        (problem,) = realm(text).problems
        assert problem.path == f"authentication.{method}.principals.joe.role"
        assert problem.message == "unknown role 'clrk': did you mean 'clerk'?"

    def test_with_a_salt_the_secret_is_a_derived_key(self, realm: Any) -> None:
        for secret in ("pass word", "QUJD"):
            (problem,) = realm(cra(f"secret: {secret}, salt: s")).problems
            assert problem.path == "authentication.wampcra.principals.joe.secret"
            assert (
                problem.message == "with a salt, the secret is the derived key: 32 bytes (keylen) in Base64"
            )
        assert realm(cra("secret: password")).problems == []
        assert realm(cra(f"secret: {KEY}, salt: s")).problems == []

    @pytest.mark.parametrize(
        ("text", "where", "said"),
        [
            ("anonymous: {}", "role", "missing: the key 'role' is required without an 'authenticator'"),
            ("anonymous: {role: a, authenticator: com.x}", "role", "the authenticator's to say"),
            ("ticket: {authenticator: 'com x'}", "authenticator", "must be the URI of a procedure"),
            ("ticket: {authenticator: wamp.x}", "authenticator", "is the router's own"),
            ("ticket: {authenticator_timeout_ms: 1}", "authenticator_timeout_ms", "10 to 600000"),
        ],
    )
    def test_an_authenticator_that_can_not_be(self, realm: Any, text: str, where: str, said: str) -> None:
        (problem,) = realm(f"roles: {{a: {{}}}}\nauthentication:\n  {text}\n").problems
        assert problem.path.endswith(f".{where}")
        assert said in problem.message

    @pytest.mark.parametrize(
        ("text", "warnings"),
        [
            ("ticket: {authenticator: com.x}", 1),
            ("ticket: {authenticator: com.x, authenticator_realm: other}", 0),
            ("ticket: {authenticator: com.x, principals: {joe: {role: a, secret: s}}}", 0),
            ("{ticket: {authenticator: com.x}, anonymous: {role: a}}", 0),
            ("{ticket: {authenticator: com.x}, anonymous: {authenticator: com.x}}", 2),
        ],
    )
    def test_an_authenticator_that_could_never_join(self, realm: Any, text: str, warnings: int) -> None:
        document = realm(
            f"roles: {{a: {{permissions: [{{uri: com.y, allow: [call]}}]}}}}\nauthentication:\n  {text}\n"
        )
        assert document.problems == []
        said = "who registers 'com.x' can't join this realm: no method lets anybody in by itself"
        assert [warning.message for warning in document.warnings] == [said] * warnings

    def test_without_any_method_is_a_warning(self, realm: Any) -> None:
        assert [w.message for w in realm("").warnings] == ["no method is set: nobody can join this realm"]


def test_the_marks_of_a_slow_consumer_rise(realm: Any) -> None:
    (problem,) = realm("slow_consumer:\n  low_water_bytes: 5_000_000\n").problems
    assert (problem.line, problem.path) == (2, "slow_consumer")
    assert problem.message.startswith(
        "the marks must rise: low_water_bytes 5000000, high_water_bytes 4194304"
    )
