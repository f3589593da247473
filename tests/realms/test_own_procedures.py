"""Procedures under ``concord.``: whoever has one puts it into the realm."""

from realm_play import play


def test_a_procedure_that_somebody_put_there_answers():
    one = play("a")
    one.realm.procedures["concord.ping"] = lambda call: call.result([call.session.authid])
    assert one("a", [48, 1, {}, "concord.ping"]) == [("a", [50, 1, {}, ["a@x"]])]


def test_one_that_nobody_put_there_does_not():
    one = play("a")
    [(_, answer)] = one("a", [48, 1, {}, "concord.ping"])
    assert answer[:5] == [8, 48, 1, {}, "wamp.error.no_such_procedure"]


def test_no_client_registers_there():
    one = play("a")
    [(_, answer)] = one("a", [64, 1, {}, "concord.ping"])
    assert answer[4] == "wamp.error.not_authorized"
