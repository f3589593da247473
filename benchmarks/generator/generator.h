/* The load generator: shared types.
 *
 * One thread and one epoll loop play all clients of a scenario.  A Peer is one connection; a Stream is one
 * caller or publisher with the numbers of its operations, against which every answer and every event is checked.
 * Anything lost, doubled, reordered or wrong ends the run through fail().
 */
#ifndef GENERATOR_H
#define GENERATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FIELDS 7     /* a WAMP array has at most so many fields that matter here */
#define RING 65536   /* operations of one stream that may be under way */
#define SECOND 1000000000ull

typedef struct {
    const char *at;
    size_t size;
} Span;

typedef struct {
    char *at;
    size_t start, end, room; /* used: at[start..end) */
} Buffer;

enum State { CONNECTING, OPENING, JOINING, READY, LEAVING, CLOSING, CLOSED };

typedef struct Peer Peer;
typedef struct Stream Stream;
typedef void Receive(Peer *peer, const Span *field, int count);

struct Peer {
    int fd, index;
    enum State state;
    bool server; /* an accepted connection of the toy router */
    bool raw;    /* RawSocket, not WebSocket */
    bool dirty, blocked;
    Buffer in, out;
    Receive *receive;      /* each WAMP message */
    const char *role;      /* for messages: "caller", "subscriber", ... */
    Stream *stream;        /* caller, publisher: its own; subscriber: what it listens to */
    uint64_t id;           /* subscription or registration */
    uint64_t next;         /* subscriber: the number of the event that must come next */
    uint64_t began;        /* connect: when the session was begun, ns */
    void *router;          /* serve: what the toy router knows of this session */
};

struct Stream {
    int index;
    Peer *sender;
    int receivers;                 /* subscribers */
    uint64_t sent, acked;          /* operations sent, answered */
    uint64_t complete;             /* publications that reached all subscribers */
    uint64_t invoked;              /* calls seen by the callee */
    uint64_t at[RING];             /* when operation n was sent or, in rate, due: at[n % RING], ns */
    uint32_t reached[RING];        /* subscribers that have publication n */
};

typedef struct {
    uint64_t count, sum, max;
    uint32_t bucket[64 * 64];
} Histogram;

typedef struct {
    const char *scenario, *host, *path, *realm, *transport, *serializer, *mode, *label, *pids, *fault, *space;
    int port, callers, callees, window, subs, pairs, lag, sessions, concurrency, topics, payload;
    int clients, keys, conflicts;
    double rate, duration, warmup, hold, timeout;
    bool spin, mask_given;
    uint32_t mask;
} Options;

extern Options options;
extern uint64_t now;          /* ns; set when bytes arrive, and by each turn */
extern uint64_t messages;     /* WAMP messages received */
extern uint64_t pings, unclean;
extern volatile bool interrupted;

/* main.c */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* loop.c */
uint64_t clock_ns(void);
void loop_open(void);
void loop_add(int fd, void *owner, bool writing);
void loop_watch(Peer *peer, bool writing);
void loop_listen(int fd, void (*on_accept)(int fd));
void turn(uint64_t until); /* wait for input until then, at most; handle it; write what it caused */
void mark_dirty(Peer *peer);

/* peer.c */
Peer *peer_new(int fd, bool server);
Peer *peer_connect(const char *role, int index, Receive *receive);
void peer_free(Peer *peer);
void peer_event(Peer *peer, uint32_t events);
void peer_flush(Peer *peer);
void peer_close(Peer *peer);
char *buffer_reserve(Buffer *buffer, size_t size);

/* frame.c */
void frame_send(Peer *peer, const char *payload, size_t size);
void frame_close(Peer *peer);
void frames_read(Peer *peer);

/* upgrade.c */
void upgrade_request(Peer *peer);
bool upgrade_client(Peer *peer);
bool upgrade_server(Peer *peer);

/* wamp.c */
int split(Span message, Span field[FIELDS]);
uint64_t integer(Span field);
Span text(Span field);
Span first_text(Span args);
void each_item(Span list, void (*visit)(Span item, void *to), void *to);
char *put_integer(char *to, uint64_t value);
char *put_span(char *to, Span span);
char *put_payload(char *to, const Stream *stream, uint64_t n);
void check_payload(Span args, const Stream *stream, uint64_t n, const char *who);
Stream *stream_of(Span args, Stream **streams, int count);
#define put(to, literal) ((char *)memcpy((to), (literal), sizeof(literal) - 1) + sizeof(literal) - 1)

/* session.c */
Peer **join_all(int count, const char *role);
void request_all(Peer **peers, int count, const char *message, const char *uri, int uris);
void leave_all(Peer **peers, int count);
void join_one(Peer *peer);
void refuse(const Peer *peer, const Span *field, int count);

/* report.c */
void record(Histogram *histogram, uint64_t ns);
void report_begin(bool ok);
void report_integer(const char *key, uint64_t value);
void report_number(const char *key, double value);
void report_text(const char *key, const char *value);
void report_latency(const char *prefix, const Histogram *histogram);
void report_end(void);
typedef struct {
    uint64_t when;
    double self, router, busy, capacity; /* CPU seconds */
} Usage;
Usage usage_now(void);
void report_usage(Usage from, Usage to);
void memory_of_router(uint64_t *rss, uint64_t *pss);

/* the scenarios */
void run_load(void);    /* load.c: rpc, fanout, pairs, rate */
void run_connect(void); /* connect.c */
void run_commit(void);  /* commits.c */
void run_serve(void);   /* serve.c, route.c */
void route(Peer *peer, const Span *field, int count);
void route_leave(Peer *peer);

#endif
