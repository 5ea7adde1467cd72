"""The embedded event engine: it comes by itself, nothing waits for it, and no event is lost with it."""

import datetime
import http.server
import os
import random
import signal
import threading
import uuid

import clickhouse_connect
import pytest
import requests

from harness import processes
from harness.engine import Engine, library
from harness.wait import wait_until

EMBEDDED = {"VORA_EVENTS_ENGINE": "embedded"}
KILLS = 20
START_S = 60


def state_of(server):
    """(status, detail) of the engine in /readyz, which is ready all the same."""
    answer = requests.get(server.url + "/readyz", timeout=10)
    assert answer.status_code == 200, answer.text
    told = [d for d in answer.json()["dependencies"] if d["name"] == "event_engine"]
    return told[0]["status"], told[0]["detail"]


def wait_engine(server):
    wait_until(lambda: state_of(server)[0] == "ok", START_S, lambda: f"ok, not {state_of(server)}")


def engine_of(server):
    children = processes.descendants(server.process.pid)
    found = [pid for pid, name in children.items() if name.startswith("vora-event-engi")]
    return found[0] if found else None


def with_library(make_vora, **more):
    return make_vora(environment={**EMBEDDED, "VORA_EVENTS_ENGINE_LIBRARY": library()}, **more)


def post(server, events):
    body = {"events": events}
    return requests.post(server.url + "/v1/events", json=body, timeout=10).status_code


def event(number, run="r"):
    return {
        "event_type": "heartbeat",
        "video_id": f"video-{number % 7}",
        "session_id": run,
        "seq": number,
        "value": 1000,
    }


def wait_stored(server, timeout_s=60):
    """Until the spool is empty: what was taken is stored."""
    wait_until(
        lambda: server.metric("vora_analytics_events_spooled") == 0,
        timeout_s,
        lambda: f"all events stored, engine {state_of(server)}",
    )


def stored(data):
    """(rows, different events) that a server that has stopped left in its data directory."""
    with Engine(data / "events" / "engine") as engine:
        rows = engine.rows("SELECT count(), uniqExact(session_id, seq) FROM vora.PlaybackEvents")
    return tuple(int(n) for n in rows[0])


# -- its HTTP interface -------------------------------------------------------------------------------


def test_the_official_client_works_unchanged(tmp_path):
    with Engine(tmp_path / "engine") as engine:
        host, port = engine.address
        client = clickhouse_connect.get_client(
            host=host, port=port, username="default", password=engine.key, compress=False
        )
        assert client.server_version.startswith("26.")
        client.command("CREATE DATABASE t")
        client.command(
            "CREATE TABLE t.x (at DateTime64(3), who String, n UInt32) ENGINE = MergeTree ORDER BY n"
        )
        at = datetime.datetime(2026, 1, 2, 3, 4, 5)
        client.insert("t.x", [[at, f"who\n\n{n}", n] for n in range(20_000)])
        found = client.query(
            "SELECT count(), sum(n) FROM t.x WHERE who != {who:String}",
            parameters={"who": "who\n\n7"},
        )
        assert found.result_rows == [(19_999, 199_989_993)]
        with pytest.raises(clickhouse_connect.driver.exceptions.DatabaseError, match="60"):
            client.query("SELECT * FROM t.nothing")


def test_it_ends_when_its_parents_pipe_closes_and_keeps_its_path_to_itself(tmp_path):
    path = tmp_path / "engine"
    with Engine(path) as engine:
        engine.ask("CREATE DATABASE d")
        with pytest.raises(AssertionError, match="ended with 4"):
            Engine(path).__enter__()
        engine.process.stdin.close()
        assert engine.process.wait(10) == 0
    with Engine(path) as again:
        assert again.rows("SELECT count() FROM system.databases WHERE name = 'd'") == [("1",)]


# -- its life under vora up ---------------------------------------------------------------------------


def test_it_comes_by_itself_and_its_death_loses_nothing(make_vora):
    server = with_library(make_vora)
    server.start()
    assert state_of(server)[0] in ("degraded", "ok"), "ready before the engine is"
    assert post(server, [event(n) for n in range(100)]) == 204
    wait_engine(server)
    assert state_of(server)[1].startswith("clickhouse 26.")
    wait_stored(server)
    assert server.metric("vora_event_engine_up") == 1
    assert server.metric("vora_event_engine_anonymous_bytes") < 200e6

    first = engine_of(server)
    os.kill(first, signal.SIGKILL)
    assert post(server, [event(n) for n in range(100, 200)]) == 204
    wait_until(lambda: engine_of(server) not in (None, first), START_S, "another engine")
    wait_engine(server)
    wait_stored(server)
    assert server.metric("vora_event_engine_restarts_total") == 1

    # The server's own death is the engine's.
    second = engine_of(server)
    server.kill()
    wait_until(lambda: not processes.alive(second), 2, "the engine dies with its parent")
    # One that is left over holds the files; it is ended first.
    with Engine(server.data / "events" / "engine") as stray:
        server.start()
        assert stray.process.wait(30) == -signal.SIGKILL
    wait_engine(server)
    assert post(server, [event(200)]) == 204
    wait_stored(server)
    third = engine_of(server)
    assert server.stop() == 0
    assert not processes.alive(third)
    assert stored(server.data) == (201, 201)


def test_an_engine_that_hangs_is_felt_by_nobody(make_vora, inputs):
    server = with_library(make_vora)
    server.start()
    wait_engine(server)
    pid = engine_of(server)
    os.kill(pid, signal.SIGSTOP)
    try:
        video = server.api.upload_and_wait(inputs("pattern", "320x240", 1))
        made = server.api.playback(video["id"])
        assert requests.get(made["manifest_url"], timeout=10).status_code == 200
        for n in range(50):
            assert post(server, [event(n)]) == 204
        wait_until(lambda: state_of(server)[0] == "degraded", 30, "said in /readyz")
        assert server.metric("vora_analytics_events_stored_total") == 0
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_stored(server)
    assert server.stop() == 0
    assert stored(server.data) == (50, 50)


def test_a_hanging_engine_does_not_hold_up_a_stop(make_vora):
    server = with_library(make_vora)
    server.start()
    wait_engine(server)
    pid = engine_of(server)
    os.kill(pid, signal.SIGSTOP)
    assert server.stop(30) == 0
    assert not processes.alive(pid)


@pytest.mark.parametrize("missing", ["library", "npm"])
def test_without_a_library_everything_else_works(make_vora, tmp_path, inputs, missing):
    environment = {**EMBEDDED, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    if missing == "library":
        environment["VORA_EVENTS_ENGINE_LIBRARY"] = str(tmp_path / "nowhere" / "libchdb.so")
    else:
        folder = tmp_path / "bin"
        folder.mkdir()
        for name in ("ffmpeg", "ffprobe"):
            (folder / name).symlink_to(f"/usr/bin/{name}")
        environment["PATH"] = str(folder)
    server = make_vora(environment=environment).start()
    wait_until(lambda: missing in state_of(server)[1], 10, lambda: f"said: {state_of(server)}")
    assert state_of(server)[0] == "degraded"
    assert post(server, [event(0)]) == 204
    assert server.metric("vora_event_engine_up") == 0
    if missing == "library":
        assert server.api.upload_and_wait(inputs("pattern", "320x240", 1))
    assert server.stop() == 0


def test_an_engine_that_is_none_is_named(make_vora):
    server = make_vora("--events.engine=clickhous://x")
    server.start(wait=False)
    assert server.process.wait(20) == 1
    assert "events.engine" in server.tail()


def test_events_go_to_a_real_server_when_one_is_named(make_vora, tmp_path):
    with Engine(tmp_path / "elsewhere") as engine:
        host, port = engine.address
        where = f"clickhouse://default:{engine.key}@{host}:{port}"
        server = make_vora(environment={"VORA_EVENTS_ENGINE": where}).start()
        wait_engine(server)
        assert post(server, [event(n) for n in range(10)]) == 204
        wait_stored(server)
        assert engine.rows("SELECT count() FROM vora.PlaybackEvents") == [("10",)]
        assert server.stop() == 0
    assert engine.key.encode() not in server.output()


class Middleman:
    """Stands before an engine and, as told, passes on, refuses, or loses the answer of every insert."""

    def __init__(self, engine):
        self.mode = "pass"
        self.lost = 0
        middleman = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if middleman.mode == "refuse":
                    return self.answer(500, b"Code: 241. DB::Exception: no memory", code="241")
                passed = requests.post(
                    engine.url + self.path,
                    data=body,
                    headers={"X-ClickHouse-Key": self.headers["X-ClickHouse-Key"]},
                    timeout=30,
                )
                if middleman.mode == "lose" and "INSERT" in self.path:
                    middleman.lost += 1
                    self.close_connection = True
                    return None
                code = passed.headers.get("X-ClickHouse-Exception-Code")
                return self.answer(passed.status_code, passed.content, code)

            def answer(self, status, body, code=None):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                if code:
                    self.send_header("X-ClickHouse-Exception-Code", code)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def test_errors_and_lost_answers_change_nothing_but_the_time_of_arrival(make_vora, tmp_path):
    with Engine(tmp_path / "elsewhere") as engine, Middleman(engine) as middleman:
        where = f"clickhouse://default:{engine.key}@127.0.0.1:{middleman.server.server_port}"
        server = make_vora(environment={"VORA_EVENTS_ENGINE": where})
        middleman.mode = "refuse"
        server.start()
        assert state_of(server) == ("degraded", "clickhouse_overloaded")
        assert post(server, [event(n) for n in range(100)]) == 204
        wait_until(
            lambda: server.metric("vora_analytics_insert_failures_total") >= 2, 30, "two attempts"
        )
        middleman.mode = "lose"  # stored, but nobody is told
        wait_until(lambda: middleman.lost >= 2, 30, "the same batch sent twice")
        assert post(server, [event(n) for n in range(100, 120)]) == 204
        middleman.mode = "pass"
        wait_stored(server)
        rows = engine.rows("SELECT count(), uniqExact(seq) FROM vora.PlaybackEvents")
        assert rows == [("120", "120")]
        assert server.stop() == 0


# -- killed at random ---------------------------------------------------------------------------------


def test_events_are_stored_once_whenever_the_engine_is_killed(make_vora):
    """The engine is killed at moments from a seed while events flow: rows = acknowledged events."""
    seed = int(os.environ.get("VORA_KILL_SEED", "4"))
    dice = random.Random(seed)
    server = with_library(make_vora)
    server.start()
    acknowledged = 0
    done = threading.Event()
    run = str(uuid.UUID(int=dice.getrandbits(128)))

    def send():
        nonlocal acknowledged
        number = 0
        while not done.is_set():
            batch = [event(number + n, run) for n in range(20)]
            number += len(batch)
            if post(server, batch) == 204:
                acknowledged = number
            else:
                return
            done.wait(0.01)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        last = None
        for _ in range(KILLS):
            # At any moment of its life, its start and its inserts included.
            last = wait_until(
                lambda gone=last: (pid := engine_of(server)) != gone and pid, START_S, "an engine"
            )
            done.wait(dice.choice([0.0, 0.3, 1.0]) * dice.random())
            os.kill(last, signal.SIGKILL)
    finally:
        done.set()
        sender.join()
    wait_stored(server)
    said = f"seed {seed}"
    assert server.running() and acknowledged > 0, said
    assert server.metric("vora_analytics_events_dropped_total") == 0, said
    assert server.stop() == 0, said
    assert stored(server.data) == (acknowledged, acknowledged), said
