/* WAMP messages as JSON: splitting an array into its fields, and payloads that can be checked.
 *
 * A payload is one string: 6 hexadecimal digits for the stream, 10 for the number of the operation, and letters
 * that begin at another one for each operation.
 */
#include "generator.h"

#include <string.h>

#define DIGITS "0123456789abcdef"

static const char *blanks(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r'))
        at++;
    return at;
}

/* Behind the string that begins at at; NULL: it does not end. */
static const char *skip_string(const char *at, const char *end) {
    for (at++; at < end;) {
        const char *quote = memchr(at, '"', (size_t)(end - at));
        if (!quote)
            return NULL;
        const char *back = quote;
        while (back[-1] == '\\')
            back--;
        at = quote + 1;
        if ((quote - back) % 2 == 0)
            return at;
    }
    return NULL;
}

/* Behind the JSON value that begins at at; NULL: it does not end.  No validation: the checks are elsewhere. */
static const char *skip_value(const char *at, const char *end) {
    int depth = 0;
    while (at < end) {
        char c = *at;
        if (c == '"') {
            at = skip_string(at, end);
            if (!at || !depth)
                return at;
            continue;
        }
        if (c == '[' || c == '{')
            depth++;
        else if (c == ']' || c == '}') {
            if (!depth)
                return at;
            if (!--depth)
                return at + 1;
        } else if (!depth && (c == ',' || c == ' '))
            return at;
        at++;
    }
    return NULL;
}

/* Split an array into its fields; return their number, at most FIELDS, or -1 where it is no array. */
int split(Span message, Span field[FIELDS]) {
    const char *end = message.at + message.size, *at = blanks(message.at, end);
    if (at == end || *at != '[')
        return -1;
    for (int count = 0;; at++) {
        at = blanks(at + (count == 0), end);
        const char *stop = skip_value(at, end);
        if (!stop)
            return -1;
        if (count < FIELDS && stop > at)
            field[count++] = (Span){at, (size_t)(stop - at)};
        at = blanks(stop, end);
        if (at == end || (*at != ',' && *at != ']'))
            return -1;
        if (*at == ']')
            return count;
    }
}

uint64_t integer(Span field) {
    uint64_t value = 0;
    for (size_t i = 0; i < field.size; i++) {
        if (field.at[i] < '0' || field.at[i] > '9')
            fail("not an id: %.*s", (int)field.size, field.at);
        value = value * 10 + (uint64_t)(field.at[i] - '0');
    }
    return value;
}

/* A string field without its quotes. */
Span text(Span field) {
    if (field.size < 2 || field.at[0] != '"')
        fail("not a string: %.*s", (int)field.size, field.at);
    return (Span){field.at + 1, field.size - 2};
}

/* The one string in a list of arguments. */
Span first_text(Span args) {
    Span argument[FIELDS];
    if (split(args, argument) != 1)
        fail("not one argument: %.*s", (int)(args.size > 200 ? 200 : args.size), args.at);
    return text(argument[0]);
}

/* Call visit for each item of a list. */
void each_item(Span list, void (*visit)(Span item, void *to), void *to) {
    const char *end = list.at + list.size, *at = blanks(list.at, end);
    if (at == end || *at != '[')
        fail("not a list: %.*s", (int)(list.size > 200 ? 200 : list.size), list.at);
    for (at = blanks(at + 1, end); at < end && *at != ']';) {
        const char *stop = skip_value(at, end);
        if (!stop)
            fail("a list that does not end: %.*s", (int)(list.size > 200 ? 200 : list.size), list.at);
        visit((Span){at, (size_t)(stop - at)}, to);
        at = blanks(stop, end);
        if (at < end && *at == ',')
            at = blanks(at + 1, end);
    }
}

char *put_integer(char *to, uint64_t value) {
    char digits[20];
    int count = 0;
    do
        digits[count++] = (char)('0' + value % 10);
    while (value /= 10);
    while (count)
        *to++ = digits[--count];
    return to;
}

char *put_span(char *to, Span span) { return (char *)memcpy(to, span.at, span.size) + span.size; }

static char *put_hex(char *to, uint64_t value, int digits) {
    for (int i = digits - 1; i >= 0; i--)
        *to++ = DIGITS[value >> 4 * i & 15];
    return to;
}

static uint64_t hex(const char *at, int digits) {
    uint64_t value = 0;
    for (int i = 0; i < digits; i++) {
        const char *digit = memchr(DIGITS, at[i], 16);
        value = value << 4 | (uint64_t)(digit ? digit - DIGITS : 0);
    }
    return value;
}

/* At least size letters, in a circle. */
static const char *letters(uint64_t n, size_t size) {
    static char circle[1 << 20];
    if (!circle[0])
        for (size_t i = 0; i < sizeof circle; i++)
            circle[i] = (char)('a' + i % 26);
    if (size + 26 > sizeof circle)
        fail("--payload is too large");
    return circle + n % 26;
}

char *put_payload(char *to, const Stream *stream, uint64_t n) {
    size_t size = (size_t)options.payload - 16;
    to = put_hex(put_hex(put(to, "[\""), (uint64_t)stream->index, 6), n, 10);
    memcpy(to, letters(n, size), size);
    return put(to + size, "\"]");
}

/* Fail unless args is the payload of operation n of the stream. */
void check_payload(Span args, const Stream *stream, uint64_t n, const char *who) {
    Span got = first_text(args);
    size_t size = (size_t)options.payload - 16;
    int shown = (int)(got.size > 200 ? 200 : got.size);
    if (got.size != size + 16)
        fail("%s: a payload of %zu characters, not %zu: %.*s", who, got.size, size + 16, shown, got.at);
    uint64_t number = hex(got.at + 6, 10);
    if ((int)hex(got.at, 6) != stream->index || number > stream->sent)
        fail("%s: a payload of something else: %.*s", who, shown, got.at);
    if (number != n)
        fail("%s: number %llu, but %llu is next: %s", who, (unsigned long long)number, (unsigned long long)n,
             number < n ? "doubled or reordered" : "lost or reordered");
    if (memcmp(got.at + 16, letters(n, size), size))
        fail("%s: number %llu is damaged: %.*s", who, (unsigned long long)n, shown, got.at);
}

/* The stream that a payload belongs to. */
Stream *stream_of(Span args, Stream **streams, int count) {
    Span got = first_text(args);
    uint64_t index = got.size < 16 ? (uint64_t)count : hex(got.at, 6);
    if (index >= (uint64_t)count)
        fail("a payload of nobody: %.*s", (int)(got.size > 80 ? 80 : got.size), got.at);
    return streams[index];
}
