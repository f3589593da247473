/* WAMP sessions of the generator: joining, subscribing or registering, leaving. */
#include "generator.h"

#include <stdio.h>
#include <string.h>

static int pending; /* sessions or requests that have no answer yet */

static uint64_t deadline(void) { return clock_ns() + (uint64_t)(options.timeout * 1e9); }

/* Fail because of a message that nobody waits for here. */
void refuse(const Peer *peer, const Span *field, int count) {
    Span last = field[count - 1];
    fail("%s %d did not expect message %.*s of %d fields, the last one %.*s", peer->role, peer->index,
         (int)field[0].size, field[0].at, count, (int)(last.size > 200 ? 200 : last.size), last.at);
}

/* Turn until nothing is pending; silence for --timeout is a stall. */
static void settle(const char *what) {
    uint64_t stop = deadline();
    for (int before = pending; pending; before = pending) {
        turn(stop);
        if (pending != before)
            stop = deadline();
        else if (now >= stop)
            fail("stall: %d %s unanswered after %g s", pending, what, options.timeout);
    }
}

void join_one(Peer *peer) {
    char hello[256];
    int size = snprintf(hello, sizeof hello,
                        "[1,\"%s\",{\"roles\":{\"caller\":{},\"callee\":{},\"publisher\":{},\"subscriber\":{}}}]",
                        options.realm);
    frame_send(peer, hello, (size_t)size);
}

static void on_welcome(Peer *peer, const Span *field, int count) {
    if (integer(field[0]) != 2 || count < 3 || peer->state != JOINING)
        refuse(peer, field, count);
    peer->state = READY;
    pending--;
}

/* Open count sessions, --concurrency at a time. */
Peer **join_all(int count, const char *role) {
    static Peer *all[1 << 16];
    static int used;
    Peer **mine = all + used;
    if (used + count > (int)(sizeof all / sizeof *all))
        fail("too many sessions");
    used += count;
    for (int begun = 0; begun < count;) {
        for (; begun < count && pending < options.concurrency; begun++, pending++)
            mine[begun] = peer_connect(role, begun, on_welcome);
        int before = pending;
        uint64_t stop = deadline();
        while (pending == before) {
            turn(stop);
            if (now >= stop)
                fail("stall: %d sessions not welcomed after %g s", pending, options.timeout);
        }
    }
    settle("sessions");
    return mine;
}

static void on_granted(Peer *peer, const Span *field, int count) {
    uint64_t code = integer(field[0]);
    if ((code != 33 && code != 65) || count < 3 || integer(field[1]) != 1)
        refuse(peer, field, count);
    peer->id = integer(field[2]);
    pending--;
}

/* Each peer sends SUBSCRIBE ("32") or REGISTER ("64") for uri.<index % uris>, or uri itself where uris is 0. */
void request_all(Peer **peers, int count, const char *message, const char *uri, int uris) {
    char request[256];
    for (int i = 0; i < count; i++) {
        int size = uris ? snprintf(request, sizeof request, "[%s,1,{},\"%s.%d\"]", message, uri, i % uris)
                        : snprintf(request, sizeof request, "[%s,1,{},\"%s\"]", message, uri);
        peers[i]->receive = on_granted;
        frame_send(peers[i], request, (size_t)size);
        pending++;
    }
    settle("requests");
}

static void on_leaving(Peer *peer, const Span *field, int count) {
    (void)count;
    if (integer(field[0]) != 6)
        return;
    peer->state = CLOSING;
    if (peer->raw)
        peer_close(peer);
    else
        frame_close(peer);
}

/* GOODBYE and the closing handshake, for all; what is not closed within 5 s is counted as unclean. */
void leave_all(Peer **peers, int count) {
    static const char GOODBYE[] = "[6,{},\"wamp.close.close_realm\"]";
    uint64_t stop = clock_ns() + 5 * SECOND;
    for (int i = 0; i < count; i++) {
        peers[i]->receive = on_leaving;
        peers[i]->state = LEAVING;
        frame_send(peers[i], GOODBYE, sizeof GOODBYE - 1);
    }
    for (int left = 0; left < count;) {
        if (peers[left]->state == CLOSED) {
            left++;
        } else if (now >= stop) {
            unclean++;
            peer_close(peers[left]);
        } else {
            turn(stop);
        }
    }
}
