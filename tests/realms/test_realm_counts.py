"""What a realm counts: calls, events, errors by URI."""

from realm_play import NOW, may, play, roles


def test_calls_are_counted_also_of_who_has_gone():
    one = play("a", "b")
    one("b", [64, 1, {}, "com.x"])
    one("a", [48, 1, {}, "com.x"])
    one("a", [48, 2, {"timeout": 5000}, "com.x"])
    one("a", [48, 3, {}, "wamp.session.count"])
    one("a", [48, 4, {"timeout": 50}, "wamp.session.count"])
    assert one.realm.count_calls() == 4
    one.leave("b")
    assert one.realm.count_calls() == 4


def test_a_call_that_is_refused_is_an_error_and_no_call():
    one = play("a")
    one("a", [48, 1, {}, "com.x"])
    assert one.realm.count_calls() == 0
    assert one.realm.errors == {"wamp.error.no_such_procedure": 1}


def test_events_are_counted_by_recipient():
    one = play("a", "b", "c")
    for name in ("b", "c"):
        one(name, [32, 1, {}, "com.x"])
    one("a", [16, 1, {}, "com.x"])
    one("a", [16, 2, {"exclude": [3]}, "com.x"])
    assert one.realm.broker.events == 3


def test_events_of_patterns_are_counted():
    one = play("a", "b")
    one("b", [32, 1, {"match": "prefix"}, "com."])
    one("a", [16, 1, {}, "com.x"])
    assert one.realm.broker.events == 1


def errors_after(*wires, **settings):
    one = play("a", "b", **settings)
    one("b", [64, 1, {}, "com.x"])
    one.realm.errors.clear()
    for who, wire in wires:
        one(who, wire)
    return one


def test_what_a_callee_answers_is_the_applications_unless_it_is_predefined():
    one = errors_after(
        ("a", [48, 1, {}, "com.x"]),
        ("b", [8, 68, 1, {}, "com.error.of_mine"]),
        ("a", [48, 2, {}, "com.x"]),
        ("b", [8, 68, 2, {}, "wamp.error.invalid_argument"]),
        ("a", [48, 3, {}, "com.x"]),
        ("b", [8, 68, 3, {}, "wamp.error.of_mine"]),
    )
    assert one.realm.errors == {"application": 2, "wamp.error.invalid_argument": 1}


def test_each_kind_of_request_that_is_refused():
    some = roles(clerk=[may("com.", allow=("register", "subscribe")), may("wamp.")])
    one = errors_after(
        ("a", [48, 1, {}, "com.x"]),
        ("a", [16, 2, {"acknowledge": True}, "com.x"]),
        ("a", [32, 3, {}, "org.x"]),
        ("a", [34, 4, 77]),
        ("a", [66, 5, 77]),
        ("a", [32, 6, {"get_retained": 1}, "com.x"]),
        ("a", [48, 7, {}, "wamp.session.get", [99]]),
        roles=some,
    )
    assert one.realm.errors == {
        "wamp.error.not_authorized": 3,
        "wamp.error.no_such_subscription": 1,
        "wamp.error.no_such_registration": 1,
        "wamp.error.invalid_argument": 1,
        "wamp.error.no_such_session": 1,
    }


def test_calls_that_end_otherwise():
    one = errors_after(
        ("a", [48, 1, {}, "com.x"]),
        ("a", [49, 1, {}]),
        ("a", [48, 2, {"timeout": 10}, "com.x"]),
    )
    one.realm.expire(NOW + 1)
    assert one.realm.errors == {"wamp.error.canceled": 1, "wamp.error.timeout": 1}


def test_a_result_that_is_too_long_for_the_caller_is_one_error():
    one = errors_after(("a", [48, 1, {}, "com.x"]))
    from router.wamp.messages import Result

    one.realm.undeliverable(one.sessions["a"], Result(1, {}), 100, 50)
    assert +one.realm.errors == {"wamp.error.payload_size_exceeded": 1}
