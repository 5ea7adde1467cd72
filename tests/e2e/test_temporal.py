"""vora-metadata, vora-upload, vora-workflow and vora-worker on a Temporal server that goes away and comes back."""

import json
import os
import secrets
import socket
import subprocess
import threading

import pytest
from tools.stack import install
from tools.stack.process import free_port
from tools.stack.temporal import TemporalDev

from harness.api import Api, TusUpload
from harness.metadata import Issuer
from harness.services import Service
from harness.wait import wait_until
from media import generated

PATIENCE_S = 90
AWAY_S = 4  # how long the requests to an absent server are counted
# Of four processes; a loop that does not wait between its tries makes thousands.
CONNECTIONS_MAX = 40 * AWAY_S
LINES_MAX = 60  # of one process's log, for a server that was away


class Platform:
    """The services that process videos, as processes, with their files in one directory."""

    def __init__(self, directory, temporal):
        self.directory = directory
        self.temporal = temporal
        self.issuer = Issuer(directory / "platform")
        self.environment = {
            "VORA_SECRETS_INTERNAL": secrets.token_hex(16),
            "VORA_SECRETS_HOOK": secrets.token_hex(16),
        }
        self.keys = {"workflow.engine": f"temporal://{temporal.address}/default"}
        self.stores = {
            "store.raw": f"file:{directory}/raw",
            "store.processed": f"file:{directory}/processed",
        }
        self.number = 0
        self.services = []
        upload, metadata = (f"127.0.0.1:{free_port()}" for _ in range(2))
        shared = {
            "keys.grants_file": self.issuer.directory / "keys" / "grants.json",
            "keys.issuer_public_file": self.issuer.public,
        }
        self.metadata = self.start(
            "metadata",
            **shared,
            **self.keys,
            **{
                "metadata.database": f"sqlite:{directory}/metadata.db",
                "metadata.settle_interval_s": 1,
                "server.internal_listen": metadata,
                "services.upload_url": f"http://{upload}",
            },
        )
        self.upload = self.start(
            "upload",
            **shared,
            **{
                "store.raw": self.stores["store.raw"],
                "server.internal_listen": upload,
                "upload.hook_url": f"http://{metadata}/internal/hooks/upload",
            },
        )
        self.workflow = self.start("workflow", **self.keys)
        token = self.issuer.token()
        self.api = Api(self.metadata.url(), token)

    def start(self, name, **keys):
        directory = self.directory / f"{name}-{self.number}"
        self.number += 1
        service = Service(f"vora-{name}", directory, keys, environment=self.environment)
        self.services.append(service)
        return service

    def start_worker(self, **keys):
        scratch = self.directory / f"scratch-{self.number}"
        return self.start(
            "worker", **self.keys, **self.stores, **{"worker.scratch_dir": scratch}, **keys
        )

    def take_in(self, path):
        """Creates a video and uploads its file; the service of uploads is elsewhere."""
        video = self.api.create("a video")
        self.send(video, path)
        return video["id"]

    def send(self, video, path):
        upload = TusUpload(video["upload"]["url"], path)
        upload.move_to(self.upload.url())
        upload.create()
        upload.send(None)
        self.api.complete(video["id"], upload.upload_id)

    def tool(self, *words):
        """Temporal's own command line, as an operator has it."""
        command = [install.ensure("temporal"), *words, "--address", self.temporal.address]
        return subprocess.run(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "HOME": str(self.directory)},
        )

    def status(self, video_id):
        told = self.tool("workflow", "describe", "-w", f"video-{video_id}-g1", "-o", "json")
        if told.returncode != 0:
            return None
        status = json.loads(told.stdout)["workflowExecutionInfo"]["status"]
        return status.removeprefix("WORKFLOW_EXECUTION_STATUS_")

    def written(self):
        """Every object, with when and what was written."""
        base = self.directory / "processed"
        files = [path for path in base.rglob("*") if path.is_file()]
        return {str(p.relative_to(base)): (p.stat().st_mtime_ns, p.stat().st_size) for p in files}

    def dispose(self):
        for service in self.services:
            service.dispose()


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    directory = tmp_path_factory.mktemp("temporal")
    temporal = TemporalDev(directory / "server")
    temporal.start()
    made = None
    try:
        made = Platform(directory, temporal)
        yield made
    finally:
        if made:
            made.dispose()
        temporal.stop()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return generated.pattern(tmp_path_factory.mktemp("clips") / "short.mp4", seconds=2)


class Refusing:
    """In the server's place: takes connections, closes them, and counts."""

    def __init__(self, port):
        self.count = 0
        self.listener = socket.create_server(("127.0.0.1", port), reuse_port=False)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.count += 1
            connection.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(30)


def gauge(service, name):
    for line in service.get("/metrics", "admin").text.splitlines():
        if line.startswith(name):
            return float(line.rsplit(" ", 1)[1])
    return None


def lines(service):
    """Without those that tell of requests, which this test makes itself."""
    log = service.log.read_text(errors="replace").splitlines()
    return sum('"event":"request"' not in line for line in log)


def is_ready(service, ready=True):
    return (service.readiness()[0] == 200) == ready


def test_videos_are_taken_in_while_temporal_is_away_and_processed_when_it_is_back(platform, clip):
    worker = platform.start_worker()
    asking = (platform.metadata, platform.workflow, worker)
    for service in asking:
        wait_until(lambda s=service: is_ready(s), PATIENCE_S, lambda s=service: s.tail())
    before = platform.take_in(clip)
    platform.api.wait_state(before, "READY", PATIENCE_S)
    under_way = platform.take_in(clip)
    wait_until(lambda: platform.status(under_way), PATIENCE_S, "its run has begun")

    platform.temporal.kill()
    began = {service: lines(service) for service in asking}
    instead = Refusing(platform.temporal.port)
    wait_until(lambda: is_ready(platform.workflow, False), PATIENCE_S, "it is not ready")
    status, listed = platform.workflow.readiness()
    assert (status, listed["temporal"][0]) == (503, "down")
    wait_until(lambda: gauge(platform.workflow, "vora_workflow_connected") == 0, PATIENCE_S, "0")
    assert platform.metadata.readiness()[1]["workflow_engine"][0] == "degraded"
    assert platform.metadata.readiness()[0] == 200
    while_away = platform.take_in(clip)
    counted = instead.count
    threading.Event().wait(AWAY_S)
    tried = instead.count - counted
    assert 0 < tried <= CONNECTIONS_MAX
    instead.close()
    assert platform.api.get(while_away)["state"] == "PROCESSING"

    platform.temporal.start()
    for video in (under_way, while_away):
        platform.api.wait_state(video, "READY", PATIENCE_S)
    for service in asking:
        wait_until(lambda s=service: is_ready(s), PATIENCE_S, lambda s=service: s.tail())
        assert lines(service) - began[service] <= LINES_MAX, service.tail(LINES_MAX)
    wait_until(lambda: gauge(platform.workflow, "vora_workflow_connected") == 1, PATIENCE_S, "1")
    print(f"connections in {AWAY_S} s: {tried}", {s.name: lines(s) - began[s] for s in asking})
    # Each video had one run, and it succeeded.
    for video in (before, under_way, while_away):
        wait_until(lambda v=video: platform.status(v) == "COMPLETED", PATIENCE_S, "its run ends")
        told = platform.tool("workflow", "describe", "-w", f"video-{video}-g2")
        assert told.returncode != 0
    assert worker.stop() == 0


def test_a_video_whose_run_was_ended_by_hand_fails(platform, clip):
    # No worker runs: the run waits for its first step.
    terminated = platform.take_in(clip)
    wait_until(lambda: platform.status(terminated) == "RUNNING", PATIENCE_S, "its run has begun")
    told = platform.tool("workflow", "terminate", "-w", f"video-{terminated}-g1", "--reason", "x")
    assert told.returncode == 0, told.stderr
    failed = platform.api.wait_state(terminated, "FAILED", PATIENCE_S)
    assert failed["error"]["code"] == "internal_error"

    # Of a run with a time limit, which only a hand can set, that is over.
    video = platform.api.create("limited")
    run = ("--workflow-id", f"video-{video['id']}-g1", "--execution-timeout", "1s")
    limited = ("--type", "ingest_video", "--task-queue", "vora", "--input", "{}")
    told = platform.tool("workflow", "start", *run, *limited)
    assert told.returncode == 0, told.stderr
    platform.send(video, clip)
    failed = platform.api.wait_state(video["id"], "FAILED", PATIENCE_S)
    assert failed["error"]["code"] == "internal_error"
    assert platform.status(video["id"]) == "TIMED_OUT"


def test_a_namespace_that_is_missing_is_named_with_what_to_do(platform):
    engine = f"temporal://{platform.temporal.address}/no-such-namespace"
    service = platform.start("workflow", **{"workflow.engine": engine})
    wait_until(lambda: "temporal_namespace_missing" in service.log.read_text(), PATIENCE_S, "said")
    status, listed = service.readiness()
    assert (status, listed["temporal"]) == (503, ("down", "temporal_namespace_missing"))
    log = service.log.read_text()
    assert "temporal operator namespace create -n no-such-namespace" in log
    assert service.stop() == 0
