/* Options, usage, and the one way to fail. */
#define _GNU_SOURCE
#include "generator.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

Options options = {
    .host = "127.0.0.1", .path = "/ws", .realm = "realm1", .transport = "websocket", .serializer = "json",
    .mode = "rpc", .label = "", .pids = "", .fault = "", .port = 9090, .callers = 1, .callees = 1, .window = 1, .subs = 1,
    .pairs = 1, .lag = 0, .sessions = 1000, .concurrency = 64, .topics = 0, .payload = 64, .rate = 1000,
    .space = "demo", .clients = 1, .keys = 1, .conflicts = 0, .duration = 5, .warmup = 1, .hold = 2, .timeout = 10,
};
volatile bool interrupted;

static const char USAGE[] =
    "usage: generator SCENARIO [options]\n"
    "\n"
    "scenarios\n"
    "  rpc      --callers C --callees R --window W    calls, W under way for each caller\n"
    "  fanout   --subs S --window W [--lag L]         one publisher, S subscribers, W publishes unacknowledged\n"
    "  pairs    --pairs K --window W [--lag L]        K publishers, each with a subscriber of its own\n"
    "  rate     --mode rpc|fanout|pairs --rate X      X operations per second whatever happens; latency counts\n"
    "                                                 from the moment at which each was due\n"
    "  connect  --sessions N --concurrency C          open N sessions, C at a time, with one subscription each;\n"
    "           [--topics T] [--hold D]               hold them for D s (or until SIGINT, SIGTERM); close them\n"
    "  commit   --space S --clients C --window W      transactions on a DSTM space; --keys 1: increments of one\n"
    "           --keys K [--conflicts P] [--subs S]   number; more: a key is read and replaced, P % in conflict;\n"
    "                                                 S (0 here) subscribers of the deltas\n"
    "  serve    [--port P]                            a toy router: the limit of this generator\n"
    "           [--fault lose|double|swap|damage]     what it does to its 100th event or result\n"
    "\n"
    "where    --host 127.0.0.1 --port 9090 --path /ws --realm realm1 --transport websocket|rawsocket\n"
    "         --serializer json (there is no other)\n"
    "what     --payload 64    characters in the string argument, at least 16\n"
    "         --duration 5    seconds measured\n"
    "         --warmup 1      seconds before them\n"
    "         --lag 0         publishes ahead of the slowest subscriber, at most (0: 60,000)\n"
    "         --topics 0      connect: number of topics (0: one for each session)\n"
    "         --timeout 10    seconds of silence that count as a stall\n"
    "         --mask N        a fixed mask for WebSocket frames (0: none); without it, each frame has its own\n"
    "         --spin          never sleep\n"
    "         --pid P[,P]     router processes: they and their descendants are measured\n"
    "         --label TEXT    copied into the report\n"
    "\n"
    "The last line on stdout is a JSON object.  Exit status: 0 good, 1 the test failed, 2 usage.\n";

_Noreturn void fail(const char *format, ...) {
    char reason[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    fprintf(stderr, "generator: FAIL: %s\n", reason);
    report_begin(false);
    report_text("error", reason);
    report_end();
    exit(1);
}

static _Noreturn void misuse(const char *what, const char *which) {
    fprintf(stderr, "generator: %s: %s (see --help)\n", which, what);
    exit(2);
}

typedef struct {
    const char *name;
    enum { INTEGER, NUMBER, TEXT } kind;
    void *to;
    double least;
} Option;

static const Option OPTIONS[] = {
    {"--host", TEXT, &options.host, 0}, {"--port", INTEGER, &options.port, 1},
    {"--path", TEXT, &options.path, 0}, {"--realm", TEXT, &options.realm, 0},
    {"--transport", TEXT, &options.transport, 0}, {"--serializer", TEXT, &options.serializer, 0},
    {"--mode", TEXT, &options.mode, 0}, {"--label", TEXT, &options.label, 0}, {"--pid", TEXT, &options.pids, 0},
    {"--fault", TEXT, &options.fault, 0},
    {"--callers", INTEGER, &options.callers, 1}, {"--callees", INTEGER, &options.callees, 1},
    {"--window", INTEGER, &options.window, 1}, {"--subs", INTEGER, &options.subs, 0},
    {"--pairs", INTEGER, &options.pairs, 1}, {"--lag", INTEGER, &options.lag, 0},
    {"--sessions", INTEGER, &options.sessions, 1}, {"--concurrency", INTEGER, &options.concurrency, 1},
    {"--topics", INTEGER, &options.topics, 0}, {"--clients", INTEGER, &options.clients, 1},
    {"--keys", INTEGER, &options.keys, 1}, {"--conflicts", INTEGER, &options.conflicts, 0},
    {"--space", TEXT, &options.space, 0}, {"--payload", INTEGER, &options.payload, 16},
    {"--rate", NUMBER, &options.rate, 1}, {"--duration", NUMBER, &options.duration, 0.01},
    {"--warmup", NUMBER, &options.warmup, 0}, {"--hold", NUMBER, &options.hold, 0},
    {"--timeout", NUMBER, &options.timeout, 0.1},
};

static void set(const Option *option, const char *value) {
    char *rest;
    if (option->kind == TEXT) {
        *(const char **)option->to = value;
        return;
    }
    double number = strtod(value, &rest);
    if (*rest || rest == value || number < option->least || number > 1e9)
        misuse("not a number in range", option->name);
    if (option->kind == INTEGER)
        *(int *)option->to = (int)number;
    else
        *(double *)option->to = number;
}

static void one_of(const char *name, const char *value, const char *first, const char *second, const char *third) {
    if (strcmp(value, first) && strcmp(value, second) && strcmp(value, third))
        misuse("unknown", name);
}

static void parse(int count, char **argument) {
    bool subs_given = false;
    for (int i = 2; i < count; i++) {
        if (!strcmp(argument[i], "--spin")) {
            options.spin = true;
            continue;
        }
        if (i + 1 == count)
            misuse("unknown option or no value", argument[i]);
        if (!strcmp(argument[i], "--mask")) {
            options.mask = (uint32_t)strtoul(argument[++i], NULL, 0);
            options.mask_given = true;
            continue;
        }
        size_t k = 0;
        while (k < sizeof OPTIONS / sizeof *OPTIONS && strcmp(argument[i], OPTIONS[k].name))
            k++;
        if (k == sizeof OPTIONS / sizeof *OPTIONS)
            misuse("unknown option", argument[i]);
        subs_given |= OPTIONS[k].to == &options.subs;
        set(&OPTIONS[k], argument[++i]);
    }
    one_of("--transport", options.transport, "websocket", "rawsocket", "rawsocket");
    one_of("--serializer", options.serializer, "json", "json", "json");
    one_of("--mode", options.mode, "rpc", "fanout", "pairs");
    if (strcmp(options.scenario, "commit") && !options.subs)
        misuse("at least 1", "--subs");
    if (!subs_given && !strcmp(options.scenario, "commit"))
        options.subs = 0;
    if (options.window > RING / 2)
        misuse("too large", "--window");
}

static void interrupt(int number) {
    (void)number;
    interrupted = true;
}

static void prepare_process(void) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);
    struct sigaction action = {.sa_handler = interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int main(int count, char **argument) {
    if (count < 2 || !strcmp(argument[1], "--help") || !strcmp(argument[1], "-h")) {
        fputs(USAGE, count < 2 ? stderr : stdout);
        return count < 2 ? 2 : 0;
    }
    options.scenario = argument[1];
    parse(count, argument);
    prepare_process();
    loop_open();
    if (!strcmp(options.scenario, "serve"))
        run_serve();
    else if (!strcmp(options.scenario, "connect"))
        run_connect();
    else if (!strcmp(options.scenario, "commit"))
        run_commit();
    else if (!strcmp(options.scenario, "rpc") || !strcmp(options.scenario, "fanout") ||
             !strcmp(options.scenario, "pairs") || !strcmp(options.scenario, "rate"))
        run_load();
    else
        misuse("unknown scenario", options.scenario);
    return 0;
}
