"""``commit``, ``put``, ``patch``, ``inc``, ``delete``, ``undo`` and the events of a commit."""

from typing import Any

import pytest
from dstm_stage import SPACE, Stage
from msgspec.structs import replace
from realm_play import may, roles

from realms.dstm.transaction import Limits, read_transaction

CLIENT = "0123456789abcdef" * 2


def stage(**settings: Any) -> Stage:
    one = Stage(**settings).enter("ann", "bob")
    one.put("ann", "", {"a": 1, "list": [1, 2, 3], "o": {"x": 1, "y": 2}})
    return one


def value(one: Stage, pointer: str = "") -> Any:
    return one.ask("bob", ".get", pointer)[0][0]


class TestCommit:
    def test_what_it_gives(self) -> None:
        one = stage()
        epoch = one.ask("ann", ".get")[1]["epoch"]
        args, answer = one.ask(
            "ann",
            ".commit",
            epoch=epoch,
            base=1,
            reads=["/a", ["keys", "/o"], ["exists", "/none"]],
            ops=[{"op": "inc", "path": "/a", "value": 4}, {"op": "push", "path": "/list", "value": 4}],
            want=["/a", "/none", "/list"],
        )
        assert (args, answer) == (
            [],
            {"version": 2, "epoch": epoch, "time": one.world.now_ms(), "values": [5, None, [1, 2, 3, 4]]},
        )

    def test_without_ops_it_checks_what_was_read(self) -> None:
        one = stage()
        assert one.ask("ann", ".commit", base=1, reads=["/a"])[1]["version"] == 1
        one.put("bob", "/a", 2)
        assert one.ask("ann", ".commit", base=1, reads=["/a"])[0] == "dstm.error.conflict"

    def test_it_happens_once(self) -> None:
        one = stage()
        body = {"tx": f"{CLIENT}:1", "ops": [{"op": "inc", "path": "/a", "value": 1}], "want": ["/a"]}
        first, again = (one.ask("ann", ".commit", **body)[1] for _ in range(2))
        assert again == {**first, "dup": True}
        assert value(one, "/a") == 2
        uri, _, _ = one.ask("ann", ".commit", tx=f"{CLIENT}:1", ops=[])
        assert uri == "dstm.error.tx_reused"

    def test_two_of_one_tx_in_flight_get_one_outcome(self) -> None:
        one = stage()
        body = {"tx": f"{CLIENT}:1", "ops": [{"op": "inc", "path": "/a", "value": 1}]}
        one.call("ann", ".commit", **body)
        one.call("bob", ".commit", **body)
        one.settle()
        assert sorted(wire[4].get("dup", False) for _, wire in one.sent()) == [False, True]
        assert value(one, "/a") == 2

    def test_a_conflict_carries_what_has_changed(self) -> None:
        one = stage()
        one.put("bob", "/a", 2)
        one.put("bob", "/b", 3)
        uri, text, details = one.ask("ann", ".commit", base=1, reads=["/a"], ops=[])
        assert uri == "dstm.error.conflict"
        assert "'/a'" in text
        assert (details["version"], details["paths"]) == (3, ["/a"])
        assert [delta[:2] for delta in details["deltas"]] == [[1, 2], [2, 3]]
        test = {"op": "test", "path": "/a", "value": 1}
        assert one.ask("ann", ".commit", base=3, ops=[test])[0] == "dstm.error.conflict"

    def test_a_conflict_with_very_much_asks_for_a_sync(self) -> None:
        one = stage()
        one.put("bob", "/a", "x" * 200_000)
        details = one.ask("ann", ".commit", base=1, reads=["/a"], ops=[])[2]
        assert details == {"version": 2, "paths": ["/a"], "resync": True}

    def test_another_epoch_and_an_old_base(self) -> None:
        one = stage(window={"versions": 2})
        assert one.ask("ann", ".commit", epoch="0" * 32, base=0)[0] == "dstm.error.epoch"
        for number in range(5):
            one.put("ann", "/a", number)
        assert one.ask("ann", ".commit", base=1, reads=["/a"])[0] == "dstm.error.stale"

    def test_a_constraint(self) -> None:
        one = stage(constraints=[{"pointer": "/a", "minimum": 0}])
        uri, text, details = one.ask("ann", ".commit", ops=[{"op": "inc", "path": "/a", "value": -5}])
        assert (uri, details["path"]) == ("dstm.error.constraint", "/a")
        assert "-4" in text
        assert value(one, "/a") == 1

    def test_too_many_in_flight(self) -> None:
        one = stage(fairness={"in_flight": 2})
        for _ in range(3):
            one.call("ann", ".commit", ops=[{"op": "inc", "path": "/a", "value": 1}])
        assert one.answers[0][1][4] == "dstm.error.throttled"
        one.settle()
        assert len(one.sent()) == 2

    def test_what_it_weighs_while_it_waits(self) -> None:
        ops = [{"op": "add", "path": "/a", "value": v} for v in ("x" * 1000, ["x" * 1000], 1)]
        publish = [{"topic": "com.t", "args": ["x" * 1000]}]
        light = read_transaction({"ops": ops[2:]}, Limits()).bytes
        heavy = read_transaction({"ops": ops, "publish": publish}, Limits()).bytes
        assert heavy > light + 3000


class TestByHand:
    def test_put_sets_whatever_is_there(self) -> None:
        one = stage()
        for pointer, given in (("/new", {"x": None}), ("/a", 2), ("/list/1", 7), ("/list/-", 8), ("/o/x", 9)):
            one.put("ann", pointer, given)
            assert value(one, pointer if pointer != "/list/-" else "/list/3") == given
        assert value(one, "/list") == [1, 7, 3, 8]
        one.put("ann", "", {"only": 1})
        assert value(one) == {"only": 1}

    def test_put_of_an_element_that_is_not_there(self) -> None:
        one = stage()
        assert one.ask("ann", ".put", "/list/9", 1)[0] == "dstm.error.invalid"

    def test_patch_merges_an_object(self) -> None:
        one = stage()
        one.ask("ann", ".patch", "/o", {"x": None, "z": {"deep": 1}})
        assert value(one, "/o") == {"y": 2, "z": {"deep": 1}}

    def test_patch_applies_ops_below_the_pointer(self) -> None:
        one = stage()
        ops = [
            {"op": "test", "path": "/x", "value": 1},
            {"op": "move", "from": "/x", "path": "/w"},
            {"op": "add", "path": "", "value": {"all": "new"}},
        ]
        one.ask("ann", ".patch", "/o", ops)
        assert value(one, "/o") == {"all": "new"}

    def test_inc_gives_the_sum(self) -> None:
        one = stage()
        assert one.ask("ann", ".inc", "/a")[1]["values"] == [2]
        assert one.ask("ann", ".inc", "/a", -5)[1]["values"] == [-3]
        assert one.ask("ann", ".inc", "/new", 1.5)[1]["values"] == [1.5]
        assert one.ask("ann", ".inc", "/a", 10, max=5)[0] == "dstm.error.constraint"
        assert one.ask("ann", ".inc", "/a", -10, min=-5)[0] == "dstm.error.constraint"

    def test_delete_removes(self) -> None:
        one = stage()
        one.ask("ann", ".delete", "/o/x")
        assert value(one, "/o") == {"y": 2}
        assert one.ask("ann", ".delete", "/o/x")[0] == "dstm.error.invalid"

    def test_if_version_makes_it_conditional(self) -> None:
        one = stage()
        one.put("bob", "/a", 5)
        for verb, args in (("put", ("/a", 1)), ("inc", ("/a",)), ("patch", ("/a", {})), ("delete", ("/a",))):
            assert one.ask("ann", f".{verb}", *args, if_version=1)[0] == "dstm.error.conflict"
        assert one.ask("ann", ".put", "/o/x", 7, if_version=1)[1]["version"] == 3
        assert one.ask("ann", ".put", "/a", 7, if_version=2, epoch="0" * 32)[0] == "dstm.error.epoch"

    def test_they_happen_once_with_a_tx(self) -> None:
        one = stage()
        assert "dup" not in one.ask("ann", ".inc", "/a", tx=f"{CLIENT}:7")[1]
        assert one.ask("ann", ".inc", "/a", tx=f"{CLIENT}:7")[1]["dup"]
        one.ask("ann", ".put", "/list/0", 5, tx=f"{CLIENT}:8")
        assert one.ask("ann", ".put", "/list/0", 5, tx=f"{CLIENT}:8")[1]["dup"]
        assert value(one, "/list") == [5, 2, 3]


class TestPresence:
    def test_what_is_bound_goes_with_the_session(self) -> None:
        one = stage()
        here = {"op": "add", "path": "/here", "value": "ann", "bind": "session"}
        one.ask("ann", ".commit", ops=[here])
        one.follow("bob")
        one.leave("ann")
        assert [delta[2] for delta in one.deltas("bob")] == [[{"op": "remove", "path": "/here"}]]

    def test_what_has_a_time_to_live_ends(self) -> None:
        one = stage()
        one.ask("ann", ".commit", ops=[{"op": "replace", "path": "/a", "value": 9, "ttl_ms": 500}])
        assert value(one, "/a") == 9
        one.advance(0.6)
        assert value(one, "/a") == 1


class TestUndo:
    def test_it_inverts_a_version(self) -> None:
        one = stage()
        before = value(one)
        ops = [
            {"op": "add", "path": "/list/1", "value": "new"},
            {"op": "remove", "path": "/o/x"},
            {"op": "replace", "path": "/a", "value": {"deep": 1}},
        ]
        version = one.ask("ann", ".commit", tx=f"{CLIENT}:1", ops=ops)[1]["version"]
        assert one.ask("bob", ".undo", version)[1]["version"] == version + 1
        assert value(one) == before

    def test_it_inverts_a_tx(self) -> None:
        one = stage()
        one.ask("ann", ".inc", "/a", tx=f"{CLIENT}:1")
        assert one.ask("ann", ".undo", f"{CLIENT}:1", tx=f"{CLIENT}:2")[1]["version"] == 3
        assert one.ask("ann", ".undo", f"{CLIENT}:1", tx=f"{CLIENT}:2")[1]["dup"]
        assert value(one, "/a") == 1
        assert one.ask("ann", ".undo", f"{CLIENT}:9")[0] == "dstm.error.invalid"

    def test_what_was_changed_since_is_a_conflict(self) -> None:
        one = stage()
        version = one.put("ann", "/a", 2)
        one.put("bob", "/a", 3)
        assert one.ask("ann", ".undo", version)[0] == "dstm.error.conflict"

    def test_what_is_forgotten_or_to_come(self) -> None:
        one = stage(window={"versions": 2})
        for number in range(5):
            one.put("ann", "/a", number)
        assert one.ask("ann", ".undo", 1)[0] == "dstm.error.stale"
        assert one.ask("ann", ".undo", 99)[0] == "dstm.error.invalid"
        assert one.ask("ann", ".undo", 0)[0] == "dstm.error.invalid"


class TestEvents:
    def test_they_go_out_in_the_order_of_versions_after_the_commit(self) -> None:
        one = stage()
        one.follow("bob", "com.shop.sold")
        publish = [{"topic": "com.shop.sold", "args": [1], "kwargs": {"by": "ann"}}]
        one.call("ann", ".commit", ops=[{"op": "inc", "path": "/a", "value": 1}], publish=publish)
        assert one.sent() == []
        one.call("ann", ".commit", publish=[{"topic": "com.shop.sold", "args": [2]}])
        one.settle()
        told = [wire[4:] for who, wire in one.sent() if who == "bob"]
        assert [wire[0] for wire in told] == [[1], [2]]
        assert told[0][1] == {"by": "ann"}

    def test_a_doubled_submission_sends_none(self) -> None:
        one = stage()
        one.follow("bob", "com.shop.sold")
        body = {"tx": f"{CLIENT}:1", "publish": [{"topic": "com.shop.sold"}]}
        assert "dup" not in one.ask("ann", ".commit", **body)[1]
        assert one.ask("ann", ".commit", **body)[1]["dup"]
        assert len([wire for who, wire in one.events if who == "bob"]) == 1

    def test_a_refused_transaction_sends_none(self) -> None:
        one = stage()
        one.follow("bob", "com.shop.sold")
        wrong = [{"op": "test", "path": "/a", "value": "x"}]
        assert one.ask("ann", ".commit", ops=wrong, publish=[{"topic": "com.shop.sold"}])[0].endswith(
            "conflict"
        )
        assert one.events == []

    def test_options_are_those_of_publish(self) -> None:
        one = stage()
        one.follow("bob", "com.t")
        one.follow("ann", "com.t")
        one.ask("ann", ".commit", publish=[{"topic": "com.t", "options": {"exclude_me": False}}])
        assert sorted(who for who, _ in one.events) == ["ann", "bob"]
        wrong = [{"topic": "com.t"}, {"topic": "com.t", "options": {"exclude_me": 1}}]
        uri, _, details = one.ask("ann", ".commit", publish=wrong)
        assert (uri, details["part"], details["index"]) == ("dstm.error.invalid", "publish", 1)

    @pytest.mark.parametrize("topic", ["dstm.shop.delta", "wamp.session.on_join", "concord.session.on_drop"])
    def test_reserved_topics(self, topic: str) -> None:
        one = stage()
        uri, _, details = one.ask("ann", ".commit", publish=[{"topic": topic}])
        assert uri in ("dstm.error.invalid", "wamp.error.not_authorized")
        assert details["index"] == 0
        assert one.ask("ann", ".get")[1]["version"] == 1

    def test_each_needs_the_permission_to_publish(self) -> None:
        one = stage()
        everything = may("")
        nothing = may("com.secret.", allow=())
        config = one.realm.config
        one.realm.reconfigure(replace(config, roles=roles(clerk=[everything, nothing])))
        uri, _, details = one.ask("ann", ".commit", publish=[{"topic": "com.t"}, {"topic": "com.secret.x"}])
        assert (uri, details) == ("wamp.error.not_authorized", {"part": "publish", "index": 1})

    def test_a_permission_that_ends_meanwhile(self) -> None:
        one = stage()
        one.follow("bob", "com.t")
        request = one.call("ann", ".commit", publish=[{"topic": "com.t"}])
        one.realm.reconfigure(
            replace(one.realm.config, roles=roles(clerk=[may(""), may("com.t", allow=("subscribe",))]))
        )
        assert one.answer("ann", request)[1]["version"] == 2
        assert one.events == []
        assert "event of a commit to com.t not sent" in one.log("dstm").lines[-1]


def test_the_space_is_named_in_the_procedure() -> None:
    one = stage()
    one.call("ann", "other.commit")
    uri, details = one.answers[0][1][4], one.answers[0][1][6]
    assert (uri, details) == ("dstm.error.no_such_space", {"space": "other"})
    one.call("ann", f"{SPACE}.unknown")
    assert one.answers[0][1][4] == "wamp.error.no_such_procedure"
