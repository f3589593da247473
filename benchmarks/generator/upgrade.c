/* Opening handshakes: HTTP upgrade with SHA-1 (RFC 6455, RFC 3174) and RawSocket (WAMP AP 'RawSocket Transport'). */
#define _GNU_SOURCE
#include "generator.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

static const char KEY[] = "Y29uY29yZCBiZW5jaG1hcg==";

static uint32_t rotate(uint32_t word, int bits) { return word << bits | word >> (32 - bits); }

static void sha1_block(uint32_t hash[5], const unsigned char block[64]) {
    uint32_t w[80], a = hash[0], b = hash[1], c = hash[2], d = hash[3], e = hash[4];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 |
               block[4 * i + 3];
    for (int i = 16; i < 80; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (int i = 0; i < 80; i++) {
        uint32_t f = i < 20 ? (b & c) | (~b & d) : i < 40 || i >= 60 ? b ^ c ^ d : (b & c) | (b & d) | (c & d);
        uint32_t k = i < 20 ? 0x5A827999 : i < 40 ? 0x6ED9EBA1 : i < 60 ? 0x8F1BBCDC : 0xCA62C1D6;
        uint32_t sum = rotate(a, 5) + f + e + k + w[i];
        e = d, d = c, c = rotate(b, 30), b = a, a = sum;
    }
    hash[0] += a, hash[1] += b, hash[2] += c, hash[3] += d, hash[4] += e;
}

/* The digest of fewer than 119 octets: two blocks at most. */
static void sha1(const char *data, size_t size, unsigned char digest[20]) {
    uint32_t hash[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    unsigned char block[128] = {0};
    size_t blocks = size < 56 ? 1 : 2;
    memcpy(block, data, size);
    block[size] = 0x80;
    for (int i = 0; i < 4; i++)
        block[64 * blocks - 1 - (size_t)i] = (unsigned char)(size * 8 >> 8 * i);
    for (size_t i = 0; i < blocks; i++)
        sha1_block(hash, block + 64 * i);
    for (int i = 0; i < 20; i++)
        digest[i] = (unsigned char)(hash[i / 4] >> 8 * (3 - i % 4));
}

/* What the server answers to a key: 28 characters and a zero. */
static void accept_of(const char *key, size_t size, char answer[29]) {
    static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char joined[100];
    unsigned char digest[21] = {0};
    size = size > 60 ? 60 : size;
    memcpy(joined, key, size);
    memcpy(joined + size, GUID, sizeof GUID - 1);
    sha1(joined, size + sizeof GUID - 1, digest);
    for (int i = 0; i < 7; i++) {
        uint32_t three = (uint32_t)digest[3 * i] << 16 | (uint32_t)digest[3 * i + 1] << 8 | digest[3 * i + 2];
        for (int k = 0; k < 4; k++)
            answer[4 * i + k] = ALPHABET[three >> 6 * (3 - k) & 63];
    }
    answer[27] = '=';
    answer[28] = 0;
}

static void send_octets(Peer *peer, const char *octets, size_t size) {
    memcpy(buffer_reserve(&peer->out, size), octets, size);
    peer->out.end += size;
    mark_dirty(peer);
}

void upgrade_request(Peer *peer) {
    char request[1024];
    if (peer->raw) {
        send_octets(peer, "\x7f\xf1\0\0", 4);
        return;
    }
    int size = snprintf(request, sizeof request,
                        "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Protocol: wamp.2.json\r\n\r\n",
                        options.path, options.host, options.port, KEY);
    send_octets(peer, request, (size_t)size);
}

/* The length of the HTTP header block at the head of the buffer; 0: it is not whole. */
static size_t header_size(const Peer *peer) {
    const Buffer *in = &peer->in;
    const char *end = memmem(in->at + in->start, in->end - in->start, "\r\n\r\n", 4);
    return end ? (size_t)(end + 4 - (in->at + in->start)) : 0;
}

/* The value of a header within a block of such size; its size is 0 where it is missing. */
static Span header(const Peer *peer, size_t size, const char *name) {
    const char *at = peer->in.at + peer->in.start, *end = at + size;
    size_t length = strlen(name);
    for (const char *line = at; line + length < end; line++) {
        if ((line != at && line[-1] != '\n') || strncasecmp(line, name, length) || line[length] != ':')
            continue;
        const char *value = line + length + 1;
        while (*value == ' ')
            value++;
        const char *stop = memchr(value, '\r', (size_t)(end - value));
        return (Span){value, (size_t)(stop - value)};
    }
    return (Span){"", 0};
}

static bool opened(Peer *peer, size_t consumed) {
    peer->in.start += consumed;
    peer->state = JOINING;
    if (!peer->server)
        join_one(peer);
    return true;
}

bool upgrade_client(Peer *peer) {
    const unsigned char *at = (unsigned char *)peer->in.at + peer->in.start;
    char expected[29];
    if (peer->raw) {
        if (peer->in.end - peer->in.start < 4)
            return false;
        if (at[0] != 0x7f || (at[1] & 15) != 1)
            fail("RawSocket handshake refused: %02x %02x", at[0], at[1]);
        return opened(peer, 4);
    }
    size_t size = header_size(peer);
    if (!size)
        return false;
    Span answer = header(peer, size, "Sec-WebSocket-Accept");
    Span protocol = header(peer, size, "Sec-WebSocket-Protocol");
    accept_of(KEY, sizeof KEY - 1, expected);
    if (memcmp(at, "HTTP/1.1 101", 12) || answer.size != 28 || memcmp(answer.at, expected, 28) ||
        protocol.size != 11 || memcmp(protocol.at, "wamp.2.json", 11))
        fail("WebSocket handshake refused: %.*s", (int)(size > 300 ? 300 : size), (const char *)at);
    return opened(peer, size);
}

bool upgrade_server(Peer *peer) {
    char answer[300], value[29];
    if (peer->in.end - peer->in.start < 4)
        return false;
    peer->raw = peer->in.at[peer->in.start] == 0x7f;
    if (peer->raw) {
        send_octets(peer, "\x7f\xf1\0\0", 4);
        return opened(peer, 4);
    }
    size_t size = header_size(peer);
    if (!size)
        return false;
    Span key = header(peer, size, "Sec-WebSocket-Key");
    accept_of(key.at, key.size, value);
    int length = snprintf(answer, sizeof answer,
                          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: wamp.2.json\r\n\r\n",
                          value);
    send_octets(peer, answer, (size_t)length);
    return opened(peer, size);
}
