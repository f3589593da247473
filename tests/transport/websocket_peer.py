"""What a WebSocket client sends and reads, octet by octet (RFC 6455)."""

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def request(
    path: str = "/ws", protocols: str | None = "wamp.2.json", extensions: str = "", **headers: str
) -> bytes:
    """Write the opening handshake of a client."""
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: 127.0.0.1:8080",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ]
    if protocols is not None:
        lines.append(f"Sec-WebSocket-Protocol: {protocols}")
    if extensions:
        lines.append(f"Sec-WebSocket-Extensions: {extensions}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def frame(
    payload: bytes,
    opcode: int = TEXT,
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = b"\x11\x22\x33\x44",
    length_bytes: int | None = None,
) -> bytes:
    """Write one frame; ``length_bytes`` (0, 2, 8) forces how its length is written."""
    n = len(payload)
    if length_bytes is None:
        length_bytes = 0 if n < 126 else 2 if n < 65536 else 8
    short = {0: n, 2: 126, 8: 127}[length_bytes]
    head = bytes((fin << 7 | rsv << 4 | opcode, (mask is not None) << 7 | short))
    head += n.to_bytes(length_bytes, "big") if length_bytes else b""
    if mask is None:
        return head + payload
    key = (mask * (n // 4 + 1))[:n]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(n, "big")
    return head + mask + masked


def frames(data: bytes) -> list[tuple[int, bytes]]:
    """Cut what the router wrote into (opcode, payload); its frames are whole and not masked."""
    found = []
    while data:
        assert data[0] & 0x80
        n, start = data[1], 2
        if n > 125:
            start = 4 if n == 126 else 10
            n = int.from_bytes(data[2:start], "big")
        found.append((data[0] & 0x7F, data[start : start + n]))
        data = data[start + n :]
    return found
