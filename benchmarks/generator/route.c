/* The toy router's tables: topics and procedures by URI, pending calls by invocation. */
#include "generator.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 16384

typedef struct Entry Entry;
struct Entry { /* a topic or a procedure */
    Entry *next;
    uint64_t id;
    Peer **members; /* subscribers, or the one callee */
    int count, room;
    size_t size;
    char uri[];
};

typedef struct {
    Peer *caller;
    uint64_t request;
} Pending;

typedef struct { /* what is known of one session */
    Entry **joined;
    int count, room;
    Pending *pending; /* invocation n: pending[n % size] */
    uint64_t invocations, answered, size;
} Known;

static Entry *topics[BUCKETS], *procedures[BUCKETS];
static uint64_t last_id;
static char scratch[1 << 20];

static Known *known(Peer *peer) {
    if (!peer->router)
        peer->router = calloc(1, sizeof(Known));
    return peer->router;
}

static Entry *find(Entry **table, Span uri, bool create) {
    uint64_t hash = 14695981039346656037ull; /* FNV-1a */
    for (size_t i = 0; i < uri.size; i++)
        hash = (hash ^ (unsigned char)uri.at[i]) * 1099511628211ull;
    Entry **at = &table[(hash ^ hash >> 32) % BUCKETS];
    for (; *at; at = &(*at)->next)
        if ((*at)->size == uri.size && !memcmp((*at)->uri, uri.at, uri.size))
            return *at;
    if (!create)
        return NULL;
    *at = calloc(1, sizeof **at + uri.size);
    (*at)->id = ++last_id;
    (*at)->size = uri.size;
    memcpy((*at)->uri, uri.at, uri.size);
    return *at;
}

static void join(Entry *entry, Peer *peer) {
    Known *session = known(peer);
    if (entry->count == entry->room)
        entry->members = realloc(entry->members, (size_t)(entry->room = entry->room * 2 + 1) * sizeof(Peer *));
    entry->members[entry->count++] = peer;
    if (session->count == session->room)
        session->joined = realloc(session->joined, (size_t)(session->room = session->room * 2 + 1) * sizeof(Entry *));
    session->joined[session->count++] = entry;
}

/* Sessions are forgotten, but their memory stays: a caller's answer may still be under way. */
void route_leave(Peer *peer) {
    Known *session = known(peer);
    for (int i = 0; i < session->count; i++) {
        Entry *entry = session->joined[i];
        for (int k = 0; k < entry->count; k++)
            if (entry->members[k] == peer) {
                entry->members[k] = entry->members[--entry->count];
                break;
            }
    }
    session->count = 0;
}

static void answer(Peer *peer, char *end) { frame_send(peer, scratch, (size_t)(end - scratch)); }

/* An event or a result; the 100th may suffer from --fault. */
static void deliver(Peer *peer, char *end) {
    static uint64_t count;
    static char held[4096];
    static size_t held_size;
    static Peer *held_peer;
    bool faulty = *options.fault && ++count == 100;
    if (faulty && *options.fault == 'd' && options.fault[1] == 'a')
        end[-10] ^= 1;
    if (faulty && *options.fault == 's') {
        held_peer = peer;
        memcpy(held, scratch, held_size = (size_t)(end - scratch));
    }
    if (!faulty || *options.fault == 'd')
        answer(peer, end);
    if (faulty && !strcmp(options.fault, "double"))
        answer(peer, end);
    if (!faulty && peer == held_peer) {
        held_peer = NULL;
        frame_send(peer, held, held_size);
    }
}

static void grant(Peer *peer, Span request, Entry *entry, bool topic) {
    char *to = topic ? put(scratch, "[33,") : put(scratch, "[65,");
    join(entry, peer);
    answer(peer, put(put_integer(put(put_span(to, request), ","), entry->id), "]"));
}

static void publish(Peer *peer, const Span *field, int count) {
    Entry *topic = find(topics, text(field[3]), false);
    uint64_t publication = ++last_id;
    if (topic) {
        char *to = put_integer(put(put_integer(put(scratch, "[36,"), topic->id), ","), publication);
        to = put_span(put(to, ",{},"), count > 4 ? field[4] : (Span){"[]", 2});
        to = put(to, "]");
        for (int i = 0; i < topic->count; i++)
            deliver(topic->members[i], to);
    }
    if (field[2].size > 2)
        answer(peer, put(put_integer(put(put_span(put(scratch, "[17,"), field[1]), ","), publication), "]"));
}

static void grow(Known *session) {
    uint64_t size = session->size ? session->size * 2 : 256;
    Pending *pending = calloc(size, sizeof *pending);
    for (uint64_t n = session->answered; n < session->invocations; n++)
        pending[n % size] = session->pending[n % session->size];
    free(session->pending);
    session->pending = pending;
    session->size = size;
}

static void call(Peer *peer, const Span *field, int count) {
    Entry *procedure = find(procedures, text(field[3]), false);
    if (!procedure || !procedure->count) {
        char *to = put_span(put(scratch, "[8,48,"), field[1]);
        answer(peer, put(to, ",{},\"wamp.error.no_such_procedure\"]"));
        return;
    }
    Peer *callee = procedure->members[0];
    Known *session = known(callee);
    if (session->invocations - session->answered >= session->size)
        grow(session);
    session->pending[session->invocations % session->size] = (Pending){peer, integer(field[1])};
    char *to = put_integer(put(scratch, "[68,"), ++session->invocations);
    to = put_integer(put(to, ","), procedure->id);
    to = put_span(put(to, ",{},"), count > 4 ? field[4] : (Span){"[]", 2});
    answer(callee, put(to, "]"));
}

static void yield(Peer *peer, const Span *field, int count) {
    Known *session = known(peer);
    uint64_t n = integer(field[1]) - 1;
    if (n >= session->invocations || n < session->answered)
        return;
    Pending *pending = &session->pending[n % session->size];
    char *to = put_integer(put(scratch, "[50,"), pending->request);
    to = put_span(put(to, ",{},"), count > 3 ? field[3] : (Span){"[]", 2});
    deliver(pending->caller, put(to, "]"));
    pending->caller = NULL;
    while (session->answered < session->invocations && !session->pending[session->answered % session->size].caller)
        session->answered++;
}

static void welcome(Peer *peer) {
    char *to = put_integer(put(scratch, "[2,"), ++last_id);
    answer(peer, put(to, ",{\"roles\":{\"broker\":{},\"dealer\":{}}}]"));
}

void route(Peer *peer, const Span *field, int count) {
    uint64_t code = integer(field[0]);
    if (code == 1)
        welcome(peer);
    else if (code == 6)
        answer(peer, put(scratch, "[6,{},\"wamp.close.goodbye_and_out\"]"));
    else if (code == 70 && count > 2)
        yield(peer, field, count);
    else if (count < 4)
        peer_close(peer);
    else if (code == 16)
        publish(peer, field, count);
    else if (code == 48)
        call(peer, field, count);
    else if (code == 32)
        grant(peer, field[1], find(topics, text(field[3]), true), true);
    else if (code == 64)
        grant(peer, field[1], find(procedures, text(field[3]), true), false);
    else
        peer_close(peer);
}
