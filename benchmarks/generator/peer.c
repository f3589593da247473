/* One connection: its socket, its buffers, and the states from connecting to closed. */
#define _GNU_SOURCE
#include "generator.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE 262144

static char chunk[READ_SIZE];

/* Return room for size more octets at the end of the buffer. */
char *buffer_reserve(Buffer *buffer, size_t size) {
    if (buffer->end + size > buffer->room && buffer->start) {
        memmove(buffer->at, buffer->at + buffer->start, buffer->end - buffer->start);
        buffer->end -= buffer->start;
        buffer->start = 0;
    }
    if (buffer->end + size > buffer->room) {
        buffer->room = (buffer->end + size) * 2;
        buffer->at = realloc(buffer->at, buffer->room);
        if (!buffer->at)
            fail("out of memory");
    }
    return buffer->at + buffer->end;
}

/* Idle peers keep no buffer: the generator must not run out of memory before the router does. */
static void buffer_empty(Buffer *buffer) {
    buffer->start = buffer->end = 0;
    if (buffer->room > 16384) {
        free(buffer->at);
        *buffer = (Buffer){0};
    }
}

Peer *peer_new(int fd, bool server) {
    Peer *peer = calloc(1, sizeof *peer);
    int on = 1;
    if (!peer)
        fail("out of memory");
    peer->fd = fd;
    peer->server = server;
    peer->state = server ? OPENING : CONNECTING;
    peer->raw = !strcmp(options.transport, "rawsocket");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    loop_add(fd, peer, !server);
    peer->blocked = !server;
    return peer;
}

Peer *peer_connect(const char *role, int index, Receive *receive) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    if (inet_pton(AF_INET, options.host, &to.sin_addr) != 1)
        fail("--host %s: an IPv4 address is needed", options.host);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        fail("socket for %s %d: %s", role, index, strerror(errno));
    if (connect(fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS)
        fail("connect to %s:%d: %s", options.host, options.port, strerror(errno));
    Peer *peer = peer_new(fd, false);
    peer->role = role;
    peer->index = index;
    peer->receive = receive;
    peer->began = now;
    return peer;
}

void peer_close(Peer *peer) {
    if (peer->state == CLOSED)
        return;
    peer->state = CLOSED;
    close(peer->fd);
    if (peer->server)
        route_leave(peer);
}

void peer_free(Peer *peer) {
    free(peer->in.at);
    free(peer->out.at);
    free(peer);
}

static void lost(Peer *peer, const char *how) {
    if (!peer->server && peer->state < LEAVING)
        fail("router closed the connection of %s %d (%s)", peer->role, peer->index, how);
    if (!peer->server && peer->state == LEAVING)
        unclean++;
    peer_close(peer);
}

void peer_flush(Peer *peer) {
    Buffer *out = &peer->out;
    if (peer->state == CLOSED || peer->blocked || out->start == out->end)
        return;
    ssize_t sent = send(peer->fd, out->at + out->start, out->end - out->start, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        lost(peer, strerror(errno));
        return;
    }
    out->start += sent > 0 ? (size_t)sent : 0;
    if (out->start == out->end) {
        buffer_empty(out);
        return;
    }
    peer->blocked = true;
    loop_watch(peer, true);
}

static void became_writable(Peer *peer) {
    int error = 0;
    socklen_t size = sizeof error;
    peer->blocked = false;
    loop_watch(peer, false);
    if (peer->state == CONNECTING) {
        getsockopt(peer->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error)
            fail("connect to %s:%d: %s", options.host, options.port, strerror(error));
        peer->state = OPENING;
        upgrade_request(peer);
    }
    mark_dirty(peer);
}

static void take(Peer *peer) {
    if (peer->state == OPENING && !(peer->server ? upgrade_server(peer) : upgrade_client(peer)))
        return;
    frames_read(peer);
}

static void became_readable(Peer *peer) {
    ssize_t size = recv(peer->fd, chunk, sizeof chunk, 0);
    if (size <= 0) {
        if (size == 0 || errno != EAGAIN)
            lost(peer, size ? strerror(errno) : "end of stream");
        return;
    }
    now = clock_ns();
    Buffer *in = &peer->in;
    if (in->start == in->end) { /* the usual case: nothing left over, so work in the shared chunk */
        Buffer own = *in;
        *in = (Buffer){chunk, 0, (size_t)size, sizeof chunk};
        take(peer);
        Buffer rest = *in;
        *in = own;
        in->start = in->end = 0;
        if (rest.start < rest.end && peer->state != CLOSED) {
            memcpy(buffer_reserve(in, rest.end - rest.start), rest.at + rest.start, rest.end - rest.start);
            in->end += rest.end - rest.start;
        }
        return;
    }
    memcpy(buffer_reserve(in, (size_t)size), chunk, (size_t)size);
    in->end += (size_t)size;
    take(peer);
    if (in->start == in->end)
        buffer_empty(in);
}

void peer_event(Peer *peer, uint32_t events) {
    if (peer->state == CLOSED)
        return;
    if (peer->state == CONNECTING ? events & (EPOLLOUT | EPOLLERR | EPOLLHUP) : events & EPOLLOUT)
        became_writable(peer);
    if (peer->state != CLOSED && peer->state != CONNECTING && events & (EPOLLIN | EPOLLERR | EPOLLHUP))
        became_readable(peer);
}
