/* WebSocket (RFC 6455) and RawSocket frames: unfragmented, uncompressed. */
#include "generator.h"

#include <string.h>

uint64_t messages, pings, unclean;

enum { CONTINUATION, TEXT, BINARY, CLOSE = 8, PING, PONG };

static uint32_t next_mask(void) {
    static uint32_t state = 2463534242u;
    if (options.mask_given)
        return options.mask;
    state ^= state << 13; /* xorshift: Marsaglia, 2003 */
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

/* XOR size octets with the mask, as it lies in memory, from its first octet on. */
static void mask_copy(char *to, const char *from, size_t size, uint32_t mask) {
    uint64_t wide = (uint64_t)mask << 32 | mask, word;
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        memcpy(&word, from + i, 8);
        word ^= wide;
        memcpy(to + i, &word, 8);
    }
    for (; i < size; i++)
        to[i] = (char)(from[i] ^ (char)(mask >> 8 * (i % 4)));
}

static size_t websocket_header(unsigned char *to, int opcode, size_t size, bool masked) {
    unsigned char bit = masked ? 0x80 : 0;
    to[0] = (unsigned char)(0x80 | opcode);
    if (size < 126) {
        to[1] = (unsigned char)(bit | size);
        return 2;
    }
    int octets = size < 65536 ? 2 : 8;
    to[1] = (unsigned char)(bit | (octets == 2 ? 126 : 127));
    for (int i = 0; i < octets; i++)
        to[2 + i] = (unsigned char)((uint64_t)size >> 8 * (octets - 1 - i));
    return 2 + (size_t)octets;
}

static void send_frame(Peer *peer, int opcode, const char *payload, size_t size) {
    if (peer->state == CLOSED)
        return;
    char *to = buffer_reserve(&peer->out, size + 14), *begin = to;
    if (peer->raw) {
        unsigned char header[4] = {opcode == PONG ? 2 : 0, (unsigned char)(size >> 16), (unsigned char)(size >> 8),
                                   (unsigned char)size};
        memcpy(to, header, 4);
        memcpy(to + 4, payload, size);
        to += 4 + size;
    } else {
        to += websocket_header((unsigned char *)to, opcode, size, !peer->server);
        if (!peer->server) {
            uint32_t mask = next_mask();
            memcpy(to, &mask, 4);
            mask_copy(to + 4, payload, size, mask);
            to += 4 + size;
        } else {
            memcpy(to, payload, size);
            to += size;
        }
    }
    peer->out.end += (size_t)(to - begin);
    mark_dirty(peer);
}

void frame_send(Peer *peer, const char *payload, size_t size) { send_frame(peer, TEXT, payload, size); }

void frame_close(Peer *peer) { send_frame(peer, CLOSE, "\x03\xe8", 2); }

static void receive(Peer *peer, char *payload, size_t size) {
    Span field[FIELDS];
    int count = split((Span){payload, size}, field);
    if (count < 1 && peer->server)
        peer_close(peer);
    else if (count < 1)
        fail("%s %d received what is not a WAMP message: %.*s", peer->role, peer->index, (int)(size > 200 ? 200 : size),
             payload);
    else {
        messages++;
        peer->receive(peer, field, count);
    }
}

static void control(Peer *peer, int opcode, char *payload, size_t size) {
    if (opcode == PING) {
        pings++;
        send_frame(peer, PONG, payload, size);
    } else if (opcode == CLOSE && peer->server) {
        send_frame(peer, CLOSE, payload, size < 2 ? 0 : 2);
        peer_flush(peer);
        peer_close(peer);
    } else if (opcode == CLOSE && peer->state < CLOSING) {
        fail("router sent CLOSE to %s %d: %.*s", peer->role, peer->index, size > 2 ? (int)size - 2 : 0, payload + 2);
    } else if (opcode != CLOSE && opcode != PONG) {
        fail("%s %d received a frame with opcode %d: not understood here", peer->role, peer->index, opcode);
    }
}

/* Take one WebSocket frame off the buffer; false: there is no whole one. */
static bool read_websocket(Peer *peer) {
    Buffer *in = &peer->in;
    unsigned char *at = (unsigned char *)in->at + in->start;
    size_t have = in->end - in->start, header = 2;
    if (have < 2)
        return false;
    uint64_t size = at[1] & 127;
    int octets = size < 126 ? 0 : size == 126 ? 2 : 8;
    bool masked = at[1] & 128;
    header += (size_t)octets + (masked ? 4 : 0);
    if (have < header)
        return false;
    if (octets)
        size = 0;
    for (int i = 0; i < octets; i++)
        size = size << 8 | at[2 + i];
    if (size > 1u << 26)
        fail("a frame of %llu octets", (unsigned long long)size);
    if (have < header + size)
        return false;
    char *payload = (char *)at + header;
    if (masked != peer->server)
        fail("a frame that is %smasked", masked ? "" : "not ");
    if (masked) {
        uint32_t mask;
        memcpy(&mask, payload - 4, 4);
        mask_copy(payload, payload, size, mask);
    }
    in->start += header + size;
    if (at[0] == (0x80 | TEXT))
        receive(peer, payload, size);
    else
        control(peer, at[0] & 0x80 ? at[0] & 15 : CONTINUATION, payload, size);
    return true;
}

static bool read_rawsocket(Peer *peer) {
    Buffer *in = &peer->in;
    unsigned char *at = (unsigned char *)in->at + in->start;
    if (in->end - in->start < 4)
        return false;
    size_t size = (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
    if (in->end - in->start < 4 + size)
        return false;
    in->start += 4 + size;
    if ((at[0] & 7) == 0)
        receive(peer, (char *)at + 4, size);
    else
        control(peer, (at[0] & 7) == 1 ? PING : PONG, (char *)at + 4, size);
    return true;
}

void frames_read(Peer *peer) {
    while (peer->state != CLOSED && (peer->raw ? read_rawsocket(peer) : read_websocket(peer)))
        continue;
}
