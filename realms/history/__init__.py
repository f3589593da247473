"""
Event history: what was published, kept for clients that come later (WAMP AP 'Event History').

- ``config``: the section ``event_history`` of a realm's file.
- ``event``: one event that is kept, as a value.
- ``query``: which events a call asks for, and the page of them that it gets. Pure.
- ``memory`` and ``database``: the two stores.
- ``journal``: the events on their way into the database, many in one commit.
- ``history``: the histories of one realm, and the procedure ``wamp.subscription.get_events``.
"""
