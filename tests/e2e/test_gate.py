"""Raw requests that parsers disagree on. Each is refused, the connection is closed, and the request that
hides behind it is never answered: whoever gets two answers has been desynchronised."""

import pytest

from harness import raw

HIDDEN = b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n"
GOOD = b"Host: h\r\n"


def post(fields, body=b"", line=b"POST /v1/videos HTTP/1.1"):
    return line + b"\r\n" + fields + b"\r\n" + body


def get(line, fields=GOOD):
    return line + b"\r\n" + fields + b"\r\n"


CHUNKED = b"5\r\nhello\r\n0\r\n\r\n"

REFUSED = {
    "no host": get(b"GET /livez HTTP/1.1", b""),
    "two hosts": get(b"GET /livez HTTP/1.1", b"Host: a\r\nHost: b\r\n"),
    "two equal hosts": get(b"GET /livez HTTP/1.1", b"Host: a\r\nHost: a\r\n"),
    "empty host": get(b"GET /livez HTTP/1.1", b"Host:\r\n"),
    "host with a path": get(b"GET /livez HTTP/1.1", b"Host: a/b\r\n"),
    "host with a user": get(b"GET /livez HTTP/1.1", b"Host: u@a\r\n"),
    "host with a blank": get(b"GET /livez HTTP/1.1", b"Host: a b\r\n"),
    "te xchunked": post(GOOD + b"Transfer-Encoding: xchunked\r\n", CHUNKED),
    "te chunked, identity": post(GOOD + b"Transfer-Encoding: chunked, identity\r\n", CHUNKED),
    "te identity": post(GOOD + b"Transfer-Encoding: identity\r\n", CHUNKED),
    "te gzip, chunked": post(GOOD + b"Transfer-Encoding: gzip, chunked\r\n", CHUNKED),
    "te chunked, chunked": post(GOOD + b"Transfer-Encoding: chunked, chunked\r\n", CHUNKED),
    "te twice": post(
        GOOD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", CHUNKED
    ),
    "te empty": post(GOOD + b"Transfer-Encoding:\r\n", CHUNKED),
    "te in quotes": post(GOOD + b'Transfer-Encoding: "chunked"\r\n', CHUNKED),
    "te with a tab inside": post(GOOD + b"Transfer-Encoding: chun\tked\r\n", CHUNKED),
    "te vertical tab": post(GOOD + b"Transfer-Encoding: \x0bchunked\r\n", CHUNKED),
    "te and length": post(GOOD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", CHUNKED),
    "length and te": post(GOOD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", CHUNKED),
    "te on 1.0": post(
        GOOD + b"Transfer-Encoding: chunked\r\n", CHUNKED, b"POST /v1/videos HTTP/1.0"
    ),
    "two lengths": post(GOOD + b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello"),
    "two equal lengths": post(GOOD + b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello"),
    "length list": post(GOOD + b"Content-Length: 5, 5\r\n", b"hello"),
    "length +5": post(GOOD + b"Content-Length: +5\r\n", b"hello"),
    "length -1": post(GOOD + b"Content-Length: -1\r\n"),
    "length 0x5": post(GOOD + b"Content-Length: 0x5\r\n", b"hello"),
    "length 5.0": post(GOOD + b"Content-Length: 5.0\r\n", b"hello"),
    "length of two words": post(GOOD + b"Content-Length: 5 5\r\n", b"hello"),
    "length beyond 64 bits": post(GOOD + b"Content-Length: 18446744073709551621\r\n", b"hello"),
    "length empty": post(GOOD + b"Content-Length:\r\n", b"hello"),
    "blank before the colon": post(GOOD + b"Content-Length : 5\r\n", b"hello"),
    "folded line": get(b"GET /livez HTTP/1.1", GOOD + b"X-A: b\r\n c\r\n"),
    "folded first line": get(b"GET /livez HTTP/1.1", b" Host: h\r\n" + GOOD),
    "no name": get(b"GET /livez HTTP/1.1", GOOD + b": x\r\n"),
    "no colon": get(b"GET /livez HTTP/1.1", GOOD + b"nonsense\r\n"),
    "name with a bracket": get(b"GET /livez HTTP/1.1", GOOD + b"X(A): b\r\n"),
    "8-bit name": get(b"GET /livez HTTP/1.1", GOOD + b"X-\xe9: b\r\n"),
    "nul in a value": get(b"GET /livez HTTP/1.1", GOOD + b"X-A: b\x00c\r\n"),
    "control in a value": get(b"GET /livez HTTP/1.1", GOOD + b"X-A: b\x01c\r\n"),
    "bare cr in a value": get(b"GET /livez HTTP/1.1", GOOD + b"X-A: b\rX-B: c\r\n"),
    "bare lf between fields": b"GET /livez HTTP/1.1\r\nHost: h\nX-A: b\r\n\r\n",
    "bare lf throughout": b"GET /livez HTTP/1.1\nHost: h\n\n",
    "bare lf after the first line": b"GET /livez HTTP/1.1\nHost: h\r\n\r\n",
    "bare cr after the first line": b"GET /livez HTTP/1.1\rHost: h\r\n\r\n",
    "absolute form": get(b"GET http://other/livez HTTP/1.1"),
    "authority form": get(b"CONNECT h:80 HTTP/1.1"),
    "asterisk with get": get(b"GET * HTTP/1.1"),
    "fragment": get(b"GET /livez#x HTTP/1.1"),
    "no slash": get(b"GET livez HTTP/1.1"),
    "8-bit path": get(b"GET /liv\xe9z HTTP/1.1"),
    "nul in the path": get(b"GET /livez%00 HTTP/1.1"),
    "raw nul in the path": get(b"GET /livez\x00 HTTP/1.1"),
    "percent without digits": get(b"GET /livez% HTTP/1.1"),
    "percent with letters": get(b"GET /livez%zz HTTP/1.1"),
    "encoded slash": get(b"GET /v1%2fvideos HTTP/1.1"),
    "encoded backslash": get(b"GET /v1%5cvideos HTTP/1.1"),
    "backslash": get(b"GET /v1\\videos HTTP/1.1"),
    "dots": get(b"GET /v1/../livez HTTP/1.1"),
    "encoded dots": get(b"GET /v1/%2e%2e/livez HTTP/1.1"),
    "double slash": get(b"GET //livez HTTP/1.1"),
    "overlong utf-8": get(b"GET /%c0%ae%c0%ae/livez HTTP/1.1"),
    "tab in the line": get(b"GET\t/livez\tHTTP/1.1"),
    "two blanks in the line": get(b"GET  /livez HTTP/1.1"),
    "blank at the end": get(b"GET /livez HTTP/1.1 "),
    "blank at the beginning": get(b" GET /livez HTTP/1.1"),
    "lower-case method": get(b"get /livez HTTP/1.1"),
    "unknown method": get(b"BREW /livez HTTP/1.1"),
    "trace": get(b"TRACE /livez HTTP/1.1"),
    "http/0.9": b"GET /livez\r\n\r\n",
    "http/2.0": get(b"GET /livez HTTP/2.0"),
    "http/1.2": get(b"GET /livez HTTP/1.2"),
    "http/1.10": get(b"GET /livez HTTP/1.10"),
    "http in lower case": get(b"GET /livez http/1.1"),
    "the preface of http/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a tls client": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40) + b"\r\n\r\n",
    "two tokens": get(
        b"GET /v1/videos HTTP/1.1", GOOD + b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n"
    ),
}

TOO_LARGE = {
    "one long field": get(b"GET /livez HTTP/1.1", GOOD + b"X-A: " + b"a" * 40_000 + b"\r\n"),
    "many fields": get(
        b"GET /livez HTTP/1.1", GOOD + b"".join(b"X-%d: a\r\n" % n for n in range(200))
    ),
    "a long target": get(b"GET /" + b"a" * 40_000 + b" HTTP/1.1"),
    "a head that never ends": b"GET /livez HTTP/1.1\r\n" + GOOD + b"X-A: b\r\n" * 20_000,
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_an_ambiguous_request_is_400_and_hides_nothing(vora, name):
    found = raw.exchange(vora.address, REFUSED[name] + HIDDEN)
    assert found.statuses in ([400], [405], [501]), f"{found.statuses} {found.rest[:80]}"
    assert found.statuses == [400], found.statuses
    assert found.closed, "the connection was left open"
    assert found.rest == b"" and found.answers[0].headers.get("connection", "").lower() == "close"


@pytest.mark.parametrize("name", sorted(TOO_LARGE))
def test_a_head_that_is_too_large_is_431(vora, name):
    found = raw.exchange(vora.address, TOO_LARGE[name] + HIDDEN)
    assert found.statuses in ([431], [414]), found.statuses
    assert found.closed


BAD_CHUNKS = {
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "size 0x5": b"0x5\r\nhello\r\n0\r\n\r\n",
    "size +5": b"+5\r\nhello\r\n0\r\n\r\n",
    "size -5": b"-5\r\nhello\r\n0\r\n\r\n",
    "size with a blank before": b" 5\r\nhello\r\n0\r\n\r\n",
    "size beyond 64 bits": b"FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
    "bare lf after the size": b"5\nhello\r\n0\r\n\r\n",
    "bare lf after the data": b"5\r\nhello\n0\r\n\r\n",
    "data longer than its size": b"3\r\nhello\r\n0\r\n\r\n",
    "letters for a size": b"five\r\nhello\r\n0\r\n\r\n",
    "an endless extension": b"5;" + b"a" * 100_000 + b"\r\nhello\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", sorted(BAD_CHUNKS))
def test_a_chunked_body_outside_the_rules_ends_the_connection(vora, name):
    head = (
        GOOD
        + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
        + b"Authorization: Bearer "
        + vora.token.encode()
        + b"\r\n"
    )
    found = raw.exchange(vora.address, post(head, BAD_CHUNKS[name]) + HIDDEN)
    assert len(found.statuses) <= 1 and found.statuses in ([], [400], [413]), found.statuses
    assert found.closed


def test_a_trailer_does_not_authorise(vora):
    head = GOOD + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    body = b'{"title":"x"}'
    trailer = b"Authorization: Bearer " + vora.token.encode() + b"\r\n"
    chunks = b"%x\r\n%s\r\n0\r\n%s\r\n" % (len(body), body, trailer)
    found = raw.exchange(vora.address, post(head, chunks), timeout_s=2)
    assert found.statuses and found.statuses[0] in (400, 401)


# -- and what is allowed works --------------------------------------------------------------------


def test_pipelined_requests_are_answered_in_order(vora):
    missing = b"GET /v1/nothing HTTP/1.1\r\nHost: h\r\n\r\n"
    last = b"GET /livez HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    found = raw.exchange(vora.address, HIDDEN + missing + last)
    assert found.statuses[0] == 200 and found.statuses[1] in (401, 404) and found.statuses[2] == 200
    assert len(found.statuses) == 3 and found.closed


def test_a_head_in_single_bytes_is_one_request(vora):
    data = b"GET /livez HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    found = raw.exchange(vora.address, b"", pieces=[bytes([b]) for b in data])
    assert found.statuses == [200]


def test_http_1_0_without_host_is_answered_and_closed(vora):
    found = raw.exchange(vora.address, b"GET /livez HTTP/1.0\r\n\r\n")
    assert found.statuses == [200] and found.closed


def test_a_chunked_body_within_the_rules_is_read(vora):
    body = b'{"title":"in chunks"}'
    chunks = b"".join(b"1;ext=a\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    head = (
        GOOD
        + b"Connection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
        + b"Authorization: Bearer "
        + vora.token.encode()
        + b"\r\n"
    )
    found = raw.exchange(vora.address, post(head, chunks))
    assert found.statuses == [201], found.answers
    assert b"in chunks" in found.answers[0].body


def test_expect_continue_is_refused_before_the_body_is_sent(vora):
    # No token: the answer must come although the body never does.
    head = (
        GOOD + b"Content-Type: application/json\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n"
    )
    found = raw.exchange(vora.address, post(head), timeout_s=3)
    assert found.statuses == [401]


def test_after_all_that_the_server_is_well(vora):
    assert vora.api.call("GET", "/v1/videos").status_code == 200
    assert vora.running()
