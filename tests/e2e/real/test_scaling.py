"""A stack with two of each: both of them work, and one that stood still and goes on does no harm."""

import os
import signal

import pytest

from harness.journeys import Clip, Events, Journey, Undisturbed, decoded
from harness.platform import SAME_PICTURES, started
from harness.processes import descendants
from harness.wait import wait_until

TWICE = ("worker", "metadata", "gateway", "upload")


@pytest.fixture(scope="module")
def platform():
    scale = ",".join(f"{name}=2" for name in TWICE)
    with started("--scale", scale, SAME_PICTURES, "--media.preset=slow") as made:
        yield made


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    directory = tmp_path_factory.mktemp("clips")
    return [Clip(directory, number) for number in (1, 2)]


@pytest.fixture(scope="module")
def undisturbed(platform, clips, tmp_path_factory):
    return Undisturbed(platform, clips, tmp_path_factory.mktemp("decoded"))


def both(name):
    return (name, f"{name}-2")


def counts(platform, name, metric, **labels):
    return [platform.metric(each, metric, **labels) for each in both(name)]


def log(platform, name):
    return (platform.directory / "log" / f"{name}.log").read_text(errors="replace")


def test_everything_works_at_once_and_both_of_each_have_their_part(platform, clips, undisturbed):
    with Events(platform) as events:
        journeys = [Journey(platform, clip).create().begin() for clip in clips * 3]
        for journey in journeys:
            journey.send().tell()
        for journey in journeys:
            journey.wait_state("READY")
        events.stop()
    for journey in journeys:
        undisturbed.check(platform, journey)
        assert not journey.refusals
    events.check()
    assert not events.unknown
    assert all(counts(platform, "metadata", "vora_http_requests_total", method="POST"))
    assert all(counts(platform, "gateway", "vora_gateway_answers_total", status="2xx"))
    assert all(counts(platform, "upload", "vora_upload_received_bytes_total"))
    for worker in both("worker"):
        assert '"activity_completed"' in log(platform, worker), f"{worker} has done nothing"


def test_a_worker_that_stood_still_and_goes_on_writes_nothing_and_changes_nothing(
    platform, clips, tmp_path
):
    clip = Clip(tmp_path, 3, seconds=4, padding=1 << 10, size="640x360")
    journey = Journey(platform, clip).create().begin()
    marks = {worker: len(log(platform, worker)) for worker in both("worker")}

    def encoding_worker():
        for worker in both("worker"):
            if "ffmpeg" in descendants(platform.pid(worker)).values():
                return worker
        return None

    journey.send().tell()
    stopped = wait_until(encoding_worker, 60, "it is being encoded", 0.01)
    (other,) = set(both("worker")) - {stopped}
    pid = platform.pid(stopped)
    os.kill(pid, signal.SIGSTOP)
    try:
        assert journey.look()["state"] == "PROCESSING", "it was stopped too late"
        ready = journey.wait_state("READY")
        written = platform.written(ready["id"])
        frames = decoded(platform, ready["id"], tmp_path)
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(
        lambda: '"activity_attempt_failed"' in log(platform, stopped)[marks[stopped] :],
        60,
        lambda: f"its attempt is over\n{platform.tail(stopped)}",
    )
    assert platform.pid(stopped) == pid, "it goes on"
    assert platform.written(ready["id"]) == written
    assert journey.look() == ready
    assert decoded(platform, ready["id"], tmp_path) == frames
    assert platform.runs(ready["id"]) == ["COMPLETED"]
    assert '"type":"encode","attempt":2' in log(platform, other), "the other one took over"
    # And it works: sooner or later something is its to do.
    resumed = len(log(platform, stopped))
    wait_until(
        lambda: (
            Journey(platform, clips[0]).whole_way().wait_state("READY")
            and '"activity_completed"' in log(platform, stopped)[resumed:]
        ),
        120,
        lambda: f"it has completed something\n{platform.tail(stopped)}",
    )
    platform.wait_all_up()
