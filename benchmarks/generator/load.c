/* rpc, fanout, pairs and rate: calls and publications, in a closed or an open loop. */
#include "generator.h"

#include <stdlib.h>
#include <string.h>

#define MOST_AHEAD 60000

static Stream **streams;
static int stream_count;
static bool calling, measuring;
static uint64_t answers, deliveries; /* since the start */
static Histogram latency, acknowledge, delay;
static char scratch[1 << 20];

static const char *who(const Peer *peer) { return peer->role; }

static void answered(Stream *stream, uint64_t request, Histogram *histogram) {
    if (request != stream->acked + 1)
        fail("%s %d: answer to request %llu, but %llu is next", stream->sender->role, stream->index,
             (unsigned long long)request, (unsigned long long)stream->acked + 1);
    if (request > stream->sent)
        fail("%s %d: answer to request %llu, which was never sent", stream->sender->role, stream->index,
             (unsigned long long)request);
    if (measuring)
        record(histogram, now - stream->at[stream->acked % RING]);
    stream->acked++;
    answers++;
}

static void send_call(Stream *stream) {
    char *to = put(scratch, "[48,");
    to = put(put_integer(to, stream->sent + 1), ",{},\"bench.proc.");
    to = put(put_integer(to, (uint64_t)(stream->index % options.callees)), "\",");
    to = put(put_payload(to, stream, stream->sent), "]");
    frame_send(stream->sender, scratch, (size_t)(to - scratch));
}

static void send_publish(Stream *stream) {
    char *to = put(scratch, "[16,");
    to = put(put_integer(to, stream->sent + 1), ",{\"acknowledge\":true},\"bench.topic.");
    to = put(put_integer(to, (uint64_t)stream->index), "\",");
    to = put(put_payload(to, stream, stream->sent), "]");
    frame_send(stream->sender, scratch, (size_t)(to - scratch));
}

/* Send the next operation; its latency counts from since. */
static void operate(Stream *stream, uint64_t since) {
    stream->at[stream->sent % RING] = since;
    stream->reached[stream->sent % RING] = 0;
    if (calling)
        send_call(stream);
    else
        send_publish(stream);
    stream->sent++;
}

static bool may_send(const Stream *stream) {
    uint64_t ahead = stream->sent - (calling ? stream->acked : stream->complete);
    return ahead < (options.lag ? (uint64_t)options.lag : MOST_AHEAD);
}

static bool closed_loop; /* a new operation for each answer */

static void refill(Stream *stream) {
    while (closed_loop && stream->sent - stream->acked < (uint64_t)options.window && may_send(stream))
        operate(stream, now);
}

static void on_invocation(Peer *peer, const Span *field, int count) {
    if (integer(field[0]) != 68 || count != 5 || integer(field[2]) != peer->id)
        refuse(peer, field, count);
    Stream *stream = stream_of(field[4], streams, stream_count);
    if (stream->index % options.callees != peer->index)
        fail("callee %d: a call for another callee", peer->index);
    check_payload(field[4], stream, stream->invoked++, who(peer));
    char *to = put_span(put(scratch, "[70,"), field[1]);
    to = put(put_span(put(to, ",{},"), field[4]), "]");
    frame_send(peer, scratch, (size_t)(to - scratch));
}

static void on_result(Peer *peer, const Span *field, int count) {
    Stream *stream = peer->stream;
    if (integer(field[0]) != 50 || count != 4)
        refuse(peer, field, count);
    check_payload(field[3], stream, stream->acked, who(peer));
    answered(stream, integer(field[1]), &latency);
    refill(stream);
}

static void on_published(Peer *peer, const Span *field, int count) {
    if (integer(field[0]) != 17 || count != 3)
        refuse(peer, field, count);
    answered(peer->stream, integer(field[1]), &acknowledge);
    refill(peer->stream);
}

static void on_event(Peer *peer, const Span *field, int count) {
    Stream *stream = peer->stream;
    if (integer(field[0]) != 36 || count != 5 || integer(field[1]) != peer->id)
        refuse(peer, field, count);
    uint64_t n = peer->next++;
    check_payload(field[4], stream, n, who(peer));
    deliveries++;
    if (measuring)
        record(&latency, now - stream->at[n % RING]);
    if (++stream->reached[n % RING] == (uint32_t)stream->receivers) {
        stream->complete++;
        refill(stream);
    }
}

static void add_streams(Peer **senders, int count, Receive *receive, int receivers) {
    streams = calloc((size_t)count, sizeof *streams);
    stream_count = count;
    for (int i = 0; i < count; i++) {
        streams[i] = calloc(1, sizeof **streams);
        *streams[i] = (Stream){.index = i, .sender = senders[i], .receivers = receivers};
        senders[i]->stream = streams[i];
        senders[i]->receive = receive;
    }
}

static Peer **senders, **receivers;
static int sender_count, receiver_count;

static void prepare_calls(void) {
    receiver_count = options.callees;
    receivers = join_all(receiver_count, "callee");
    request_all(receivers, receiver_count, "64", "bench.proc", receiver_count);
    for (int i = 0; i < receiver_count; i++)
        receivers[i]->receive = on_invocation;
    sender_count = options.callers;
    senders = join_all(sender_count, "caller");
    add_streams(senders, sender_count, on_result, 0);
}

static void prepare_events(int publishers, int subscribers) {
    receiver_count = subscribers;
    receivers = join_all(receiver_count, "subscriber");
    request_all(receivers, receiver_count, "32", "bench.topic", publishers);
    sender_count = publishers;
    senders = join_all(sender_count, "publisher");
    add_streams(senders, sender_count, on_published, subscribers / publishers);
    for (int i = 0; i < receiver_count; i++) {
        receivers[i]->receive = on_event;
        receivers[i]->stream = streams[i % publishers];
    }
}

static uint64_t due(uint64_t start, uint64_t n) { return start + (uint64_t)((double)n * 1e9 / options.rate); }

static uint64_t paced_from, paced; /* rate: the beginning, and the operations sent */

/* Send what is due; return when the next one is. */
static uint64_t pace(void) {
    uint64_t next;
    while ((next = due(paced_from, paced)) <= now) {
        Stream *stream = streams[paced % (uint64_t)stream_count];
        if (!may_send(stream))
            fail("the router is %d operations behind", MOST_AHEAD);
        operate(stream, next);
        if (measuring)
            record(&delay, now - next);
        paced++;
    }
    return next;
}

/* Turn until then; nothing received for --timeout is a stall. */
static void run_until(uint64_t stop) {
    uint64_t seen = messages, silent_since = clock_ns();
    while (now < stop && !interrupted) {
        uint64_t until = closed_loop ? stop : pace();
        turn(until < stop ? until : stop);
        if (messages != seen) {
            seen = messages;
            silent_since = now;
        } else if ((double)(now - silent_since) > options.timeout * 1e9) {
            fail("stall: nothing received for %g s", options.timeout);
        }
    }
}

static bool drained(void) {
    for (int i = 0; i < stream_count; i++)
        if (streams[i]->acked < streams[i]->sent || (!calling && streams[i]->complete < streams[i]->sent))
            return false;
    return true;
}

/* Wait for every answer and event that is still under way. */
static void drain(void) {
    uint64_t seen = messages, stop = clock_ns() + (uint64_t)(options.timeout * 1e9);
    closed_loop = false;
    while (!drained()) {
        turn(stop);
        if (messages != seen) {
            seen = messages;
            stop = now + (uint64_t)(options.timeout * 1e9);
        } else if (now >= stop) {
            fail("lost: answers or events still missing after %g s of silence", options.timeout);
        }
    }
    for (uint64_t stop_extra = now + SECOND / 50; now < stop_extra;) /* one too many would come now */
        turn(stop_extra);
}

static void report(Usage from, Usage to, uint64_t counted[3]) {
    double wall = (double)(to.when - from.when) / 1e9;
    report_begin(true);
    if (calling) {
        report_integer("calls", counted[0]);
        report_number("calls_per_s", (double)counted[0] / wall);
    } else {
        report_integer("publishes", counted[0]);
        report_number("publishes_per_s", (double)counted[0] / wall);
        report_integer("deliveries", counted[1]);
        report_number("deliveries_per_s", (double)counted[1] / wall);
    }
    report_number("msgs_per_s", (double)counted[2] / wall);
    report_latency("lat", &latency);
    report_latency("ack", &acknowledge);
    report_latency("send_delay", &delay);
    report_usage(from, to);
    report_end();
}

void run_load(void) {
    bool rate = !strcmp(options.scenario, "rate");
    const char *mode = rate ? options.mode : options.scenario;
    calling = !strcmp(mode, "rpc");
    if (calling)
        prepare_calls();
    else
        prepare_events(!strcmp(mode, "pairs") ? options.pairs : 1, !strcmp(mode, "pairs") ? options.pairs : options.subs);
    closed_loop = !rate;
    paced_from = now = clock_ns();
    for (int i = 0; i < stream_count; i++)
        refill(streams[i]);
    run_until(now + (uint64_t)(options.warmup * 1e9));
    uint64_t counted[3] = {answers, deliveries, messages};
    Usage from = usage_now();
    measuring = true;
    run_until(from.when + (uint64_t)(options.duration * 1e9));
    measuring = false;
    Usage to = usage_now();
    counted[0] = answers - counted[0];
    counted[1] = deliveries - counted[1];
    counted[2] = messages - counted[2];
    drain();
    leave_all(senders, sender_count);
    leave_all(receivers, receiver_count);
    report(from, to, counted);
}
