/* commit: transactions on one DSTM space, in a closed loop, and the deltas that come of them.
 *
 * With --keys 1 every transaction increments one number, blindly.  With more, each reads a key and replaces it; the
 * keys are divided among the clients, so that nothing conflicts but what --conflicts asks for: such a transaction
 * reads the key that the one before it wrote, on the version that this one had.
 */
#define _GNU_SOURCE
#include "generator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    Peer *peer;
    uint64_t sent, acked;   /* transactions */
    uint64_t version;       /* the last one told; the base of the next transaction */
    uint64_t previous_base; /* of the transaction before */
    uint64_t at[RING];      /* when transaction n was sent, ns */
    bool doomed[RING];      /* transaction n must conflict */
} Client;

static Client **clients;
static Peer **peers, **subscribers, *founder;
static uint64_t commits, conflicts, deltas, epoch_of_ids, founded;
static Histogram latency;
static bool measuring, going;
static char scratch[1 << 20];

static Span field_of(Span map, const char *key) {
    size_t size = strlen(key);
    for (const char *at = map.at, *end = map.at + map.size; (at = memchr(at, '"', (size_t)(end - at))) != NULL; at++) {
        if ((size_t)(end - at) < size + 4 || memcmp(at + 1, key, size) || memcmp(at + 1 + size, "\":", 2))
            continue;
        const char *from = at + size + 3, *to = from;
        while (to < end && *to != ',' && *to != '}')
            to++;
        return (Span){from, (size_t)(to - from)};
    }
    fail("no \"%s\" in %.*s", key, (int)(map.size > 200 ? 200 : map.size), map.at);
}

static bool conflicts_at(uint64_t n) {
    return options.keys > 1 && options.conflicts && n && n % (uint64_t)(100 / options.conflicts) == 0;
}

static uint64_t key_of(const Client *client, uint64_t n) {
    uint64_t own = (uint64_t)(options.keys / options.clients);
    uint64_t turn = conflicts_at(n) ? n - 1 : n;
    return (uint64_t)client->peer->index + (uint64_t)options.clients * (turn % (own ? own : 1));
}

static char *put_key(char *to, const Client *client, uint64_t n) {
    return put_integer(put(to, "\"/k"), key_of(client, n));
}

static char *put_value(char *to, uint64_t n) {
    size_t size = (size_t)options.payload;
    *to++ = '"';
    memset(to, 'a' + (char)(n % 26), size);
    to += size;
    *to++ = '"';
    return to;
}

static void commit(Client *client) {
    uint64_t n = client->sent;
    bool doomed = conflicts_at(n);
    uint64_t base = doomed ? client->previous_base : client->version;
    char *to = put_integer(put(scratch, "[48,"), n + 2);
    to += sprintf(to, ",{},\"dstm.%s.commit\",[],{\"tx\":\"%016llx%016llx:%llu\",\"base\":%llu,", options.space,
                  (unsigned long long)epoch_of_ids, (unsigned long long)client->peer->index, (unsigned long long)n,
                  (unsigned long long)base);
    if (options.keys == 1) {
        to = put(to, "\"reads\":[],\"ops\":[{\"op\":\"inc\",\"path\":\"/hot\",\"value\":1}]}]");
    } else {
        to = put(put_key(put(to, "\"reads\":["), client, n), "\"],\"ops\":[{\"op\":\"replace\",\"path\":");
        to = put(put_value(put(put_key(to, client, n), "\",\"value\":"), n), "}]}]");
    }
    frame_send(client->peer, scratch, (size_t)(to - scratch));
    client->doomed[n % RING] = doomed;
    client->at[n % RING] = now;
    client->previous_base = base;
    client->sent++;
}

static void refill(Client *client) {
    while (going && client->sent - client->acked < (uint64_t)options.window)
        commit(client);
}

static void on_answer(Peer *peer, const Span *field, int count) {
    Client *client = clients[peer->index];
    bool refused = integer(field[0]) == 8;
    if (refused ? count < 7 : integer(field[0]) != 50 || count < 5)
        refuse(peer, field, count);
    uint64_t n = integer(field[refused ? 2 : 1]) - 2;
    if (n != client->acked)
        fail("client %d: answer %llu, but %llu is next", peer->index, (unsigned long long)n,
             (unsigned long long)client->acked);
    if (refused != client->doomed[n % RING] || (refused && !memmem(field[4].at, field[4].size, "conflict", 8)))
        refuse(peer, field, count);
    uint64_t version = integer(field_of(field[refused ? 6 : 4], "version"));
    if (version > client->version) /* a conflict tells of the newest one, before commits of its batch are answered */
        client->version = version;
    if (measuring)
        record(&latency, now - client->at[n % RING]);
    client->acked++;
    *(refused ? &conflicts : &commits) += 1;
    refill(client);
}

static void on_delta(Span delta, void *to) {
    Peer *peer = to;
    Span field[FIELDS];
    if (split(delta, field) != 4)
        fail("not a delta: %.*s", (int)(delta.size > 200 ? 200 : delta.size), delta.at);
    uint64_t from = integer(field[0]);
    if (peer->next && from != peer->next)
        fail("subscriber %d: a delta from version %llu, but it has %llu", peer->index, (unsigned long long)from,
             (unsigned long long)peer->next);
    peer->next = integer(field[1]);
    deltas++;
}

static void on_event(Peer *peer, const Span *field, int count) {
    if (integer(field[0]) != 36 || count < 5)
        refuse(peer, field, count);
    each_item(field[4], on_delta, peer);
}

static void on_founded(Peer *peer, const Span *field, int count) {
    if (integer(field[0]) != 50)
        refuse(peer, field, count);
    founded = integer(field_of(field[4], "version"));
}

/* Give the space its keys, some hundred in each transaction. */
static void found(void) {
    uint64_t request = 1;
    founder = join_all(1, "founder")[0];
    founder->receive = on_founded;
    for (int key = 0; key < options.keys;) {
        uint64_t before = founded, stop = clock_ns() + (uint64_t)(options.timeout * 1e9);
        char *to = put_integer(put(scratch, "[48,"), request++);
        to += sprintf(to, ",{},\"dstm.%s.commit\",[],{\"ops\":[", options.space);
        for (int n = 0; n < 500 && key < options.keys && to < scratch + sizeof scratch / 4; n++, key++) {
            if (n)
                *to++ = ',';
            if (options.keys == 1) {
                to = put(to, "{\"op\":\"add\",\"path\":\"/hot\",\"value\":0}");
            } else {
                to = put_integer(put(to, "{\"op\":\"add\",\"path\":\"/k"), (uint64_t)key);
                to = put(put_value(put(to, "\",\"value\":"), 0), "}");
            }
        }
        to = put(to, "]}]");
        frame_send(founder, scratch, (size_t)(to - scratch));
        while (founded == before && now < stop)
            turn(stop);
        if (founded == before)
            fail("stall: the keys are not written after %g s", options.timeout);
    }
}

static void prepare(void) {
    char topic[256];
    snprintf(topic, sizeof topic, "dstm.%s.delta", options.space);
    found();
    if (options.subs > 0) {
        subscribers = join_all(options.subs, "subscriber");
        request_all(subscribers, options.subs, "32", topic, 0);
        for (int i = 0; i < options.subs; i++)
            subscribers[i]->receive = on_event;
    }
    peers = join_all(options.clients, "client");
    clients = calloc((size_t)options.clients, sizeof *clients);
    for (int i = 0; i < options.clients; i++) {
        clients[i] = calloc(1, sizeof **clients);
        clients[i]->peer = peers[i];
        clients[i]->version = clients[i]->previous_base = founded;
        peers[i]->receive = on_answer;
    }
}

static void run_until(uint64_t stop) {
    uint64_t seen = messages, silent_since = clock_ns();
    while (now < stop && !interrupted) {
        turn(stop);
        if (messages != seen) {
            seen = messages;
            silent_since = now;
        } else if ((double)(now - silent_since) > options.timeout * 1e9) {
            fail("stall: nothing received for %g s", options.timeout);
        }
    }
}

static bool drained(void) {
    for (int i = 0; i < options.clients; i++)
        if (clients[i]->acked < clients[i]->sent)
            return false;
    for (int i = 1; i < options.subs; i++)
        if (subscribers[i]->next != subscribers[0]->next)
            return false;
    return true;
}

static void drain(void) {
    going = false;
    for (uint64_t stop = clock_ns() + (uint64_t)(options.timeout * 1e9); !drained();) {
        turn(stop);
        if (now >= stop)
            fail("lost: answers or deltas still missing after %g s", options.timeout);
    }
}

void run_commit(void) {
    if (options.conflicts < 0 || options.conflicts > 50 || (options.keys > 1 && options.keys < 2 * options.clients))
        fail("--conflicts is at most 50, and each client needs two keys or all need one");
    epoch_of_ids = clock_ns();
    prepare();
    going = true;
    now = clock_ns();
    for (int i = 0; i < options.clients; i++)
        refill(clients[i]);
    run_until(now + (uint64_t)(options.warmup * 1e9));
    uint64_t counted[3] = {commits, conflicts, deltas};
    Usage from = usage_now();
    measuring = true;
    run_until(from.when + (uint64_t)(options.duration * 1e9));
    measuring = false;
    Usage to = usage_now();
    counted[0] = commits - counted[0];
    counted[1] = conflicts - counted[1];
    counted[2] = deltas - counted[2];
    drain();
    leave_all(peers, options.clients);
    leave_all(subscribers, options.subs);
    leave_all(&founder, 1);
    double wall = (double)(to.when - from.when) / 1e9;
    report_begin(true);
    report_text("space", options.space);
    report_integer("clients", (uint64_t)options.clients);
    report_integer("keys", (uint64_t)options.keys);
    report_integer("commits", counted[0]);
    report_number("commits_per_s", (double)counted[0] / wall);
    report_number("conflicts_per_s", (double)counted[1] / wall);
    report_integer("deltas", counted[2]);
    report_number("deliveries_per_s", (double)counted[2] / wall);
    report_latency("lat", &latency);
    report_usage(from, to);
    report_end();
}
