"""Descriptions of procedures, topics and errors: bounds, and what a realm's file changes."""

from typing import Any

import pytest
from realm_play import Play, config, may, play, roles

from realms.catalogue import Catalogue, ProcedureEntry, TopicEntry
from realms.config import Limits, MetaApi
from realms.permissions import Role

DEFINE, DESCRIBE = "wamp.reflect.define", "wamp.reflection.procedure.describe"
LIST = "wamp.reflection.procedure.list"


class Scene:
    """A realm, and ``ask`` as one of its sessions: the arguments of the answer, or its error."""

    def __init__(self, *names: str, **settings: Any) -> None:
        self.stage: Play = play(*names, **settings)
        self._request = 0

    def ask(self, name: str, procedure: str, *args: Any, **kwargs: Any) -> Any:
        self._request += 1
        told = self.stage(name, [48, self._request, {}, procedure, list(args), kwargs])
        wire = next(wire for who, wire in told if who == name and wire[0] in (8, 50))
        return wire[4:] if wire[0] == 8 else wire[3] if len(wire) > 3 else None

    def title(self, name: str, uri: str) -> Any:
        (found,) = self.ask(name, DESCRIBE, uri)
        return found and found.get("title")


def test_definitions_of_a_session_are_bounded() -> None:
    scene = Scene("ann", "bob", limits=Limits(definitions_per_session=2))
    for uri in ("com.a", "com.b", "com.a"):
        assert scene.ask("ann", DEFINE, uri, {}) is None
    error = ["concord.error.limit_exceeded", ["definitions_per_session=2 is reached"]]
    assert scene.ask("ann", DEFINE, "com.c", {}) == error
    assert scene.ask("bob", DEFINE, "com.c", {}) is None
    assert scene.ask("ann", DEFINE, "com.a", None) is None
    assert scene.ask("ann", DEFINE, "com.d", {}) is None


def test_a_description_is_bounded() -> None:
    error = ["concord.error.limit_exceeded", ["a description has at most 65536 bytes"]]
    assert Scene("ann").ask("ann", DEFINE, "com.a", {"description": "x" * 65_536}) == error


def test_a_long_list_is_judged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who lists ten thousand procedures again and again keeps nobody else waiting."""
    scene = Scene("ann", limits=Limits(definitions_per_session=1000))
    for number in range(50):
        scene.ask("ann", DEFINE, f"com.{number}", {})
    judged = []
    judge = Role.judge
    monkeypatch.setattr(Role, "judge", lambda role, *asked: judged.append(asked) or judge(role, *asked))
    (first,) = scene.ask("ann", LIST)
    asked = len(judged)
    assert (len(first), asked >= 50) == (50, True)
    assert scene.ask("ann", LIST) == [first]
    assert len(judged) == asked
    scene.stage.realm.reconfigure(config(roles=roles(clerk=[may("wamp.", allow=("call",))])))
    assert all(uri.startswith("wamp.") for uri in scene.ask("ann", LIST)[0])


def test_patterns_are_bounded() -> None:
    scene = Scene("ann", limits=Limits(definitions_per_session=1000))
    patterns = [".".join("" if number >> bit & 1 else "a" for bit in range(8)) for number in range(129)]
    answers = [scene.ask("ann", DEFINE, pattern, {}, match="wildcard") for pattern in patterns]
    assert answers[:128] == [None] * 128
    assert answers[128][0] == "concord.error.limit_exceeded"


@pytest.mark.parametrize(
    ("description", "text"),
    [
        ([], "description must be a dict"),
        ({"titel": "a"}, "unknown key 'titel' of a description; allowed: title, description, args, kwargs"),
        ({"result": []}, "result must be a JSON Schema: a dict"),
        ({"errors": "com.x"}, "errors must be a list of URIs"),
        ({"deprecated": "no"}, "deprecated must be true or false"),
    ],
)
def test_what_is_wrong_is_named(description: Any, text: str) -> None:
    error, (said,) = Scene("ann").ask("ann", DEFINE, "com.a", description)
    assert error == "wamp.error.invalid_argument"
    assert said.startswith(text)


def test_the_file_has_the_last_word() -> None:
    """What it describes hides what sessions have defined before, and shows it again when it is gone."""
    scene = Scene("ann", "bob")
    scene.ask("ann", DEFINE, "com.a", {"title": "ann's"})
    entry = ProcedureEntry(title="the file's")
    told = scene.stage.told(
        scene.stage.realm.reconfigure(config(catalogue=Catalogue(procedures={"com.a": entry})))
    )
    assert told == []
    assert scene.title("bob", "com.a") == "the file's"
    assert scene.ask("ann", DEFINE, "com.a", {"title": "ann's new"})[0] == "wamp.error.not_authorized"
    scene.stage.realm.reconfigure(config())
    assert scene.title("bob", "com.a") == "ann's"
    scene.stage.realm.reconfigure(config(catalogue=Catalogue(procedures={"com.a": entry})))
    scene.stage.leave("ann")
    assert scene.title("bob", "com.a") == "the file's"


def test_new_limits_hold_from_the_next_definition_on() -> None:
    scene = Scene("ann")
    scene.ask("ann", DEFINE, "com.a", {"title": "a"})
    scene.stage.realm.reconfigure(config(limits=Limits(definitions_per_session=0)))
    assert scene.ask("ann", DEFINE, "com.b", {})[0] == "concord.error.limit_exceeded"
    assert scene.title("ann", "com.a") == "a"


def test_described_gives_all() -> None:
    scene = Scene("ann", catalogue=Catalogue(topics={"com.t": TopicEntry(title="t")}))
    scene.ask("ann", DEFINE, "com.a", {"title": "a"})
    assert scene.stage.realm.reflection.described() == {
        ("topic", "exact", "com.t"): {"title": "t"},
        ("procedure", "exact", "com.a"): {"title": "a"},
    }


def test_a_callee_sees_what_it_may_register_and_a_caller_what_it_may_call() -> None:
    both = ("register", "call", "publish", "subscribe")
    scene = Scene(
        roles=roles(
            callee=[may("com.", allow=("register",)), may("wamp.")],
            caller=[may("com.", allow=("call",)), may("wamp.")],
            other=[may("com.", allow=("publish",)), may("com.x", "exact", both), may("wamp.")],
        ),
        catalogue=Catalogue(procedures={"com.a": ProcedureEntry(title="a")}),
    )
    for name in ("callee", "caller", "other"):
        scene.stage.join(name, name)
    assert [scene.title(name, "com.a") for name in ("callee", "caller", "other")] == ["a", "a", None]


def test_without_the_meta_api_there_is_none() -> None:
    scene = Scene("ann", meta_api=MetaApi(enabled=False))
    assert scene.ask("ann", DESCRIBE, "com.a")[0] == "wamp.error.no_such_procedure"
