"""`vora fsck`: what only one side knows is found, both ways, and mended; nothing else is touched."""

import os
import shutil
import sqlite3
import time
import uuid

import pytest

from harness.api import TusUpload
from harness.operator import fsck, vora_cli
from harness.server import running
from media.clips import clip


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """A data directory with one READY video and an upload that has begun; their ids."""
    with running(tmp_path_factory.mktemp("used"), ["--media.preset=ultrafast"]) as server:
        video = server.api.upload_and_wait(clip("tiny"))["id"]
        _, begun = server.api.upload(b"x" * 1000, complete=False, title="begun")
    return server.data, video


@pytest.fixture
def spoiled(used, tmp_path):
    """A copy of it to spoil, and the READY video's id."""
    copy = tmp_path / "data"
    shutil.copytree(used[0], copy)
    return copy, used[1]


def old(path):
    """As if it had lain there for a month."""
    month_ago = time.time() - 30 * 86400
    for p in [path, *path.rglob("*")] if path.is_dir() else [path]:
        os.utime(p, (month_ago, month_ago))
    return path


def write(path, data=b"bytes"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def execute(path, *statements):
    with sqlite3.connect(path) as db:
        for statement in statements:
            db.execute(statement)
    db.close()


def tree(data):
    return {p.relative_to(data) for p in (data / "store").rglob("*") if p.is_file()}


def kinds(report):
    return sorted(f["kind"] for f in report["findings"])


def mends(data, *expected):
    """A look finds these and changes nothing, a repair mends them all, and then nothing is left."""
    before = tree(data)
    code, report = fsck(data)
    assert (code, kinds(report)) == (1, sorted(expected)), report
    assert tree(data) == before and not any(f["repaired"] for f in report["findings"])
    code, report = fsck(data, "--repair")
    assert (code, kinds(report)) == (0, sorted(expected)), report
    assert fsck(data, "--all")[0] == 0, "nothing is left"
    return report["findings"]


def test_a_store_in_order_is_in_order(spoiled):
    data, _ = spoiled
    before = tree(data)
    for flags in ((), ("--all",), ("--repair", "--all")):
        code, report = fsck(data, *flags)
        assert (code, report["findings"]) == (0, [])
        assert (report["videos"], report["uploads"]) == (2, 2) and report["objects"] > 5
    assert tree(data) == before


def test_orphans_of_both_buckets_are_found_when_they_are_old(spoiled):
    data, _ = spoiled
    store = data / "store"
    places = [
        store / "bucket-raw" / os.urandom(16).hex(),
        store / "bucket-raw" / "not-an-upload",
        store / "bucket-processed" / str(uuid.uuid4()),
        store / "bucket-processed" / "stray",
    ]
    for place in places:
        write(place / "some" / "object.bin", b"x" * 1000)
    code, report = fsck(data)
    assert (code, report["findings"], report["young"]) == (0, [], 4), "they may yet be needed"
    assert len(fsck(data, "--all")[1]["findings"]) == 4
    for place in places:
        old(place)
    before = tree(data)
    mends(data, "orphan_media", "orphan_media", "orphan_upload", "orphan_upload")
    gone = before - tree(data)
    assert {str(p).split("/")[2] for p in gone} == {p.name for p in places}


def test_bytes_of_a_video_that_no_database_knows_are_removed(spoiled):
    data, video = spoiled
    old(data / "store")
    execute(
        data / "db" / "metadata.sqlite",
        f"DELETE FROM Uploads WHERE video_id = '{video}'",
        f"DELETE FROM Outbox WHERE video_id = '{video}'",
        f"DELETE FROM Videos WHERE id = '{video}'",
    )
    mends(data, "orphan_upload", "orphan_media")
    assert not list((data / "store" / "bucket-processed").glob("*/*"))


@pytest.mark.parametrize("spoil", ["missing", "short", "no_playlist", "no_master"])
def test_a_ready_video_whose_media_are_lost_becomes_failed(spoiled, make_vora, spoil):
    data, video = spoiled
    media = data / "store" / "bucket-processed" / video
    segment = sorted(media.glob("*/seg_*.ts"))[0]
    if spoil == "missing":
        segment.unlink()
    elif spoil == "short":
        write(segment, segment.read_bytes()[:-188])
    else:
        (
            segment.parent / "playlist.m3u8" if spoil == "no_playlist" else media / "master.m3u8"
        ).unlink()
    code, report = fsck(data)
    assert (code, kinds(report)) == (1, ["lost_media"])
    assert report["findings"][0]["subject"] == video
    assert fsck(data, "--repair")[0] == 0
    if spoil != "missing":
        return
    server = make_vora(data=data).start()
    now = server.api.get(video)
    assert (now["state"], now["error"]["code"]) == ("FAILED", "internal_error")
    assert now["manifest_url"] is None and now["playable_at"] is None
    server.api.call("POST", f"/v1/videos/{video}/playback", 409, json={})


def test_a_video_whose_run_is_lost_is_ended(spoiled):
    data, video = spoiled
    execute(
        data / "db" / "metadata.sqlite",
        f"UPDATE Videos SET state = 'PROCESSING', playable_at = NULL, settled_at = NULL WHERE id = '{video}'",
    )
    assert fsck(data)[0] == 0, "its run is known: the server settles it"
    execute(
        data / "db" / "workflow.sqlite", f"DELETE FROM runs WHERE workflow_id LIKE 'video-{video}%'"
    )
    code, report = fsck(data, "--repair")
    assert (code, kinds(report)) == (0, ["lost_run"]) and report["findings"][0]["repaired"]
    with sqlite3.connect(data / "db" / "metadata.sqlite") as db:
        state = db.execute(f"SELECT state FROM Videos WHERE id = '{video}'").fetchone()[0]
    db.close()
    assert state == "FAILED"


def test_what_dead_processes_left_half_written_is_removed(spoiled):
    data, _ = spoiled
    raw = data / "store" / "bucket-raw"
    write(raw / ".tmp" / "999999.abc.1", b"x" * 5000)
    gone = os.urandom(16).hex()
    write(raw / ".multipart" / "id" / "meta", f"{gone}/original.mp4\n8388608\n".encode())
    write(raw / ".multipart" / "id" / "data", b"x" * 9000)
    write(data / "scratch" / "job-1" / "frame.ts")
    mends(data, "stale_part", "stale_part", "stale_scratch")
    assert not list((raw / ".tmp").iterdir()) and not list((data / "scratch").iterdir())


def test_it_does_not_look_at_what_somebody_is_changing(vora, tmp_path):
    done = vora_cli("fsck", "--data", vora.data)
    assert done.returncode == 2 and str(vora.process.pid) in done.stderr
    done = vora_cli("fsck", "--data", tmp_path / "nothing")
    assert done.returncode == 2 and not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("point", ["upload.part_durable", "worker.before_publish"])
def test_after_a_kill_and_a_new_start_nothing_is_left_over(make_vora, point):
    server = make_vora("--media.preset=ultrafast").start(VORA_FAULT_POINT=point)
    video = server.api.create("killed")
    upload = TusUpload(video["upload"]["url"], clip("tiny"))
    upload.create()
    try:
        upload.send()
    except OSError:
        pass  # requests' errors are: the server is gone
    server.wait_killed(60)
    assert fsck(server.data)[0] in (0, 1), "it can look at once"
    server.start()
    upload.move_to(server.url)
    if upload.offset() < upload.length:
        upload.send()
    server.api.complete(video["id"], upload.upload_id)
    server.api.wait_state(video["id"], "READY")
    assert server.stop() == 0
    code, report = fsck(server.data, "--all")
    assert (code, report["findings"]) == (0, [])
