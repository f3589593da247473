"""The configuration of spaces: what is refused, with its place, and what becomes of the rest."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from realms.dstm.config import (
    DstmConfig,
    SpaceConfig,
    constraints_of,
    limits_of,
    load_function,
    name_problem,
    rules_of,
    settings_of,
)
from realms.dstm.settings import Settings
from router.config_directory import load
from router.configuration import ConfigurationError

ROLES = {"roles": {"user": {}}, "authentication": {"anonymous": {"role": "user"}}}


def problems(tmp_path: Path, **space: Any) -> list[str]:
    """Load a realm whose space ``shop`` has these settings; give its problems, place and message."""
    return problems_of(tmp_path, {"shop": space})


def problems_of(tmp_path: Path, spaces: Any) -> list[str]:
    (tmp_path / "realms").mkdir()
    (tmp_path / "router.yaml").write_text("")
    realm = {**ROLES, "extensions": {"dstm": {"spaces": spaces}}}
    (tmp_path / "realms" / "realm1.yaml").write_text(yaml.safe_dump(realm))
    try:
        load(tmp_path)
    except ConfigurationError as error:
        return [f"{p.path.removeprefix('extensions.dstm.spaces.')}: {p.message}" for p in error.problems]
    return []


def test_a_good_one(tmp_path: Path) -> None:
    assert (
        problems(
            tmp_path,
            log="memory",
            access={"user": [{"pointer": "/users/{authid}/**", "allow": ["read", "write"]}]},
            constraints=[
                {"pointer": "/a/*", "minimum": 0, "maximum": 5},
                {"pointer": "/b", "schema": '{"type": "object"}'},
                {"pointer": "/c", "predicate": "dstm_stage:never_zero"},
            ],
            functions={"take": {"function": "dstm_functions:take", "roles": ["user"]}},
        )
        == []
    )


@pytest.mark.parametrize(
    ("space", "place", "says"),
    [
        ({"log": "nats"}, "shop.log", "unknown log 'nats'"),
        ({"acces": {}}, "shop.acces", "did you mean 'access'"),
        ({"access": {"usr": []}}, "shop.access.usr", "did you mean 'user'"),
        (
            {"access": {"user": [{"pointer": "x"}]}},
            "shop.access.user[0].pointer",
            "JSON Pointer",
        ),
        ({"access": {"user": [{"pointer": "/**/x"}]}}, "shop.access.user[0].pointer", "last token"),
        ({"access": {"user": [{"pointer": "/list/-"}]}}, "shop.access.user[0].pointer", "arrays are refused"),
        ({"access": {"user": [{"pointer": "/{auth}"}]}}, "shop.access.user[0].pointer", "{authid}"),
        (
            {"access": {"user": [{"pointer": "/x", "allow": ["raed"]}]}},
            "shop.access.user[0].allow[0]",
            "did you mean 'read'",
        ),
        (
            {"access": {"user": [{"pointer": "/x"}, {"pointer": "/x"}]}},
            "shop.access.user",
            "'/x' is listed twice",
        ),
        ({"constraints": [{"pointer": "/x"}]}, "shop.constraints[0]", "needs one of"),
        ({"constraints": [{"pointer": "x", "minimum": 1}]}, "shop.constraints[0].pointer", "JSON Pointer"),
        (
            {"constraints": [{"pointer": "/x", "minimum": 2, "maximum": 1}]},
            "shop.constraints[0]",
            "minimum 2 is above maximum 1",
        ),
        ({"constraints": [{"pointer": "/x", "schema": "{"}]}, "shop.constraints[0]", "no JSON Schema"),
        (
            {"constraints": [{"pointer": "/x", "schema": '{"type": "nothing"}'}]},
            "shop.constraints[0]",
            "no JSON Schema",
        ),
        ({"constraints": [{"pointer": "/x", "predicate": "none:x"}]}, "shop.constraints[0]", "none"),
        (
            {"functions": {"f": {"function": "dstm_functions"}}},
            "shop.functions.f.function",
            "module:function",
        ),
        ({"functions": {"f": {"function": "none:f"}}}, "shop.functions.f.function", "cannot import"),
        (
            {"functions": {"f": {"function": "dstm_functions:none"}}},
            "shop.functions.f.function",
            "AttributeError",
        ),
        (
            {"functions": {"f": {"function": "dstm_functions:not_a_function"}}},
            "shop.functions.f.function",
            "no function",
        ),
        (
            {"functions": {"f": {"function": "dstm_functions:take", "roles": ["usr"]}}},
            "shop.functions.f.roles[0]",
            "did you mean 'user'",
        ),
        ({"limits": {"ops": 0}}, "shop.limits.ops", "must be 1 to"),
        ({"window": {"bytes": 1}}, "shop.window.bytes", "must be 1024 to"),
        ({"digest_every": -1}, "shop.digest_every", "must be 0 to"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path: Path, space: Any, place: str, says: str) -> None:
    (problem,) = problems(tmp_path, **space)
    assert problem.startswith(f"{place}: ")
    assert says in problem


@pytest.mark.parametrize("name", ["a.b", "", "list", "ä", "x" * 101, "a b"])
def test_names_of_spaces(tmp_path: Path, name: str) -> None:
    assert name_problem(name)
    assert len(problems_of(tmp_path, {name: {}})) == 1
    assert name_problem("Shop_2-b") is None


def test_functions_are_imported() -> None:
    assert load_function("pathlib:Path.cwd") == Path.cwd
    with pytest.raises(ValueError, match="module:function"):
        load_function(":f")


def test_the_defaults_are_those_of_the_sequencer() -> None:
    assert settings_of(SpaceConfig()) == Settings()
    assert limits_of(SpaceConfig().limits) == Settings().limits
    assert DstmConfig().spaces == {}


def test_settings_become_the_sequencers() -> None:
    space = msgspec.convert(
        {
            "limits": {"ops": 5, "bindings": 6, "waits": 7, "wait_ms": 8000, "queue": 9},
            "window": {"versions": 10},
            "history": {"versions": 11, "age_ms": 12},
            "fairness": {"in_flight": 13, "losses": 14, "deferral_ms": 15},
            "constraints": [{"pointer": "/x", "minimum": 1}],
        },
        SpaceConfig,
    )
    settings = settings_of(space)
    assert settings.limits.ops == 5
    assert (settings.bindings, settings.waits, settings.wait_ms, settings.queue) == (6, 7, 8000, 9)
    assert (settings.window_versions, settings.retention_versions, settings.retention_age_ms) == (10, 11, 12)
    assert (settings.in_flight_per_client, settings.defer_after, settings.defer_ms) == (13, 14, 15)
    assert settings.constraints == constraints_of(space.constraints)


def test_rules_by_role() -> None:
    space = msgspec.convert(
        {
            "access": {
                "user": [{"pointer": "/a/**", "allow": ["read"]}],
                "admin": [],
                "nobody": [{"pointer": "/**"}],
            }
        },
        SpaceConfig,
    )
    rules = rules_of(space)
    sights = {role: found.sight("x") for role, found in rules.items()}
    assert {role: sight.some if sight else None for role, sight in sights.items()} == {
        "user": 1,
        "admin": 0,
        "nobody": 0,
    }
