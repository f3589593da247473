/* serve: a toy router.  It checks nothing; it shows what the generator and the machine can do. */
#define _GNU_SOURCE
#include "generator.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static void on_accept(int fd) { peer_new(fd, true)->receive = route; }

void run_serve(void) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, options.host, &at.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 1024))
        fail("listen on %s:%d: %s", options.host, options.port, strerror(errno));
    loop_listen(fd, on_accept);
    while (!interrupted)
        turn(now + 3600 * SECOND);
    report_begin(true);
    report_integer("received", messages);
    report_end();
}
