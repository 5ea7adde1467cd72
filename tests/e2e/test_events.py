"""Playback events: the endpoint's contract, a spool that fills up, and the server killed while events flow."""

import json
import os
import random
import signal
import threading
import uuid

import pytest
import requests

from harness.engine import Engine
from harness.wait import wait_until

JSON = "application/json"
LIMIT = 64 * 1024


def event(number=0, run="r", **more):
    base = {"event_type": "heartbeat", "video_id": "v", "session_id": run, "seq": number}
    return {**base, "value": 1000, **more}


def body_of(*events):
    return json.dumps({"events": list(events)})


def post(server, body, content_type=JSON, **headers):
    fields = {"Content-Type": content_type} if content_type else {}
    return requests.post(
        server.url + "/v1/events", data=body, headers={**fields, **headers}, timeout=10
    )


def books(server):
    """accepted, stored, spooled, dropped of one scrape."""
    found = dict.fromkeys(("accepted", "stored", "spooled", "dropped"), 0)
    for line in server.metrics().splitlines():
        for name in found:
            if line.startswith(f"vora_analytics_events_{name}"):
                found[name] += float(line.rsplit(" ", 1)[1])
    return tuple(int(n) for n in found.values())


def assert_balanced(server):
    accepted, stored, spooled, dropped = books(server)
    assert accepted == stored + spooled + dropped, (accepted, stored, spooled, dropped)


# -- the contract -----------------------------------------------------------------------------------

GOOD = body_of(event())
CASES = [
    # name, body, content type, status, code
    ("json", GOOD, JSON, 204, None),
    ("json with a charset", GOOD, "application/json; charset=utf-8", 204, None),
    ("a beacon", GOOD, "text/plain;charset=UTF-8", 204, None),
    ("no event", body_of(), JSON, 204, None),
    ("500 events", body_of(*[event(n) for n in range(500)]), JSON, 204, None),
    ("exactly the limit", GOOD + " " * (LIMIT - len(GOOD)), JSON, 204, None),
    ("one byte more", GOOD + " " * (LIMIT + 1 - len(GOOD)), JSON, 413, "body_too_large"),
    ("501 events", body_of(*[{} for _ in range(501)]), JSON, 413, "too_many_events"),
    ("no json", "play", JSON, 400, "not_json"),
    ("empty", "", JSON, 400, "not_json"),
    ("half of it", GOOD[:-3], JSON, 400, "not_json"),
    ("bad utf-8", b'{"events":[{"video_id":"\xff"}]}', JSON, 400, "not_json"),
    ("deep", "[" * 50_000, JSON, 400, "not_json"),
    ("a list", "[]", JSON, 400, "not_events"),
    ("another shape", '{"event":{}}', JSON, 400, "not_events"),
    ("another type", GOOD, "application/cmcd", 415, "unsupported_content_type"),
    ("no type", GOOD, None, 415, "unsupported_content_type"),
]


@pytest.mark.parametrize("body,kind,status,code", [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_the_endpoint_keeps_its_contract(vora, body, kind, status, code):
    answer = post(vora, body, kind)
    assert answer.status_code == status, answer.text
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Set-Cookie" not in answer.headers
    if code:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == code and answer.json()["status"] == status
    else:
        assert answer.content == b""
    assert_balanced(vora)


def test_a_body_of_unknown_length_has_the_same_limit(vora):
    pieces = (b" " * 1024 for _ in range(65))
    assert post(vora, pieces).status_code == 413
    assert post(vora, (p for p in [GOOD[:10].encode(), GOOD[10:].encode()])).status_code == 204


def test_a_preflight_lasts_a_day(vora):
    answer = requests.options(
        vora.url + "/v1/events",
        headers={"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"},
        timeout=10,
    )
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Max-Age"] == "86400"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Allow-Headers"].lower() == "content-type"


BAD = [
    ({"event_type": "watched"}, "bad_type"),
    ({"event_type": None}, "bad_type"),
    ({"video_id": None}, "bad_id"),
    ({"video_id": "x" * 65}, "bad_id"),
    ({"user_id": "a\nb"}, "bad_id"),
    ({"session_id": "a\u0000b"}, "bad_id"),
    ({"event_time": "yesterday"}, "bad_time"),
    ({"seq": -1}, "bad_number"),
    ({"value": 1e30}, "bad_number"),
    ({"position_ms": "12"}, "bad_shape"),
    ({"detail": "d" * 257}, "bad_detail"),
]


def test_a_bad_event_among_good_ones_is_dropped_alone_and_counted(vora):
    for change, reason in BAD:
        before = books(vora)
        name = "vora_analytics_events_dropped_total"
        of_reason = vora.metric(name, reason=reason)
        assert post(vora, body_of(event(1), event(2, **change), event(3))).status_code == 204
        assert vora.metric(name, reason=reason) == of_reason + 1, change
        after = books(vora)
        assert (after[0] - before[0], after[3] - before[3]) == (3, 1), change
        assert_balanced(vora)


# -- a full spool -----------------------------------------------------------------------------------


def spool_bytes(server):
    return sum(path.stat().st_size for path in (server.data / "events").glob("segment-*"))


def stored_in(engine):
    """{(session, seq): how often}"""
    rows = engine.rows(
        "SELECT session_id, seq, count() FROM vora.PlaybackEvents GROUP BY session_id, seq"
    )
    return {(run, int(seq)): int(times) for run, seq, times in rows}


def at_engine(engine):
    host, port = engine.address
    return {"VORA_EVENTS_ENGINE": f"clickhouse://default:{engine.key}@{host}:{port}"}


def test_a_full_spool_drops_the_new_events_counts_them_and_is_drained_later(make_vora, tmp_path):
    budget = 64 * 1024
    server = make_vora(f"--events.spool_max_bytes={budget}", "--events.flush_ms=10")
    server.start()
    sent = 0
    dropped = "vora_analytics_events_dropped_total"
    while server.metric(dropped, reason="spool_full") == 0:
        assert sent < 10_000
        assert post(server, body_of(*[event(sent + n) for n in range(50)])).status_code == 204
        sent += 50
        assert spool_bytes(server) <= budget
    assert_balanced(server)
    kept = books(server)[2]
    assert kept == sent - 50
    assert post(server, body_of(*[event(sent + n) for n in range(50)])).status_code == 204
    assert books(server) == (sent + 50, 0, kept, 100)
    assert server.stop() == 0
    with Engine(tmp_path / "engine") as engine:
        server.start(**at_engine(engine))
        wait_until(lambda: books(server)[1] == kept, 30, lambda: f"stored: {books(server)}")
        assert books(server) == (sent + 50, kept, 0, 100), "the books go on"
        assert post(server, body_of(event(sent + 100))).status_code == 204
        wait_until(lambda: books(server)[1] == kept + 1, 30, "there is room again")
        assert stored_in(engine) == {("r", n): 1 for n in [*range(kept), sent + 100]}
        assert server.stop() == 0


# -- killed at seeded points ------------------------------------------------------------------------

POINTS = ["appended", "planned", "before_insert", "after_insert", "before_ack", "acked"]
KILLS = 20


class Player:
    """Reports until the server is gone; knows which of its events were answered."""

    def __init__(self, server, number):
        self.server = server
        self.run = f"{number}-{uuid.UUID(int=number)}"
        self.sent = 0
        self.answered = set()
        self.thread = None

    def start(self):
        self.thread = threading.Thread(target=self.report, args=(self.server.url,))
        self.thread.start()

    def join(self):
        if self.thread:
            self.thread.join(60)
            assert not self.thread.is_alive()

    def report(self, url):
        with requests.Session() as http:
            while True:
                numbers = range(self.sent, self.sent + 3)
                self.sent += 3
                body = body_of(*[event(n, self.run) for n in numbers])
                try:
                    answer = http.post(
                        url + "/v1/events", data=body, headers={"Content-Type": JSON}, timeout=30
                    )
                except requests.RequestException:
                    return  # not answered: stored once or not at all
                assert answer.status_code == 204
                self.answered.update(numbers)


def start_or_die(server, **environment):
    """What the last run left may bring it to its point before anybody has sent it anything."""
    server.start(wait=False, **environment)
    try:
        server.wait_ready()
    except AssertionError:
        assert server.process.returncode == -signal.SIGKILL, server.tail()
        return False
    return True


def test_events_are_stored_once_wherever_the_server_is_killed(make_vora, tmp_path):
    """Rows in the engine = answered events, after twenty deaths at points from a seed."""
    seed = int(os.environ.get("VORA_KILL_SEED", "7"))
    dice = random.Random(seed)
    points = [f"analytics.{POINTS[n % len(POINTS)]}:{dice.randint(1, 4)}" for n in range(KILLS - 2)]
    points += ["analytics.segment_removed:1", "analytics.segment_removed:2"]
    dice.shuffle(points)
    server = make_vora("--events.flush_ms=5", "--events.segment_bytes=8192")
    players = [Player(server, n) for n in range(3)]
    with Engine(tmp_path / "engine") as engine:
        where = at_engine(engine)
        for point in points:
            if start_or_die(server, VORA_FAULT_POINT=point, **where):
                for player in players:
                    player.start()
            server.wait_killed(30)
            for player in players:
                player.join()
        server.start(**where)
        answered = {(p.run, n) for p in players for n in p.answered}
        wait_until(
            lambda: (
                server.metric("vora_analytics_recovering") == 0
                and books(server)[1] >= len(answered)
                and books(server)[2] == 0
            ),
            30,
            lambda: f"all stored, seed {seed}: {books(server)} of {len(answered)}",
        )
        rows = stored_in(engine)
        said = f"seed {seed}"
        assert not answered - rows.keys(), said
        assert set(rows.values()) == {1}, said
        sent = {(p.run, n) for p in players for n in range(p.sent)}
        assert not rows.keys() - sent, said
        # Over twenty deaths the books have counted every row.
        assert books(server) == (len(rows), len(rows), 0, 0), said
        assert server.stop() == 0
