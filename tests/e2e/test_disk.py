"""A disk that fills up: new work is refused while what runs can still end, and all of it goes on later."""

import pytest
import requests

from harness.api import TusUpload
from harness.operator import fill, small_disk
from harness.wait import wait_until
from media import generated

MIB = 1 << 20
LOW = 64 * MIB  # below half of it appends stop


@pytest.fixture
def small(tmp_path, make_vora):
    with small_disk(tmp_path / "disk", 256) as disk:
        server = make_vora(
            f"--limits.disk_free_min_bytes={LOW}", "--media.preset=ultrafast", data=disk / "data"
        ).start()
        yield server, disk
        server.dispose()


def disk_status(server):
    told = requests.get(server.url + "/readyz", timeout=10)
    assert told.status_code == 200, "playback and the API go on"
    return next(d for d in told.json()["dependencies"] if d["name"] == "disk")


def wait_for_disk(server, status):
    wait_until(lambda: disk_status(server)["status"] == status, 20, f"the disk is {status}")


def test_uploads_are_refused_before_the_disk_is_full_and_go_on_afterwards(small, tmp_path):
    server, disk = small
    source = generated.pattern(tmp_path / "clip.mp4", seconds=2)
    padded = source.read_bytes() + b"\0" * (20 * MIB)
    assert disk_status(server)["status"] == "ok"
    assert server.metric("vora_disk_free_bytes") > LOW
    assert server.metric("vora_disk_free_min_bytes") == LOW

    # Begun in time, half of it there.
    video = server.api.create("begun")
    upload = TusUpload(video["upload"]["url"], padded)
    upload.create()
    upload.send(until=9 * MIB)

    # Low: nothing new. What has begun goes on.
    other = server.api.create("another")
    ballast = fill(disk / "ballast", LOW - 4 * MIB)
    wait_for_disk(server, "degraded")
    assert disk_status(server)["detail"] == "disk_low"
    late = TusUpload(other["upload"]["url"], b"x" * 1000)
    refused = late.create(expect=507)
    assert refused.json()["code"] == "insufficient_storage"
    assert int(refused.headers["Retry-After"]) > 0
    upload.send(until=10 * MIB)

    # None: appends stop, and what was acknowledged stays.
    ballast.unlink()
    ballast = fill(disk / "ballast", LOW // 4)
    wait_until(lambda: disk_status(server)["detail"] == "disk_full", 20, "the disk is full")
    answer = upload.patch(upload.acknowledged, upload.read(upload.acknowledged, MIB))
    assert answer.status_code == 507 and "Retry-After" in answer.headers
    assert upload.offset() == 10 * MIB

    # Low again: the bytes come in, the encode waits and says so.
    ballast.unlink()
    ballast = fill(disk / "ballast", LOW - 2 * MIB)
    wait_until(lambda: disk_status(server)["detail"] == "disk_low", 20, "the disk is low")
    upload.send()
    server.api.complete(video["id"], upload.upload_id)
    wait_until(
        lambda: (
            (server.api.get(video["id"])["progress"] or {}).get("stage") == "waiting_for_disk_space"
        ),
        60,
        lambda: f"the encode waits: {server.api.get(video['id'])['progress']}",
    )
    assert server.metric("vora_worker_encodes_waiting_for_disk") == 1

    # Room: everything goes on by itself.
    ballast.unlink()
    wait_for_disk(server, "ok")
    server.api.wait_state(video["id"], "READY")
    late.create()
    assert server.stop() == 0


def test_a_file_larger_than_the_disk_is_refused_at_creation(small):
    server, _ = small
    video = server.api.create("huge")
    upload = TusUpload(video["upload"]["url"], b"x")
    upload.length = 300 * MIB
    assert upload.create(expect=507).json()["code"] == "insufficient_storage"
    upload.length = 100 * MIB
    upload.create()
