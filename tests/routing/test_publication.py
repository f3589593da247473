"""What a publication carries and who may receive it: WAMP AP 'Subscriber Black- and Whitelisting'."""

import pytest

from router.routing.options import Refused
from router.routing.publication import Audience, Publication, PublishOptions, read_publish_options
from router.routing.session import Session

ALICE = Session(1, "alice", "manager")
BOB = Session(2, "bob", "staff")
CAROL = Session(3, "carol", "staff")
EVERYONE = {session.id: session for session in (ALICE, BOB, CAROL)}


def admitted(**options):
    audience = read_publish_options(options).audience
    return sorted(session.id for session in audience.among(EVERYONE))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"eligible": [1, 3, 99]}, [1, 3]),
        ({"eligible": []}, []),
        ({"eligible": [3, 2, 1, 99]}, [1, 2, 3]),
        ({"eligible": [2.0]}, [2]),
        ({"eligible_authid": ["alice", "carol"]}, [1, 3]),
        ({"eligible_authid": []}, []),
        ({"eligible_authrole": ["staff"]}, [2, 3]),
        ({"eligible_authrole": []}, []),
        ({"exclude": [1, 99]}, [2, 3]),
        ({"exclude": [1.0]}, [2, 3]),
        ({"exclude": []}, [1, 2, 3]),
        ({"exclude_authid": ["bob"]}, [1, 3]),
        ({"exclude_authrole": ["staff", "nobody"]}, [1]),
        ({"eligible": [1, 2], "exclude": [1]}, [2]),
        ({"eligible": [1, 2], "eligible_authrole": ["staff"]}, [2]),
        ({"eligible_authrole": ["staff"], "exclude_authid": ["bob"]}, [3]),
        ({"eligible_authid": ["alice"], "eligible_authrole": ["staff"]}, []),
        ({"eligible": None, "exclude": [3]}, [1, 2]),
    ],
)
def test_all_six_statements_must_hold(options, expected):
    assert admitted(**options) == expected


def test_defaults():
    expected = PublishOptions(acknowledge=False, exclude_me=True, retain=False, audience=None, rkey=None)
    assert read_publish_options({}) == expected


def test_null_is_absent():
    names = ["acknowledge", "disclose_me", "exclude_me", "retain", *Audience.__struct_fields__]
    assert read_publish_options(dict.fromkeys(names)) == read_publish_options({})


def test_values_are_read_and_unknown_options_ignored():
    given = {"acknowledge": True, "exclude_me": False, "retain": True, "rkey": "a", "unknown": 1}
    expected = PublishOptions(acknowledge=True, exclude_me=False, retain=True, audience=None, rkey="a")
    assert read_publish_options(given) == expected
    assert read_publish_options({"exclude_me": True}).exclude_me


@pytest.mark.parametrize("name", ["acknowledge", "disclose_me", "exclude_me", "retain"])
@pytest.mark.parametrize("value", [1, "true", [], 0.0])
def test_a_flag_of_another_type_is_named(name, value):
    with pytest.raises(Refused, match=f"^{name}=.* is neither true nor false$") as refused:
        read_publish_options({name: value})
    assert refused.value.error == "wamp.error.invalid_argument"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"eligible": 5}, r"^eligible: Expected array \| null, got int$"),
        ({"eligible": {"1": 2}}, r"^eligible: Expected array \| null, got object$"),
        ({"exclude": [1, "2"]}, r"^exclude\[1\]: Expected int \| float, got str$"),
        ({"exclude": [True]}, r"^exclude\[0\]: Expected int \| float, got bool$"),
        ({"exclude": [1, 2.5]}, r"^exclude: a session id is an integer$"),
        ({"eligible": [float("nan")]}, r"^eligible: a session id is an integer$"),
        ({"eligible_authid": "alice"}, r"^eligible_authid: Expected array \| null, got str$"),
        ({"exclude_authrole": [None]}, r"^exclude_authrole\[0\]: Expected str, got null$"),
    ],
)
def test_a_list_of_another_type_is_named(options, text):
    with pytest.raises(Refused, match=text) as refused:
        read_publish_options(options)
    assert refused.value.error == "wamp.error.invalid_argument"


@pytest.mark.parametrize(
    ("excluded", "audience", "expected"),
    [
        (None, None, [1, 2, 3]),
        (2, None, [1, 3]),
        (2, Audience(eligible_authrole=frozenset({"staff"})), [3]),
        (None, Audience(eligible_authrole=frozenset({"staff"})), [2, 3]),
    ],
)
def test_a_publication_admits_neither_its_publisher_nor_those_left_out(excluded, audience, expected):
    publication = Publication("a.b", 7, {}, None, None, audience=audience, excluded=excluded)
    assert [session.id for session in EVERYONE.values() if publication.admits(session)] == expected
