"""Calls that wait: what takes them out of the line, and where they go when a callee goes."""

from dealer_play import CANCELED, EVERYTHING, NOW, PPT, TIMEOUT, Play

UNAVAILABLE = "wamp.error.unavailable"
NOBODY = "wamp.error.no_available_callee"
REROUTES = EVERYTHING | {"callee.call_reroute"}


def shared(*names, features=REROUTES, **options):
    """Give a play in which each of ``names`` registered ``com.x`` with ``concurrency`` 1."""
    play = Play().join(*names, features=features).join("caller")
    for name in names:
        play(name, [64, 1, {"invoke": "first", "concurrency": 1, **options}, "com.x"])
    return play


def replies(told):
    """Leave the announcements out."""
    return [each for each in told if isinstance(each[1][0], int) and not each[0].startswith("wamp.")]


class TestOneOfTwoCalleesGoes:
    def test_what_waited_for_its_key_goes_to_the_other_one(self):
        play = shared("one", "two")
        by_key = {"runmode": "partition", "rkey": "k"}
        ((holder, _),) = play("caller", [48, 1, by_key, "com.x"])
        other = {"one": "two", "two": "one"}[holder]
        assert play("caller", [48, 2, by_key, "com.x"]) == []

        told = replies(play(holder, [66, 2, 1]))

        assert told == [(holder, [67, 2]), (other, [68, 1, 1, {}])]

    def test_what_only_it_could_do_ends(self):
        play = Play().join("able").join("plain", features=frozenset()).join("caller")
        for name in ("able", "plain"):
            play(name, [64, 1, {"invoke": "first", "concurrency": 1}, "com.x"])
        play("caller", [48, 1, PPT, "com.x"])
        assert play("caller", [48, 2, {**PPT, "timeout": 500}, "com.x"]) == []

        told = replies(play("able", [66, 2, 1]))

        text = "no callee of 'com.x' announced payload_passthru_mode"
        refusal = ("caller", [8, 48, 2, {}, "wamp.error.feature_not_supported", [text]])
        assert told == [("able", [67, 2]), refusal]
        assert play.dealer.next_deadline() is None
        assert play.pending() == (1, 1)


class TestAWaitingCallWithATimeout:
    def test_canceled_it_has_no_deadline(self):
        play = shared("one")
        play("caller", [48, 1, {}, "com.x"])
        play("caller", [48, 2, {"timeout": 500}, "com.x"])
        assert play.dealer.next_deadline() == NOW + 0.5

        told = play("caller", [49, 2, {}])

        assert told == [("caller", [8, 48, 2, {}, CANCELED, ["canceled by the caller"]])]
        assert play.dealer.next_deadline() is None


class TestReroute:
    def test_nobody_else_is_left_and_no_deadline_either(self):
        play = shared("one", "two")
        play("caller", [48, 1, {"timeout": 500}, "com.x"])
        assert play("one", [8, 68, 1, {}, UNAVAILABLE]) == [("two", [68, 1, 1, {}])]

        told = play("two", [8, 68, 1, {}, UNAVAILABLE])

        text = "every callee of 'com.x' that could answer is unavailable"
        assert told == [("caller", [8, 48, 1, {}, NOBODY, [text]])]
        assert play.dealer.next_deadline() is None
        assert play.pending() == (0, 0)

    def test_the_router_keeps_the_time_that_the_first_callee_kept(self):
        play = shared("one", "two", forward_timeout=True)
        told = play("caller", [48, 1, {"timeout": 500}, "com.x"])
        assert told == [("one", [68, 1, 1, {"timeout": 500}])]
        assert play.dealer.next_deadline() is None

        assert play("one", [8, 68, 1, {}, UNAVAILABLE]) == [("two", [68, 1, 1, {}])]

        assert play.dealer.next_deadline() == NOW + 0.5
        told = play.expire(NOW + 0.5)
        assert told[0] == ("caller", [8, 48, 1, {}, TIMEOUT, ["no answer within 500 ms"]])
