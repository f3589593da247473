/* connect: open sessions with one subscription each, hold them, close them; speed and memory of the router. */
#include "generator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int opened;
static Histogram opening;

static void on_subscribed(Peer *peer, const Span *field, int count) {
    if (integer(field[0]) != 33 || count < 3 || integer(field[1]) != 1)
        refuse(peer, field, count);
    record(&opening, now - peer->began);
    opened++;
}

static void on_welcome(Peer *peer, const Span *field, int count) {
    char request[64];
    if (integer(field[0]) != 2 || count < 3)
        refuse(peer, field, count);
    int topics = options.topics ? options.topics : options.sessions;
    int size = snprintf(request, sizeof request, "[32,1,{},\"bench.idle.%d\"]", peer->index % topics);
    peer->state = READY;
    peer->receive = on_subscribed;
    frame_send(peer, request, (size_t)size);
}

static void open_all(Peer **peers) {
    uint64_t stop = clock_ns() + (uint64_t)(options.timeout * 1e9);
    for (int begun = 0; opened < options.sessions;) {
        for (; begun < options.sessions && begun - opened < options.concurrency; begun++)
            peers[begun] = peer_connect("session", begun, on_welcome);
        int before = opened;
        turn(stop);
        if (opened != before)
            stop = now + (uint64_t)(options.timeout * 1e9);
        else if (now >= stop)
            fail("stall: %d of %d sessions open after %g s of silence", opened, options.sessions, options.timeout);
    }
}

static void hold(void) {
    for (uint64_t stop = clock_ns() + (uint64_t)(options.hold * 1e9); now < stop && !interrupted;)
        turn(stop);
}

void run_connect(void) {
    Peer **peers = calloc((size_t)options.sessions, sizeof *peers);
    uint64_t rss[3], pss[3];
    memory_of_router(&rss[0], &pss[0]);
    Usage from = usage_now();
    open_all(peers);
    Usage to = usage_now();
    hold();
    memory_of_router(&rss[1], &pss[1]);
    uint64_t closing = clock_ns();
    leave_all(peers, options.sessions);
    double closing_s = (double)(clock_ns() - closing) / 1e9;
    memory_of_router(&rss[2], &pss[2]);

    report_begin(true);
    report_number("sessions_per_s", options.sessions * 1e9 / (double)(to.when - from.when));
    report_latency("session", &opening);
    if (*options.pids) {
        report_integer("rss_before", rss[0]);
        report_integer("rss_held", rss[1]);
        report_integer("rss_after", rss[2]);
        report_number("rss_bytes_per_session", ((double)rss[1] - (double)rss[0]) / options.sessions);
        report_number("pss_bytes_per_session", ((double)pss[1] - (double)pss[0]) / options.sessions);
    }
    report_number("close_s", closing_s);
    report_number("closes_per_s", options.sessions / closing_s);
    report_usage(from, to);
    report_end();
}
