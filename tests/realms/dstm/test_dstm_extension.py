"""The spaces of a realm: opened, made, dropped, backed up, reloaded, closed."""

import os
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest
from dstm_stage import SPACE, Stage

from realms.dstm.config import DstmConfig
from realms.dstm.created import CreatedSpaces
from realms.dstm.log import LogUnavailable
from realms.dstm.log.directory import DataDirectory
from realms.extension import ExtensionError

MEMORY = {"log": "memory"}
SQLITE = {"log": "sqlite"}


def names(one: Stage) -> list[str]:
    return [space["name"] for space in one.ask("ann", "list")[0][0]]


def stop(one: Stage) -> None:
    """Close the realm's extensions, and wait for their logs."""
    one.realm.extensions.close()
    ((_, closed),) = one.world.closed
    one.settle()
    assert closed.called


class TestSpaces:
    def test_they_are_listed(self, tmp_path: Path) -> None:
        one = Stage(tmp_path, {"b": SQLITE, "a": MEMORY}).enter("ann")
        listed = one.ask("ann", "list")[0][0]
        assert [
            (space["name"], space["log"], space["made"], space["state"], space["version"]) for space in listed
        ] == [
            ("a", "memory", False, "open", 0),
            ("b", "sqlite", False, "open", 0),
        ]

    def test_what_is_durable_is_there_after_a_restart(self, tmp_path: Path) -> None:
        one = Stage(tmp_path, log="sqlite").enter("ann")
        one.put("ann", "/a", 1)
        _, synced = one.ask("ann", ".sync")
        stop(one)
        two = Stage(tmp_path, log="sqlite").enter("ann")
        assert two.ask("ann", ".sync", 1, synced["epoch"], synced["hash"])[1]["deltas"] == []
        assert two.ask("ann", ".get")[0] == [{"a": 1}]
        stop(two)

    def test_nothing_is_on_the_disk_before_something_durable_is_opened(self, tmp_path: Path) -> None:
        one = Stage(tmp_path).enter("ann")
        one.put("ann", "/a", 1)
        assert list(tmp_path.iterdir()) == []

    def test_without_a_directory_only_memory(self) -> None:
        with pytest.raises(ExtensionError, match="log: memory"):
            Stage(None, log="sqlite")

    def test_two_routers_on_one_directory(self, tmp_path: Path) -> None:
        one = Stage(tmp_path, log="sqlite")
        with pytest.raises(ExtensionError, match="in use by another router"):
            Stage(tmp_path, log="sqlite")
        stop(one)
        stop(Stage(tmp_path, log="sqlite"))

    def test_a_damaged_log_refuses_the_start_and_names_the_place(self, tmp_path: Path) -> None:
        one = Stage(tmp_path, log="sqlite").enter("ann")
        one.put("ann", "/a", "x" * 5000)
        stop(one)
        (file,) = tmp_path.rglob("*.sqlite3")
        octets = bytearray(file.read_bytes())
        octets[len(octets) // 2] ^= 1
        file.write_bytes(octets)
        with pytest.raises(ExtensionError) as caught:
            Stage(tmp_path, {"other": MEMORY, SPACE: SQLITE})
        assert str(file.name) in str(caught.value)
        assert f"spaces.{SPACE}" in str(caught.value)

    def test_a_log_that_cannot_be_used_now_is_unavailable(self, tmp_path: Path) -> None:
        one = Stage(tmp_path, log="sqlite").enter("ann")
        one.put("ann", "/a", 1)
        stop(one)
        (file,) = tmp_path.rglob("*.sqlite3")
        locked = sqlite3.connect(file, isolation_level=None)
        locked.execute("BEGIN EXCLUSIVE")
        two = Stage(tmp_path, log="sqlite").enter("ann")
        assert two.log("dstm").lines[0].startswith("space shop is unavailable")
        uri, _, details = two.ask("ann", ".get")
        assert (uri, details["state"]) == ("dstm.error.unavailable", "unavailable")
        assert two.ask("ann", ".put", "/a", 2)[0] == "dstm.error.unavailable"
        assert two.ask("ann", ".sync")[0] == "dstm.error.unavailable"
        assert two.ask("ann", ".wait", base=0, reads=["/a"])[0] == "dstm.error.unavailable"
        assert two.ask("ann", "list")[0][0][0]["state"] == "unavailable"
        assert two.ask("ann", ".status")[1]["state"] == "unavailable"
        locked.close()
        two.advance(1)
        assert two.ask("ann", ".get")[0] == [{"a": 1}]
        stop(two)

    def test_what_was_undecided_at_the_end_is_told(self, tmp_path: Path) -> None:
        one = Stage(tmp_path, log="sqlite").enter("ann")
        one.call("ann", ".put", "/a", 1)
        one.call("ann", ".wait", base=0, reads=["/a"])
        told = one.told(one.realm.extensions.close())
        one.settle()
        told += one.sent()
        assert [wire[0] for _, wire in told] == [8, 8]


class TestMaking:
    def test_a_space_is_made_and_dropped(self) -> None:
        one = Stage().enter("ann")
        made = one.ask("ann", "create", "new")[0][0]
        assert (made["name"], made["made"], made["log"]) == ("new", True, "memory")
        assert names(one) == ["new", SPACE]
        one.call("ann", "new.put", "/a", 1)
        one.settle()
        assert one.ask("ann", "drop", "new") == (None, None)
        assert names(one) == [SPACE]
        one.call("ann", "new.get")
        assert one.answers[0][1][4] == "dstm.error.no_such_space"
        one.ask("ann", "create", "new")
        one.call("ann", "new.get")
        assert one.answers[0][1][3] == [{}]

    def test_it_is_there_after_a_restart(self, tmp_path: Path) -> None:
        one = Stage(tmp_path, created=SQLITE).enter("ann")
        one.ask("ann", "create", "new")
        one.ask("ann", "create", "other")
        one.ask("ann", "drop", "other")
        one.call("ann", "new.put", "/a", 1)
        one.settle()
        stop(one)
        two = Stage(tmp_path, created=SQLITE).enter("ann")
        assert names(two) == ["new", SPACE]
        two.call("ann", "new.get")
        assert two.answers[0][1][3] == [{"a": 1}]
        assert [path.name for path in tmp_path.rglob("*.sqlite3")] == ["new.sqlite3"]
        stop(two)

    def test_one_that_is_made_twice_at_once(self, tmp_path: Path) -> None:
        one = Stage(tmp_path, created=SQLITE).enter("ann", "bob")
        one.call("ann", "create", "new")
        one.call("bob", "create", "new")
        one.settle()
        told = sorted(wire[0] for _, wire in one.sent())
        assert told == [8, 50]
        stop(one)

    def test_their_number_is_bounded(self) -> None:
        one = Stage().enter("ann")
        config = msgspec.convert({"spaces": {SPACE: MEMORY}, "created_spaces": 1}, DstmConfig)
        one.dstm.reconfigure(config)
        one.ask("ann", "create", "new")
        assert one.ask("ann", "create", "more")[0] == "dstm.error.too_large"

    def test_a_name_that_cannot_be_kept(self, tmp_path: Path) -> None:
        one = Stage(tmp_path, created=SQLITE).enter("ann")
        (directory,) = (path.parent for path in tmp_path.rglob("router.lock"))
        (directory / "created.new").mkdir()
        uri, text, _ = one.ask("ann", "create", "new")
        assert uri == "dstm.error.unavailable"
        assert "created" in text
        assert names(one) == [SPACE]
        stop(one)

    def test_a_name_that_cannot_be_forgotten(self, tmp_path: Path) -> None:
        one = Stage(tmp_path, created=SQLITE).enter("ann")
        one.ask("ann", "create", "new")
        (directory,) = (path.parent for path in tmp_path.rglob("router.lock"))
        (directory / "created.new").mkdir()
        uri, text, _ = one.ask("ann", "drop", "new")
        assert uri == "dstm.error.unavailable"
        assert "created" in text
        assert names(one) == ["new", SPACE]
        stop(one)

    def test_one_that_is_dropped_twice_at_once(self, tmp_path: Path) -> None:
        one = Stage(tmp_path, created=SQLITE).enter("ann", "bob")
        one.ask("ann", "create", "new")
        one.call("ann", "drop", "new")
        one.call("bob", "drop", "new")
        one.settle()
        assert [wire[0] for _, wire in one.sent()] == [50, 50]
        assert names(one) == [SPACE]
        stop(one)

    def test_a_log_that_cannot_be_opened(self, tmp_path: Path) -> None:
        one = Stage(tmp_path, created=SQLITE).enter("ann")
        (directory,) = (path.parent for path in tmp_path.rglob("router.lock"))
        (directory / "new.sqlite3").write_bytes(b"no database" * 100)
        assert one.ask("ann", "create", "new")[0] == "dstm.error.unavailable"
        assert names(one) == [SPACE]
        stop(one)


class TestCreatedSpaces:
    def test_names_are_kept(self, tmp_path: Path) -> None:
        file = tmp_path / "created.json"
        first = CreatedSpaces(file)
        assert first.names == frozenset()
        first.change(more=["b", "a"])
        first.change(less=["b"], more=["c"])
        assert CreatedSpaces(file).names == {"a", "c"}
        assert os.listdir(tmp_path) == ["created.json"]

    @pytest.mark.parametrize("content", [b"", b"[1]", b"{}", b'["a"'])
    def test_a_damaged_file_is_refused(self, tmp_path: Path, content: bytes) -> None:
        file = tmp_path / "created.json"
        file.write_bytes(content)
        with pytest.raises(LogUnavailable, match=r"created\.json"):
            CreatedSpaces(file)

    def test_a_damaged_file_refuses_the_start(self, tmp_path: Path) -> None:
        stop(Stage(tmp_path, created=SQLITE))
        (directory,) = (path.parent for path in tmp_path.rglob("router.lock"))
        (directory / "created.json").write_bytes(b"x")
        with pytest.raises(ExtensionError, match="created"):
            Stage(tmp_path, created=SQLITE)
        DataDirectory(directory).release()


class TestKeeping:
    def test_a_backup_while_running_is_another_history(self, tmp_path: Path) -> None:
        one = Stage(tmp_path, log="sqlite").enter("ann")
        one.put("ann", "/a", 1)
        _, synced = one.ask("ann", ".sync")
        (told,) = one.ask("ann", "backup", SPACE)[1].items()
        assert told == ("file", f"{SPACE}-1.sqlite3")
        one.put("ann", "/a", 2)
        assert one.ask("ann", "backup", SPACE, "nightly.sqlite3")[1] == {"file": "nightly.sqlite3"}
        assert "there is a backup" in one.ask("ann", "backup", SPACE, "nightly")[1]
        stop(one)
        (file,) = tmp_path.rglob(f"{SPACE}.sqlite3")
        (copy,) = tmp_path.rglob(told[1])
        for path in tmp_path.rglob(f"{SPACE}.sqlite3*"):
            path.unlink()
        copy.rename(file)
        two = Stage(tmp_path, log="sqlite").enter("ann")
        _, again = two.ask("ann", ".sync", 1, synced["epoch"], synced["hash"])
        assert again["epoch"] != synced["epoch"]
        assert again["snapshot"] == {"a": 1}
        stop(two)

    @pytest.mark.parametrize("name", ["../x", "a/b", "", ".x", "x" * 201, "a b", "ä", 7])
    def test_a_file_is_named_and_never_a_path(self, tmp_path: Path, name: Any) -> None:
        one = Stage(tmp_path, log="sqlite").enter("ann")
        assert one.ask("ann", "backup", SPACE, name)[0] == "dstm.error.invalid"
        assert list(tmp_path.rglob("backup")) == []
        stop(one)

    def test_compacting(self, tmp_path: Path) -> None:
        settings = {"log": "sqlite", "history": {"versions": 2}, "window": {"versions": 1}}
        one = Stage(tmp_path, **settings).enter("ann")
        for number in range(6):
            one.put("ann", "/a", number)
        assert one.ask("ann", "compact", SPACE) == ([], {})
        entries = one.ask("ann", ".history", 1, 6)[1]["entries"]
        assert entries[0]["version"] > 1
        assert one.ask("ann", ".get")[0] == [{"a": 5}]
        stop(one)

    def test_what_the_log_refuses_is_told(self, tmp_path: Path) -> None:
        one = Stage(tmp_path, log="sqlite").enter("ann")
        one.dstm.apis[SPACE].space.log.close()
        assert one.ask("ann", "compact", SPACE)[0] == "dstm.error.unavailable"
        assert one.ask("ann", "backup", SPACE)[0] == "dstm.error.unavailable"


class TestReload:
    def test_settings_change_while_it_runs(self) -> None:
        one = Stage().enter("ann")
        one.put("ann", "/a", "x" * 100)
        epoch = one.ask("ann", ".get")[1]["epoch"]
        one.configure(
            limits={"ops": 1, "page_bytes": 1024, "views": 1, "waits_per_session": 1, "document_bytes": 2048},
            constraints=[{"pointer": "/n", "maximum": 3}],
            digest_every=0,
        )
        assert one.ask("ann", ".get")[1] == {"version": 1, "epoch": epoch, "missing": []}
        two_ops = [{"op": "inc", "path": "/m", "value": 1}] * 2
        assert one.ask("ann", ".commit", ops=two_ops)[0] == "dstm.error.too_large"
        assert one.ask("ann", ".put", "/n", 4)[0] == "dstm.error.constraint"
        assert one.ask("ann", ".put", "/n", "x" * 2000)[0] == "dstm.error.too_large"
        one.ask("ann", ".view", paths=["/a"])
        assert one.ask("ann", ".view", paths=["/b"])[0] == "dstm.error.throttled"
        one.put("ann", "/b", "y" * 1000)
        assert "part" in one.ask("ann", ".get")[1]

    def test_a_new_space_is_opened_and_one_that_is_gone_is_closed(self, tmp_path: Path) -> None:
        one = Stage(tmp_path, {"old": SQLITE, "stays": MEMORY}).enter("ann")
        one.call("ann", "old.put", "/a", 1)
        one.settle()
        one.reload({"new": MEMORY, "stays": MEMORY})
        assert names(one) == ["new", "stays"]
        assert [path.name for path in tmp_path.rglob("*.sqlite3")] == ["old.sqlite3"]
        one.call("ann", "old.get")
        assert one.answers[0][1][4] == "dstm.error.no_such_space"
        one.reload({"old": SQLITE})
        one.call("ann", "old.get")
        assert one.answers[0][1][3] == [{"a": 1}]
        stop(one)

    def test_spaces_that_were_made_stay(self) -> None:
        one = Stage().enter("ann")
        one.ask("ann", "create", "made")
        one.reload({SPACE: MEMORY, "more": MEMORY})
        assert names(one) == ["made", "more", SPACE]
        one.reload({SPACE: MEMORY})
        assert names(one) == ["made", SPACE]

    def test_another_log_is_another_space(self, tmp_path: Path) -> None:
        one = Stage(tmp_path).enter("ann")
        one.put("ann", "/a", 1)
        one.reload({SPACE: SQLITE})
        assert one.ask("ann", ".get")[0] == [{}]
        one.put("ann", "/b", 1)
        stop(one)

    def test_a_reload_that_fails_changes_nothing(self, tmp_path: Path) -> None:
        one = Stage(tmp_path, {SPACE: SQLITE}).enter("ann")
        one.put("ann", "/a", 1)
        (directory,) = (path.parent for path in tmp_path.rglob("router.lock"))
        (directory / "wrong.sqlite3").write_bytes(b"no database" * 100)
        wrong = msgspec.convert({"spaces": {"good": SQLITE, "wrong": SQLITE}}, DstmConfig)
        with pytest.raises(ExtensionError, match="wrong"):
            one.dstm.reconfigure(wrong)
        one.settle()
        assert names(one) == [SPACE]
        assert one.ask("ann", ".get")[0] == [{"a": 1}]
        stop(one)

    def test_a_reload_that_is_taken_back_at_once(self, tmp_path: Path) -> None:
        one = Stage(tmp_path, {SPACE: SQLITE}).enter("ann")
        one.put("ann", "/a", 1)
        one.dstm.reconfigure(msgspec.convert({"spaces": {"other": MEMORY}}, DstmConfig))
        one.dstm.reconfigure(one.settings)
        one.settle()
        assert names(one) == [SPACE]
        assert one.ask("ann", ".get")[0] == [{"a": 1}]
        one.put("ann", "/a", 2)
        stop(one)

    def test_a_log_that_is_still_being_closed(self, tmp_path: Path) -> None:
        one = Stage(tmp_path, {SPACE: SQLITE}).enter("ann")
        one.dstm.reconfigure(msgspec.convert({"spaces": {}}, DstmConfig))
        one.world.end_turn()
        with pytest.raises(ExtensionError, match="still being closed"):
            one.dstm.reconfigure(one.settings)
        one.settle()
        one.dstm.reconfigure(one.settings)
        stop(one)

    def test_a_function_that_is_new(self) -> None:
        one = Stage().enter("ann")
        assert one.ask("ann", ".run", "announce", "com.t")[0] == "dstm.error.invalid"
        one.configure(functions={"announce": {"function": "dstm_functions:announce"}})
        assert one.ask("ann", ".run", "announce", "com.t")[1]["version"] == 1
