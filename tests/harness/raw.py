"""Bytes on a socket, for what no HTTP client would send."""

import dataclasses
import socket
import time


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict  # lower-case names; the last of equal names
    body: bytes


@dataclasses.dataclass
class Exchange:
    answers: list
    closed: bool  # by the server, within the time given
    rest: bytes

    @property
    def statuses(self):
        return [a.status for a in self.answers]


def exchange(address, data, timeout_s=5.0, pieces=None, heads=()):
    """Sends `data`, then reads until the server closes or has been silent for `timeout_s`.

    `heads`: the numbers, from 0, of answers that have a length but no body."""
    with socket.create_connection(address, timeout=timeout_s) as s:
        try:
            for piece in pieces or [data]:
                s.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before it was all sent: the answer still counts
        received, closed = b"", False
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            s.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                block = s.recv(65536)
            except TimeoutError:
                break
            except ConnectionResetError:
                closed = True
                break
            if not block:
                closed = True
                break
            received += block
    answers, rest = parse(received, heads)
    return Exchange(answers, closed, rest)


def parse(data, heads=()):
    answers = []
    while data.startswith(b"HTTP/1.1 ") or data.startswith(b"HTTP/1.0 "):
        head, found, rest = data.partition(b"\r\n\r\n")
        if not found:
            break
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        length = (
            0
            if status in (204, 304) or status < 200 or len(answers) in heads
            else int(headers.get("content-length", 0))
        )
        if len(rest) < length:
            return answers, data
        if status >= 200:
            answers.append(Answer(status, headers, rest[:length]))
        data = rest[length:]
    return answers, data
