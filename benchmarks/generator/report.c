/* Histograms, the use of CPU and memory, and the JSON line at the end. */
#include "generator.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Buckets: 64 for each power of two, so within 1.6 %. */
void record(Histogram *histogram, uint64_t ns) {
    int shift = ns < 64 ? 0 : 58 - __builtin_clzll(ns);
    int index = shift ? shift * 64 + (int)(ns >> (shift - 1)) - 64 : (int)ns;
    histogram->bucket[index < 64 * 64 ? index : 64 * 64 - 1]++;
    histogram->count++;
    histogram->sum += ns;
    if (ns > histogram->max)
        histogram->max = ns;
}

static double microseconds(int index) {
    int shift = index / 64;
    uint64_t ns = shift ? (uint64_t)(index % 64 + 64) << (shift - 1) : (uint64_t)index;
    return (double)ns / 1000;
}

static double quantile(const Histogram *histogram, double share) {
    uint64_t target = (uint64_t)((double)histogram->count * share), seen = 0;
    for (int i = 0; i < 64 * 64; i++) {
        seen += histogram->bucket[i];
        if (seen > target)
            return microseconds(i);
    }
    return (double)histogram->max / 1000;
}

static const char *separator;

void report_integer(const char *key, uint64_t value) {
    printf("%s\"%s\": %llu", separator, key, (unsigned long long)value);
    separator = ", ";
}

void report_number(const char *key, double value) {
    printf("%s\"%s\": %.3f", separator, key, value);
    separator = ", ";
}

void report_text(const char *key, const char *value) {
    printf("%s\"%s\": \"", separator, key);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            putchar('\\');
        putchar((unsigned char)*value < 32 ? ' ' : *value);
    }
    putchar('"');
    separator = ", ";
}

void report_begin(bool ok) {
    separator = "{";
    report_text("scenario", options.scenario);
    printf(", \"ok\": %s", ok ? "true" : "false");
    report_text("label", options.label);
    if (!strcmp(options.scenario, "rate")) {
        report_text("mode", options.mode);
        report_number("rate", options.rate);
    }
    report_text("transport", options.transport);
    report_text("serializer", options.serializer);
    report_integer("payload", (uint64_t)options.payload);
    report_integer("window", (uint64_t)options.window);
    report_integer("callers", (uint64_t)options.callers);
    report_integer("callees", (uint64_t)options.callees);
    report_integer("subscribers", (uint64_t)options.subs);
    report_integer("pairs", (uint64_t)options.pairs);
    report_integer("sessions", (uint64_t)options.sessions);
    report_integer("concurrency", (uint64_t)options.concurrency);
}

void report_end(void) {
    report_integer("pings", pings);
    report_integer("unclean_closes", unclean);
    puts("}");
    fflush(stdout);
}

static void report_with(const char *prefix, const char *suffix, double value) {
    char key[64];
    snprintf(key, sizeof key, "%s_%s_us", prefix, suffix);
    report_number(key, value);
}

void report_latency(const char *prefix, const Histogram *histogram) {
    if (!histogram->count)
        return;
    report_with(prefix, "p50", quantile(histogram, 0.5));
    report_with(prefix, "p90", quantile(histogram, 0.9));
    report_with(prefix, "p99", quantile(histogram, 0.99));
    report_with(prefix, "p999", quantile(histogram, 0.999));
    report_with(prefix, "max", (double)histogram->max / 1000);
    report_with(prefix, "mean", (double)histogram->sum / 1000 / (double)histogram->count);
    char key[64];
    snprintf(key, sizeof key, "%s_n", prefix);
    report_integer(key, histogram->count);
}

/* Call visit for each process of --pid and for each of its descendants. */
static void visit_tree(int pid, void (*visit)(int pid, void *to), void *to) {
    char path[64];
    int child;
    visit(pid, to);
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    FILE *children = fopen(path, "r");
    if (!children)
        return;
    while (fscanf(children, "%d", &child) == 1)
        visit_tree(child, visit, to);
    fclose(children);
}

static void visit_router(void (*visit)(int pid, void *to), void *to) {
    for (const char *at = options.pids; *at;) {
        char *rest;
        int pid = (int)strtol(at, &rest, 10);
        if (rest == at)
            fail("--pid %s: not a list of process ids", options.pids);
        visit_tree(pid, visit, to);
        at = rest + (*rest == ',');
    }
}

static void add_cpu(int pid, void *to) {
    char path[64], line[1024];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return;
    if (fgets(line, sizeof line, file)) {
        const char *at = strrchr(line, ')');
        if (at && sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) == 2)
            *(double *)to += (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
    }
    fclose(file);
}

Usage usage_now(void) {
    Usage usage = {.when = clock_ns()};
    struct rusage own;
    unsigned long long user, nice, system, idle, wait, irq, soft, steal;
    getrusage(RUSAGE_SELF, &own);
    usage.self = (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
                 (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6;
    visit_router(add_cpu, &usage.router);
    FILE *file = fopen("/proc/stat", "r");
    if (file && fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &wait, &irq,
                       &soft, &steal) == 8) {
        double tick = (double)sysconf(_SC_CLK_TCK);
        usage.busy = (double)(user + nice + system + irq + soft + steal) / tick;
        usage.capacity = (double)(user + nice + system + irq + soft + steal + idle + wait) / tick;
    }
    if (file)
        fclose(file);
    return usage;
}

void report_usage(Usage from, Usage to) {
    double wall = (double)(to.when - from.when) / 1e9;
    double self = to.self - from.self, router = to.router - from.router;
    report_number("wall_s", wall);
    report_number("self_cpu_s", self);
    report_number("self_cpu_pct", 100 * self / wall);
    if (*options.pids) {
        report_number("router_cpu_s", router);
        report_number("router_cpu_pct", 100 * router / wall);
        report_number("other_cpu_pct", 100 * (to.busy - from.busy - self - router) / wall);
    }
}

typedef struct {
    uint64_t rss, pss;
} Memory;

static void add_memory(int pid, void *to) {
    char path[64], line[256];
    unsigned long long kilobytes;
    Memory *memory = to;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "Rss: %llu kB", &kilobytes) == 1)
            memory->rss += kilobytes * 1024;
        else if (sscanf(line, "Pss: %llu kB", &kilobytes) == 1)
            memory->pss += kilobytes * 1024;
    }
    fclose(file);
}

void memory_of_router(uint64_t *rss, uint64_t *pss) {
    Memory memory = {0};
    visit_router(add_memory, &memory);
    *rss = memory.rss;
    *pss = memory.pss;
}
