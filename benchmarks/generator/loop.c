/* The epoll loop: one turn reads what has come, then writes once for each peer that has output. */
#define _GNU_SOURCE
#include "generator.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define BATCH 256

uint64_t now;
static int poller, timer;
static int listener = -1;
static void (*accepted)(int fd);
static Peer **dirty;
static size_t dirty_count, dirty_room;

uint64_t clock_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * SECOND + (uint64_t)at.tv_nsec;
}

void loop_add(int fd, void *owner, bool writing) {
    struct epoll_event event = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = owner};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event))
        fail("epoll_ctl: errno %d", errno);
}

void loop_watch(Peer *peer, bool writing) {
    struct epoll_event event = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = peer};
    epoll_ctl(poller, EPOLL_CTL_MOD, peer->fd, &event);
}

void loop_open(void) {
    poller = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (poller < 0 || timer < 0)
        fail("epoll or timerfd: errno %d", errno);
    loop_add(timer, &timer, false);
    now = clock_ns();
}

void loop_listen(int fd, void (*on_accept)(int fd)) {
    listener = fd;
    accepted = on_accept;
    loop_add(fd, &listener, false);
}

void mark_dirty(Peer *peer) {
    if (peer->dirty)
        return;
    peer->dirty = true;
    if (dirty_count == dirty_room) {
        dirty_room = dirty_room ? dirty_room * 2 : 1024;
        dirty = realloc(dirty, dirty_room * sizeof *dirty);
    }
    dirty[dirty_count++] = peer;
}

static void flush(void) {
    for (size_t i = 0; i < dirty_count; i++) {
        dirty[i]->dirty = false;
        peer_flush(dirty[i]);
    }
    dirty_count = 0;
}

static void accept_some(void) {
    for (int i = 0; i < 64; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        accepted(fd);
    }
}

static int wait_time(uint64_t until) {
    if (options.spin || until <= now)
        return 0;
    struct itimerspec at = {.it_value = {(time_t)(until / SECOND), (long)(until % SECOND)}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
    return -1;
}

void turn(uint64_t until) {
    static struct epoll_event event[BATCH];
    flush();
    now = clock_ns();
    int count = epoll_wait(poller, event, BATCH, wait_time(until));
    now = clock_ns();
    for (int i = 0; i < count; i++) {
        void *owner = event[i].data.ptr;
        if (owner == &timer) {
            uint64_t expirations;
            if (read(timer, &expirations, sizeof expirations) < 0)
                continue;
        } else if (owner == &listener) {
            accept_some();
        } else {
            peer_event(owner, event[i].events);
        }
    }
    flush();
}
