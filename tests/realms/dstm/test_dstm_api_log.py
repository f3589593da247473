"""``history`` and ``status``."""

from pathlib import Path
from typing import Any

from dstm_stage import Stage

RULES = {
    "spy": [{"pointer": "/open/**", "allow": ["read", "write"]}],
    "clerk": [{"pointer": "/**", "allow": ["read", "write"]}],
}


def stage(data: Path | None = None, **settings: Any) -> Stage:
    one = Stage(data, **settings).enter("ann", "bob")
    one.put("ann", "", {"open": {"n": 0}, "b": 0})
    for number in range(1, 6):
        one.put("bob", "/open/n" if number % 2 else "/b", number)
    return one


def versions(one: Stage, *args: Any, who: str = "ann", **kwargs: Any) -> list[int]:
    return [entry["version"] for entry in one.ask(who, ".history", *args, **kwargs)[1]["entries"]]


class TestHistory:
    def test_the_last_versions(self) -> None:
        one = stage()
        about = one.ask("ann", ".history", -2)[1]
        epoch = one.ask("ann", ".get")[1]["epoch"]
        assert (about["epoch"], about["version"]) == (epoch, 6)
        assert about["entries"][1] == {
            "version": 6,
            "time": one.world.now_ms(),
            "authid": "bob@x",
            "authrole": "clerk",
            "changes": [{"op": "replace", "path": "/open/n", "value": 5}],
        }
        assert versions(one) == [1, 2, 3, 4, 5, 6]
        assert versions(one, 2, 4) == [2, 3, 4]
        assert versions(one, -3, -2) == [4, 5]
        assert versions(one, 5, 99) == [5, 6]
        assert versions(one, 4, 2) == []
        assert versions(one, 9) == []
        assert versions(one, -99) == [1, 2, 3, 4, 5, 6]

    def test_those_that_touch_a_pointer(self) -> None:
        one = stage()
        assert versions(one, pointer="/open/n") == [1, 2, 4, 6]
        assert versions(one, pointer="/b") == [1, 3, 5]
        assert versions(one, pointer="/none") == [1]

    def test_in_pages(self) -> None:
        one = stage(limits={"page_bytes": 1024})
        for number in range(5):
            one.put("ann", "/text", f"{number}" * 600)
        about = one.ask("ann", ".history", 7)[1]
        assert [entry["version"] for entry in about["entries"]] == [7]
        assert about["next"] == 8
        assert one.ask("ann", ".history", 1, 6, limit=4)[1]["next"] == 5
        assert "next" not in one.ask("ann", ".history", 1, 4, limit=4)[1]

    def test_from_the_log_where_memory_has_forgotten(self, tmp_path: Path) -> None:
        one = stage(tmp_path, log="sqlite", window={"versions": 2})
        assert versions(one, 1, 3) == [1, 2, 3]
        assert versions(one, 5) == [5, 6]

    def test_a_log_that_cannot_be_read(self, tmp_path: Path) -> None:
        one = stage(tmp_path, log="sqlite", window={"versions": 2})
        request = one.call("ann", ".history", 1, 3)
        one.dstm.apis["shop"].space.log.close()
        assert one.answer("ann", request)[0] == "dstm.error.unavailable"

    def test_what_is_hidden_is_not_in_it(self) -> None:
        one = stage(access=RULES).enter("spy", role="spy")
        assert versions(one, who="spy") == [1, 2, 4, 6]
        assert versions(one, who="spy", limit=3) == [1, 2]
        assert one.ask("spy", ".history", 3, 5, limit=1)[1]["next"] == 4
        assert one.ask("spy", ".history", 1, 1)[1]["entries"][0]["changes"] == [
            {"op": "replace", "path": "", "value": {"open": {"n": 0}}}
        ]

    def test_of_what_is_forgotten_a_session_with_rules_is_told_nothing(self) -> None:
        one = stage(access=RULES, window={"versions": 3}).enter("spy", role="spy")
        assert versions(one, who="spy") == [4, 6]
        assert versions(one, 1, 2, who="spy") == []


class TestStatus:
    def test_counters_by_path(self) -> None:
        one = stage()
        one.ask("ann", ".commit", base=1, reads=["/b"], ops=[])
        about = one.ask("ann", ".status")[1]
        assert (about["state"], about["log"], about["version"]) == ("open", "memory", 6)
        assert (about["commits"], about["conflicts"]) == (6, 1)
        assert about["commits_by_path"] == {"/open/n": 3, "/b": 2, "": 1}
        assert about["conflicts_by_path"] == {"/b": 1}
        assert one.ask("ann", ".status", "/b")[1]["commits_by_path"] == {"/b": 2, "": 1}

    def test_a_session_with_rules_sees_its_own(self) -> None:
        one = stage(access=RULES).enter("spy", role="spy")
        about = one.ask("spy", ".status")[1]
        assert about["commits_by_path"] == {"/open/n": 3}
        assert "bytes" not in about
        assert "bytes" not in one.ask("spy", ".status", "/open")[1]
        assert one.ask("ann", ".status")[1]["bytes"] > 0
