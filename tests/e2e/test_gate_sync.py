"""After whatever request, the connection is either closed or exactly in step: the next request on it is
answered once, and bytes of a body are never taken for a request. And how slow or many a client may be."""

import socket
import time

import pytest
import requests

from harness import raw
from harness.wait import wait_until

HIDDEN = b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n"
LAST = b"GET /livez HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
HOST = b"Host: h\r\n"
JSON = b"Content-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def request(line, fields=b"", body=b""):
    return line + b" HTTP/1.1\r\n" + HOST + fields + b"\r\n" + body


def sized(line, body, fields=b""):
    return request(line, fields + b"Content-Length: %d\r\n" % len(body), body)


def chunks(*pieces, trailer=b""):
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n" + trailer + b"\r\n"


# name: (request, statuses it may get). TOKEN is replaced by a real one.
AUTH = b"Authorization: Bearer TOKEN\r\n"
VIDEO = b'{"title":"in step"}'
IN_STEP = {
    "get": (request(b"GET /livez"), [200]),
    "head": (request(b"HEAD /livez"), [200]),
    "get with a body": (sized(b"GET /livez", b"hello"), [200]),
    "get with a body that is a request": (sized(b"GET /livez", HIDDEN), [200]),
    "get with chunks": (request(b"GET /livez", CHUNKED, chunks(b"hello")), [200]),
    "get with chunks that are a request": (request(b"GET /livez", CHUNKED, chunks(HIDDEN)), [200]),
    "delete with a body": (sized(b"DELETE /v1/videos/x", HIDDEN), [401]),
    "options with a body": (sized(b"OPTIONS /files/", HIDDEN), [204]),
    "options of everything": (request(b"OPTIONS *"), [204]),
    "unknown path with a body": (sized(b"POST /nowhere", HIDDEN), [401, 404]),
    "wrong method with a body": (sized(b"DELETE /livez", HIDDEN), [405]),
    "no token, body unread": (sized(b"POST /v1/videos", HIDDEN, JSON), [401]),
    "no token, chunks unread": (request(b"POST /v1/videos", JSON + CHUNKED, chunks(HIDDEN)), [401]),
    "no grant, body unread": (
        sized(b"PATCH /files/" + b"a" * 32, HIDDEN, b"Tus-Resumable: 1.0.0\r\n"),
        [401],
    ),
    "another protocol version, body unread": (sized(b"POST /files/", HIDDEN), [412]),
    "wrong media type": (sized(b"POST /v1/videos", HIDDEN, AUTH + b"Content-Type: a/b\r\n"), [400, 415]),
    "a body that is no json": (sized(b"POST /v1/videos", HIDDEN, AUTH + JSON), [400]),
    "an empty body": (sized(b"POST /v1/videos", b"", AUTH + JSON), [400]),
    "no body at all": (request(b"POST /v1/videos", AUTH + JSON), [400]),
    "no chunk but the last": (request(b"POST /v1/videos", AUTH + JSON + CHUNKED, chunks()), [400]),
    "a good body": (sized(b"POST /v1/videos", VIDEO, AUTH + JSON), [201]),
    "good chunks": (
        request(b"POST /v1/videos", AUTH + JSON + CHUNKED, chunks(VIDEO[:5], VIDEO[5:])),
        [201],
    ),
    "a chunk size with zeros": (
        request(b"POST /v1/videos", AUTH + JSON + CHUNKED, b"0013\r\n" + VIDEO + b"\r\n000\r\n\r\n"),
        [201],
    ),
    "chunk extensions": (
        request(b"POST /v1/videos", AUTH + JSON + CHUNKED, b'13;a="b;c"\r\n' + VIDEO + b"\r\n0;d\r\n\r\n"),
        [201],
    ),
    "a trailer that frames": (
        request(
            b"POST /v1/videos",
            AUTH + JSON + CHUNKED + b"Trailer: Content-Length\r\n",
            chunks(VIDEO, trailer=b"Content-Length: 100\r\nTransfer-Encoding: chunked\r\nHost: a\r\n"),
        ),
        [201],
    ),
    "a trailer that authorises": (
        request(b"POST /v1/videos", JSON + CHUNKED, chunks(VIDEO, trailer=AUTH)),
        [401],
    ),
    "an upgrade to http/2": (
        request(b"GET /livez", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"),
        [200],
    ),
    "an upgrade to a web socket": (
        request(
            b"GET /livez",
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        ),
        [200],
    ),
    "connection names the framing": (
        sized(b"POST /v1/videos", VIDEO, AUTH + JSON + b"Connection: content-length, host\r\n"),
        [201],
    ),
    "te": (request(b"GET /livez", b"TE: trailers, chunked;q=0.5\r\nConnection: TE\r\n"), [200]),
    "an override where none is allowed": (request(b"GET /livez", b"X-HTTP-Method-Override: DELETE\r\n"), [200]),
    "expect with the body at once": (
        sized(b"POST /v1/videos", VIDEO, AUTH + JSON + b"Expect: 100-continue\r\n"),
        [201],
    ),
    "proxy fields of a stranger": (
        request(b"GET /livez", b"Proxy-Connection: keep-alive\r\nX-Forwarded-Host: evil\r\nVia: 1.0 a\r\n"),
        [200],
    ),
}


def ask_and_follow(vora, data, **more):
    data = data.replace(b"TOKEN", vora.token.encode())
    head = data.startswith(b"HEAD ")
    return raw.exchange(vora.address, data + LAST, heads=[0] if head else [], **more)


@pytest.mark.parametrize("split", [False, True], ids=["at once", "in two pieces"])
@pytest.mark.parametrize("name", sorted(IN_STEP))
def test_the_next_request_is_answered_once_or_not_at_all(vora, name, split):
    data, statuses = IN_STEP[name]
    data = data.replace(b"TOKEN", vora.token.encode())
    pieces = [data, LAST] if split else None
    found = ask_and_follow(vora, data, pieces=pieces)
    assert found.closed and found.rest == b"", found
    assert found.answers[0].status in statuses, found.answers[0]
    if found.answers[0].headers.get("connection", "").lower() == "close":
        assert len(found.answers) == 1, found.statuses
    else:
        assert found.statuses[1:] == [200], found.statuses


MORE_THAN_SAID = {
    "garbage behind the body": (sized(b"POST /v1/videos", VIDEO, AUTH + JSON) + b"garbage\r\n\r\n", 201),
    "an empty line behind the body": (sized(b"POST /v1/videos", VIDEO, AUTH + JSON) + b"\r\n", 201),
    "a body longer than its length": (
        request(b"POST /v1/videos", AUTH + JSON + b"Content-Length: 2\r\n", b'{}{"title":"x"}\r\n\r\n'),
        400,
    ),
    "a second last chunk": (request(b"GET /livez", CHUNKED, chunks(b"a") + b"0\r\n\r\n"), 200),
    "data behind the last chunk": (request(b"GET /livez", CHUNKED, chunks(b"a") + b"hello\r\n\r\n"), 200),
}


@pytest.mark.parametrize("name", sorted(MORE_THAN_SAID))
def test_bytes_behind_a_request_are_refused_as_the_next_one(vora, name):
    data, status = MORE_THAN_SAID[name]
    found = ask_and_follow(vora, data)
    assert found.closed and found.rest == b""
    assert found.statuses in ([status, 400], [status]), found.statuses


TOO_MUCH = {
    "a declared length": (b"Content-Length: 100000000\r\n", b""),
    "a declared length and some of it": (b"Content-Length: 100000000\r\n", HIDDEN * 100),
    "chunks without end": (CHUNKED, chunks(*[b" " * 60_000] * 40)),
    "one chunk": (CHUNKED, b"%x\r\n" % 100_000_000 + HIDDEN * 60_000),
}


@pytest.mark.parametrize("name", sorted(TOO_MUCH))
def test_a_body_over_its_routes_limit_is_413_and_hides_nothing(vora, name):
    fields, body = TOO_MUCH[name]
    found = ask_and_follow(vora, request(b"POST /v1/videos", AUTH + JSON + fields, body))
    assert found.statuses == [413], found.statuses
    assert found.closed and found.answers[0].headers["connection"] == "close"


AMBIGUOUS = {
    "xchunked": CHUNKED.replace(b"chunked", b"xchunked"),
    "length and chunked": CHUNKED + b"Content-Length: 5\r\n",
    "two lengths": b"Content-Length: 5\r\nContent-Length: 5\r\n",
    "folded": b"X-A: b\r\n c\r\n",
    "two hosts": b"Host: h\r\n",
}
PLANES = {
    "api": b"POST /v1/videos",
    "events": b"POST /v1/events",
    "upload": b"PATCH /files/" + b"a" * 32,
    "playback": b"GET /play/public/x/master.m3u8",
    "pages": b"GET /",
    "readiness": b"GET /readyz",
}


@pytest.mark.parametrize("fields", sorted(AMBIGUOUS))
@pytest.mark.parametrize("plane", sorted(PLANES))
def test_the_gate_stands_before_every_plane(vora, plane, fields):
    data = request(PLANES[plane], AMBIGUOUS[fields], chunks(b"hello"))
    found = raw.exchange(vora.address, data + HIDDEN)
    assert found.statuses == [400] and found.closed and found.rest == b"", found.statuses


@pytest.mark.parametrize("fields", sorted(AMBIGUOUS))
def test_the_gate_stands_before_the_admin_address_too(vora, fields):
    host, _, port = vora.admin_url.removeprefix("http://").rpartition(":")
    data = request(b"GET /metrics", AMBIGUOUS[fields], chunks(b"hello"))
    found = raw.exchange((host, int(port)), data + HIDDEN)
    assert found.statuses == [400] and found.closed and found.rest == b"", found.statuses


# -- slow ones and many ---------------------------------------------------------------------------


def test_slow_heads_are_cut_and_hinder_nobody(vora):
    slow = []
    for _ in range(100):
        s = socket.create_connection(vora.address, timeout=60)
        slow.append((s, time.monotonic()))
        s.sendall(b"GET /livez HTTP/1.1\r\nHost: h\r\nX-A: ")
    for s, _ in slow[:10]:
        s.sendall(b"a")  # one more byte wins no time
    assert requests.get(vora.url + "/livez", timeout=5).status_code == 200
    for s, began in slow:
        with s:
            received = s.recv(65536)
            assert time.monotonic() - began > 9, "cut before its ten seconds"
            assert received.startswith(b"HTTP/1.1 408 "), received[:80]
    cut = metric(vora, "vora_http_connections_cut_total", 'reason="header_timeout"', 'server="front"')
    assert cut >= 100


def metric(server, name, *labels):
    text = requests.get(server.admin_url + "/metrics", timeout=5).text
    return sum(
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith(name + "{") and all(label in line for label in labels)
    )


def take_place(server):
    """A connection that has been answered and stays open."""
    s = socket.create_connection(server.address, timeout=10)
    s.sendall(HIDDEN)
    received = s.recv(65536)
    return s, received


def test_connections_beyond_the_caps_get_503(make_vora):
    server = make_vora("--server.connections_per_address_max=3").start()
    # Those that asked for readiness may still be closing.
    wait_until(lambda: metric(server, "vora_http_connections_open", 'server="front"') == 0, 20, "quiet")
    held = [take_place(server) for _ in range(3)]
    assert all(answer.startswith(b"HTTP/1.1 200 ") for _, answer in held)
    one_more, answer = take_place(server)
    with one_more:
        assert answer.startswith(b"HTTP/1.1 503 ") and b"\r\nRetry-After: " in answer, answer
        assert b"\r\nConnection: close\r\n" in answer
    assert metric(server, "vora_http_refused_total", 'reason="peer_connections_max"') >= 1
    first, _ = held.pop()
    first.close()

    def works_again():
        s, received = take_place(server)
        s.close()
        return received.startswith(b"HTTP/1.1 200 ")

    wait_until(works_again, 20, "a place is free again")
    for s, _ in held:
        s.sendall(HIDDEN)
        assert s.recv(65536).startswith(b"HTTP/1.1 200 "), "who was there first stays"
        s.close()
