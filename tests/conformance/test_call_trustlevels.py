"""WAMP AP 'Call Trust Levels': feature call_trustlevels."""

from typing import Any

import pytest
from msgspec.structs import replace
from wire_router import CONFIG, WireRouter

from realms.config import Permission, RoleConfig

EVERYTHING: Any = ("call", "register", "publish", "subscribe")


def permission(uri, match="prefix", **more):
    return Permission(uri=uri, match=match, allow=EVERYTHING, **more)


@pytest.fixture
def router(serializers):
    """Users are trusted with 2, for one procedure with 5, for another one without a level."""
    user = RoleConfig(
        permissions=(
            permission("", trust_level=2),
            permission("com.example.pay", "exact", trust_level=5),
            permission("com.example.open.", trust_level=None),
            permission("com.example.low", "exact", trust_level=0),
        )
    )
    router = WireRouter(serializers, replace(CONFIG, roles={**CONFIG.roles, "user": user}))
    yield router
    router.check()


@pytest.mark.parametrize(
    ("procedure", "details"),
    [
        ("com.example.add", {"trustlevel": 2}),
        ("com.example.pay", {"trustlevel": 5}),
        ("com.example.low", {"trustlevel": 0}),
        ("com.example.open.add", {}),
    ],
)
def test_by_role_and_procedure(router, procedure, details):
    """
    "on a per-procedure basis and/or depending on the application defined role of the (authenticated) Caller"
    """
    callee, caller = router.join(), router.join("alice")
    registration = callee.register(procedure)
    for invocation in (1, 2):  # the second call finds its grant decided
        caller.call(procedure, ["Hello, world!"])
        callee.expect_only([68, invocation, registration, details, ["Hello, world!"]])


def test_another_role_has_none(router):
    callee, caller = router.join(), router.join()
    registration = callee.register("com.example.pay")
    caller.call("com.example.pay")
    callee.expect_only([68, 1, registration, {}])


def test_the_caller_cannot_choose(router):
    """Only the router assigns levels."""
    callee, caller = router.join(), router.join("alice")
    registration = callee.register("com.example.add")
    caller.call("com.example.add", trustlevel=9, trust_level=9)
    callee.expect_only([68, 1, registration, {"trustlevel": 2}])


def test_with_other_details(router):
    callee, caller = router.join(), router.join("alice")
    registration = callee.register("com.example.", match="prefix")
    caller.call("com.example.add", disclose_me=True, receive_progress=True)
    callee.expect_only(
        [
            68,
            1,
            registration,
            {
                "trustlevel": 2,
                "procedure": "com.example.add",
                "receive_progress": True,
                "caller": caller.id,
                "caller_authid": "alice",
                "caller_authrole": "user",
            },
        ]
    )


def test_each_further_input_of_a_progressive_call_has_it(router):
    callee, caller = router.join(), router.join("alice")
    registration = callee.register("com.example.add")
    request = caller.call("com.example.add", [1], progress=True)
    callee.expect([68, 1, registration, {"trustlevel": 2, "progress": True}, [1]])
    caller.send([48, request, {}, "com.example.add", [2]])
    callee.expect_only([68, 1, registration, {"trustlevel": 2}, [2]])


def test_a_changed_configuration_changes_it(router):
    callee, caller = router.join(), router.join("alice")
    registration = callee.register("com.example.add")
    caller.call("com.example.add")
    callee.expect([68, 1, registration, {"trustlevel": 2}])
    user = RoleConfig(permissions=(permission("", trust_level=7),))
    changed = replace(router.realm.config, roles={**CONFIG.roles, "user": user})
    router.turn.deliver(router.realm.reconfigure(changed))
    caller.call("com.example.add")
    callee.expect_only([68, 2, registration, {"trustlevel": 7}])
