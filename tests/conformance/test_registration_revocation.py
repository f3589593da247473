"""WAMP AP 'Registration Revocation': feature registration_revocation."""

import pytest
from msgspec.structs import replace
from wire_router import ANY, CONFIG

from realms.config import RoleConfig

REMOVE = "wamp.registration.remove_callee"
UNANNOUNCED = ["callee.registration_revocation"]


@pytest.fixture
def admin(router):
    return router.join("carol")


def remove(admin, *args, **kwargs):
    """Call the meta procedure, which answers with nothing."""
    request = admin.call(REMOVE, list(args), kwargs)
    admin.expect([50, request, {}])


def test_unregistered_with_request_0_and_details(router, admin):
    """
    "it's set to zero and another argument is appended to indicate which registration to revoke"
    """
    callee = router.join()
    registration = callee.register("com.procedure")
    remove(admin, registration, callee.id, reason="com.example.moving")
    details = {"registration": registration, "reason": "com.example.moving"}
    callee.expect_only([67, 0, details])


def test_no_invocation_follows_and_one_under_way_may_be_answered(router, admin):
    callee = router.join()
    registration = callee.register("com.procedure")
    before = admin.call("com.procedure")
    callee.expect([68, 1, registration, {}])
    remove(admin, registration, callee.id)
    callee.expect([67, 0, {"registration": registration, "reason": ANY}])
    after = admin.call("com.procedure")
    admin.expect([8, 48, after, {}, "wamp.error.no_such_procedure", ANY])
    callee.send([70, 1, {}, ["still done"]])
    admin.expect([50, before, {}, ["still done"]])


def test_who_did_not_announce_it_is_told_nothing(router, admin):
    """
    "In this case, the Dealer MUST NOT send an UNREGISTERED message to the Callee."
    """
    callee = router.join(without=UNANNOUNCED)
    registration = callee.register("com.procedure")
    remove(admin, registration, callee.id)
    callee.expect_nothing()


def test_the_meta_event_tells_it(router, admin):
    """
    "The Callee MAY use the registration meta event wamp.registration.on_unregister"
    """
    callee = router.join(without=UNANNOUNCED)
    registration = callee.register("com.procedure")
    events = callee.subscribe("wamp.registration.on_unregister")
    callee.drain()
    remove(admin, registration, callee.id)
    callee.expect_only([36, events, ANY, {}, [callee.id, registration]])


def test_a_changed_configuration_revokes(router):
    callee = router.join()
    registration = callee.register("com.procedure")
    changed = replace(CONFIG, roles={**CONFIG.roles, "anonymous": RoleConfig()})
    router.turn.deliver(router.realm.reconfigure(changed))
    router.end_turn()
    callee.expect_only([67, 0, {"registration": registration, "reason": "wamp.error.not_authorized"}])


@pytest.mark.parametrize(
    ("registration", "session", "error"),
    [(99, 1, "no_such_registration"), (1, 99, "no_such_session")],
)
def test_there_is_no_such_thing(router, admin, registration, session, error):
    """An administrator that names a wrong one is told so."""
    router.join().register("com.procedure")
    request = admin.call(REMOVE, [registration, session])
    admin.expect([8, 48, request, {}, f"wamp.error.{error}", ANY])


def test_force_reregister_takes_the_place_of_a_dead_service(router):
    """A service that returns need not wait until its old connection is found dead."""
    dead, returned, caller = router.join(), router.join(), router.join()
    old = dead.register("com.procedure")
    request = returned.next()
    returned.send([64, request, {"force_reregister": True}, "com.procedure"])
    returned.expect([65, request, ANY])
    reason = "concord.revoked.replaced"
    dead.expect_only([67, 0, {"registration": old, "reason": reason}])
    caller.call("com.procedure", [1])
    returned.expect([68, 1, ANY, {}, [1]])


def test_force_reregister_replaces_all_callees_of_a_shared_registration(router):
    callees = [router.join() for _ in range(3)]
    for callee in callees:
        callee.register("com.procedure", invoke="roundrobin")
    last = router.join()
    request = last.next()
    last.send([64, request, {"force_reregister": True}, "com.procedure"])
    last.expect([65, request, ANY])
    for callee in callees:
        callee.expect_only([67, 0, ANY])


def test_force_reregister_of_what_nobody_holds_and_of_ones_own(router):
    callee = router.join()
    first = callee.register("com.procedure", force_reregister=True)
    request = callee.next()
    callee.send([64, request, {"force_reregister": True}, "com.procedure"])
    callee.expect([67, 0, {"registration": first, "reason": ANY}], [65, request, ANY])


def test_a_bad_option_replaces_nothing(router):
    holder, other, caller = router.join(), router.join(), router.join()
    registration = holder.register("com.procedure")
    for options in ({"force_reregister": "yes"}, {"force_reregister": True, "invoke": "none"}):
        request = other.next()
        other.send([64, request, options, "com.procedure"])
        other.expect([8, 64, request, {}, "wamp.error.invalid_argument", ANY])
    caller.call("com.procedure")
    holder.expect_only([68, 1, registration, {}])
