"""SIGKILL at the named points of the server (docs/testing.md) and at random moments. Whatever the moment:
no acknowledged byte is lost, the video becomes READY and right, and exactly one workflow made it."""

import json
import os
import random
import sqlite3
import subprocess
import threading

import pytest
import requests

from harness import hls
from harness.api import TusUpload
from harness.wait import Timeout, wait_until
from media import generated
from media.clips import CLIPS, clip

CHUNK = 256 << 10

POINTS = [
    # name, clip, does the client tell of the completion?
    ("upload.part_durable", "bunny", True),
    ("upload.part_durable:3", "bunny", True),
    ("upload.before_hook", "tiny", False),
    ("upload.after_hook", "tiny", False),
    ("upload.before_hook", "tiny", True),
    ("metadata.after_processing", "tiny", True),
    ("worker.mid_probe", "tiny", True),
    ("worker.mid_encode", "bunny", True),
    ("worker.before_publish", "bunny", True),
    ("metadata.before_ready", "tiny", True),
]


class Journey:
    """One video on its way through a server that dies; every step can be taken again."""

    def __init__(self, server, path):
        self.server = server
        self.video = server.api.create("killed on the way")
        self.upload = TusUpload(self.video["upload"]["url"], path)
        self.lock = threading.Lock()
        self.kills_at_start = []  # seconds after which a start is itself killed

    def restart(self):
        with self.lock:
            while self.kills_at_start and not self.server.running():
                self.server.start(wait=False)
                try:
                    self.server.process.wait(self.kills_at_start.pop())
                except subprocess.TimeoutExpired:
                    self.server.kill()
            if not self.server.running():
                self.server.start()
        self.upload.move_to(self.server.url)

    def persist(self, step, timeout_s=120):
        """Takes a step again until it is not interrupted by a death."""

        def once():
            try:
                return (step(),)
            except requests.RequestException:
                wait_until(
                    lambda: not self.server.running(), 30, "a dead connection means a dead server"
                )
                self.restart()
                return None

        return wait_until(once, timeout_s, "the step succeeds")[0]

    def send(self, chunk_bytes):
        if self.upload.location is None:
            self.persist(self.upload.create)
        self.upload.send_through(120, chunk_bytes, self.recover)

    def recover(self):
        wait_until(lambda: not self.server.running(), 30, "a dead connection means a dead server")
        self.restart()

    def wait_ready(self, tell, timeout_s=180):
        if tell:
            self.persist(lambda: self.server.api.complete(self.video["id"], self.upload.upload_id))

        def ended():
            final = self.persist(lambda: self.server.api.get(self.video["id"]))
            assert final["state"] != "FAILED", final["error"]
            return final if final["state"] == "READY" else None

        return wait_until(ended, timeout_s, lambda: f"READY\n{self.server.tail()}", 0.1)

    def verify(self, facts, directory):
        """After the last kill: what is there is right, and one workflow made it."""
        final = self.server.api.get(self.video["id"])
        assert final["state"] == "READY" and final["generation"] == 1
        stored = self.server.raw(self.upload.upload_id) / "original.mp4"
        assert stored.stat().st_size == self.upload.length
        names = [r["name"] for r in final["renditions"]]
        hls.check_playback(self.server.api, final, directory, frames=facts.frames, names=names)
        # READY is its last step but one.
        wait_until(lambda: workflow_runs(self.server, self.video["id"]) == 1, 20, "its run is over")


def workflow_runs(server, video_id):
    """How often the engine has begun a run for this video, read from its own database."""
    path = server.data / "db" / "workflow.sqlite"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        runs = db.execute(
            "SELECT run_id FROM runs WHERE workflow_id LIKE ?", (f"video-{video_id}%",)
        ).fetchall()
        assert len(runs) == 1, runs
        begun = db.execute(
            "SELECT count(*) FROM events WHERE run_id = ? AND type = 'workflow_execution_started'",
            runs[0],
        ).fetchone()[0]
        ended = db.execute(
            "SELECT count(*) FROM events WHERE run_id = ? AND type = 'workflow_execution_completed'",
            runs[0],
        ).fetchone()[0]
    assert begun == 1, f"begun {begun} times"
    return ended


@pytest.mark.parametrize(
    "point,name,tell", POINTS, ids=[f"{p}-{'told' if t else 'hook'}" for p, _, t in POINTS]
)
def test_a_kill_at_a_named_point_costs_nothing(make_vora, tmp_path, point, name, tell):
    server = make_vora().start(VORA_FAULT_POINT=point)
    journey = Journey(server, clip(name))
    armed = server.process
    journey.send(CHUNK)
    if tell and server.running():
        try:
            server.api.complete(journey.video["id"], journey.upload.upload_id)
        except requests.RequestException:
            pass
    if server.process is armed:  # still the one that is to die
        server.wait_killed(60)
        journey.restart()
    assert server.runs == 2, "it was killed once and started once"
    journey.wait_ready(tell)
    journey.verify(CLIPS[name], tmp_path / "out")
    assert server.stop() == 0


def test_a_server_that_dies_at_every_encode_ends_in_a_named_failure(make_vora):
    """A poison video may not take the server down for ever."""
    server = make_vora().start(VORA_FAULT_POINT="worker.mid_encode")
    journey = Journey(server, clip("bunny"))
    journey.send(None)
    deaths, final = 0, None
    while deaths < 8:
        try:
            final = server.api.wait_state(journey.video["id"], "FAILED", 90)
            break
        except (requests.RequestException, Timeout):
            wait_until(lambda: not server.running(), 10, "it died")
            deaths += 1
            server.start(VORA_FAULT_POINT="worker.mid_encode")
    assert server.running(), f"still dying after {deaths} starts"
    assert final["error"]["code"] in ("encoder_crashed", "internal_error")
    assert deaths <= 7
    assert server.stop() == 0
    server.start()
    server.api.upload_and_wait(clip("bikes"))


SEED = int(os.environ.get("VORA_KILL_SEED", "20240607"))
ROUNDS = int(os.environ.get("VORA_KILL_ROUNDS", "3"))


@pytest.mark.parametrize("number", range(ROUNDS))
def test_kills_at_random_moments_cost_nothing(make_vora, tmp_path, number):
    """One to three kills at seeded moments between creation and READY."""
    dice = random.Random(f"{SEED}-{number}")
    server = make_vora().start()
    path = generated.padded(tmp_path / "padded.mp4", "bunny", 64 << 20)
    journey = Journey(server, path)
    stop = threading.Event()
    # the first comes while any machine is still at it
    kills = [round(dice.uniform(0.01, limit), 3) for limit in (0.8, 2.5, 2.5)[: dice.randint(1, 3)]]
    at_start = [round(dice.uniform(0.0, 0.4), 3) for _ in range(dice.randint(0, 2))]
    journey.kills_at_start = list(at_start)
    killer = threading.Thread(target=kill_at, args=(journey, kills, stop))
    killer.start()
    try:
        journey.send(dice.choice([1 << 20, 3 << 20, 9_000_000, None]))
        journey.wait_ready(True)
    finally:
        seeded = {"seed": SEED, "round": number, "kills_after_s": kills}
        print(json.dumps({**seeded, "kills_at_start_after_s": at_start}))
        stop.set()
        killer.join(30)
    journey.restart()
    assert server.runs > 1, "no kill came in time"
    journey.verify(CLIPS["bunny"], tmp_path / "out")
    assert server.stop() == 0


def kill_at(journey, moments, stop):
    """Kills whatever server then runs, each time so long after the last death."""
    for moment in moments:
        if stop.wait(moment):
            return
        with journey.lock:  # not in the middle of a start: the journey waits for a death it can see
            journey.server.kill()
