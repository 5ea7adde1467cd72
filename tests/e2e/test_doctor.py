"""`vora doctor` and `vora config`: each fault is made for real, and named with its cause and remedy."""

import fcntl
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import time

import pytest

from harness.operator import doctor, fill, need_root, program, read_only, small_disk, vora_cli
from harness.server import running
from harness.wait import wait_until


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """A data directory that a server has used and left."""
    with running(tmp_path_factory.mktemp("used")) as server:
        server.api.create("something")
    return server.data


@pytest.fixture
def data(used, tmp_path):
    """A copy of it to spoil."""
    copy = tmp_path / "data"
    shutil.copytree(used, copy)
    copy.chmod(0o700)
    return copy


def test_nothing_is_found_where_nothing_is_wrong(vora, data, tmp_path):
    assert doctor(data) == {}
    assert doctor(vora.data) == {}, "beside a running server"
    assert doctor(tmp_path / "not yet") == {}, "before the first start"
    assert not (tmp_path / "not yet").exists(), "it only looks"
    text = vora_cli("doctor", "--data", vora.data)
    assert text.returncode == 0 and f"process {vora.process.pid}" in text.stdout, text.stdout


def test_a_disk_that_fills_up_is_named_before_and_after(used, tmp_path):
    with small_disk(tmp_path / "disk", 64) as disk:
        data = disk / "data"
        shutil.copytree(used, data)
        assert doctor(data) == {}
        ballast = fill(disk / "ballast", 2 << 20)
        low = doctor(data)
        assert list(low) == ["disk_low"] and "2.0 MiB of 64.0 MiB" in low["disk_low"]["why"]
        ballast.unlink()
        fill(disk / "ballast", 0)
        full = doctor(data)
        assert "disk_full" in full and "free space" in full["disk_full"]["remedy"]


def test_a_port_that_is_taken_is_named_with_its_holder(data):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        found = doctor(data, listen=f"127.0.0.1:{port}")
    assert list(found) == ["port_in_use"]
    assert str(port) in found["port_in_use"]["what"]
    assert f"process {os.getpid()} " in found["port_in_use"]["why"]


def test_a_missing_ffmpeg_is_named(data, tmp_path):
    found = doctor(data, f"--media.ffmpeg={tmp_path}/nowhere/ffmpeg")
    assert list(found) == ["ffmpeg_missing"] and "install" in found["ffmpeg_missing"]["remedy"]
    found = doctor(data, environment={"PATH": str(tmp_path)})
    assert list(found) == ["ffmpeg_missing"] and "PATH" in found["ffmpeg_missing"]["why"]


@pytest.mark.parametrize(
    "script, code",
    [
        ("echo 'ffmpeg version 4.1.11-0+deb10u1 Copyright (c)'", "ffmpeg_too_old"),
        (
            "[ \"$2\" = -version ] && echo 'ffmpeg version 5.1.9 x' || echo ' A..... aac AAC'",
            "ffmpeg_without_libx264",
        ),
        (
            "[ \"$2\" = -version ] && echo 'ffmpeg version n7.1 x' || echo ' V..... libx264 H'",
            "ffmpeg_without_aac",
        ),
        ("exit 3", "ffmpeg_broken"),
    ],
)
def test_an_ffmpeg_that_will_not_do_is_named(data, tmp_path, script, code):
    fake = program(tmp_path / "ffmpeg", script)
    assert list(doctor(data, f"--media.ffmpeg={fake}")) == [code]


def test_a_store_that_is_read_only_is_named(data):
    with read_only(data / "store" / "bucket-raw"):
        found = doctor(data)
    assert list(found) == ["read_only"]
    assert "bucket-raw" in found["read_only"]["what"] and "mount" in found["read_only"]["remedy"]


@pytest.mark.parametrize(
    "file, check", [("metadata", "database"), ("workflow", "workflow_database")]
)
def test_a_locked_database_is_named_with_its_holder(data, file, check):
    holder = sqlite3.connect(data / "db" / f"{file}.sqlite")
    holder.execute("BEGIN EXCLUSIVE")
    try:
        found = doctor(data)
    finally:
        holder.close()
    assert list(found) == ["database_locked"] and found["database_locked"]["check"] == check
    assert f"{os.getpid()} " in found["database_locked"]["why"]


@pytest.mark.parametrize(
    "file, change",
    [
        ("metadata", "UPDATE schema_version SET version = 999"),
        ("workflow", "PRAGMA user_version = 999"),
    ],
)
def test_a_database_of_a_newer_program_is_named(data, file, change):
    with sqlite3.connect(data / "db" / f"{file}.sqlite") as db:
        db.execute(change)
    db.close()
    found = doctor(data)
    assert list(found) == ["database_too_new"] and "999" in found["database_too_new"]["why"]


@pytest.mark.parametrize("offset", [0, 4096])
def test_a_damaged_database_is_named(data, offset):
    path = data / "db" / "metadata.sqlite"
    for extra in ("-wal", "-shm"):
        pathlib.Path(f"{path}{extra}").unlink(missing_ok=True)
    with open(path, "r+b") as f:
        f.seek(offset)
        f.write(b"\xa5" * 4096)
    found = doctor(data)
    assert list(found) == ["database_damaged"]
    assert "backup" in found["database_damaged"]["remedy"]


def test_a_clock_that_was_set_back_is_named(data):
    later = time.time() + 3 * 86400
    os.utime(data / "api.token", (later, later))
    found = doctor(data)
    assert list(found) == ["clock_wrong"] and "api.token" in found["clock_wrong"]["why"]
    assert "2 days" in found["clock_wrong"]["why"]


def test_keys_that_others_can_read_are_named(data):
    (data / "keys" / "grants.json").chmod(0o644)
    found = doctor(data)
    assert list(found) == ["key_readable_by_others"]
    assert found["key_readable_by_others"]["remedy"].startswith("chmod 600")


def test_a_directory_of_another_user_is_named(data):
    need_root()
    os.chown(data, 65534, 65534)
    found = doctor(data)
    assert list(found) == ["wrong_owner"] and "nobody" in found["wrong_owner"]["what"]


def test_a_damaged_key_is_named(data):
    (data / "keys" / "issuer.pem").write_text("no key at all\n")
    assert list(doctor(data)) == ["key_damaged"]


def test_a_server_that_was_killed_and_one_whose_lock_lives_on_are_told_apart(own_vora):
    pid = own_vora.process.pid
    own_vora.kill()
    found = doctor(own_vora.data)
    assert list(found) == ["server_died"] and str(pid) in found["server_died"]["why"]
    with open(own_vora.data / "lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = doctor(own_vora.data)
    assert list(found) == ["lock_left_behind"]
    assert str(os.getpid()) in found["lock_left_behind"]["remedy"]


def test_what_the_running_server_lacks_is_named(make_vora):
    away = {"VORA_EVENTS_ENGINE": "http://127.0.0.1:1"}
    server = make_vora("--media.ffmpeg=/nowhere/ffmpeg", environment=away).start()
    found = doctor(server.data)
    assert {p["check"] for p in found.values()} == {"ffmpeg", "event_engine"}, found
    # The server's own view, of a thing that cannot be seen from outside.
    assert all("server says" in p["what"] for p in found.values())


def test_every_mistake_in_the_configuration_is_named(data):
    (data / "vora.toml").write_text("[limits]\nduration_max_s = -5\n\n[upload]\nsize_maxx = 1\n")
    done = vora_cli("doctor", "--data", data, "--json", "--listen", "127.0.0.1:0", "--raw.x=1")
    problems = json.loads(done.stdout)["problems"]
    assert done.returncode == 1 and {p["check"] for p in problems} == {"config"}
    said = "\n".join(p["why"] for p in problems)
    assert "vora.toml line 2" in said and "vora.toml line 5" in said and "raw.x" in said


def test_config_check_tells_all_mistakes_and_config_show_where_values_come_from(data):
    assert vora_cli("config", "check", "--data", data).returncode == 0
    (data / "vora.toml").write_text(
        "[limits]\nduration_max_s = 5\nnonsense = 1\n[upload]\nexpiry_s = 'x'\n"
    )
    environment = {
        "VORA_RAW_RETENTION_S": "60",
        "VORA_EVENTS_ENGINE": "clickhouse://ann:s3cret@127.0.0.1:1",
    }
    checked = vora_cli("config", "check", "--data", data, environment=environment)
    assert checked.returncode == 1
    assert "limits.nonsense" in checked.stderr and "vora.toml line 3" in checked.stderr
    assert "upload.expiry_s" in checked.stderr and "vora.toml line 5" in checked.stderr
    shown = vora_cli(
        "config", "show", "--data", data, "--json", "--log.level=warn", environment=environment
    )
    entries = {e["key"]: e for e in json.loads(shown.stdout)}
    origin = {key: (entries[key]["value"], entries[key]["source"]) for key in entries}
    assert origin["limits.duration_max_s"] == ("5", "vora.toml")
    assert origin["raw.retention_s"] == ("60", "environment")
    assert origin["log.level"] == ("warn", "flag")
    assert origin["limits.pixels_max"][1] == "default"
    assert "s3cret" not in shown.stdout
    assert all(e["help"] for e in entries.values())


def test_help_lists_every_key(vora):
    keys = [e["key"] for e in json.loads(vora_cli("config", "show", "--json").stdout)]
    assert len(keys) > 30
    for words in (("config", "--help"), ("up", "--help")):
        text = vora_cli(*words).stdout
        assert all(key in text for key in keys)


def test_a_demo_is_uploaded_once_for_a_data_directory(make_vora):
    server = make_vora("--demo", "--media.preset=ultrafast").start()
    marker = server.data / "demo.json"

    def uploaded():
        return marker.exists() and server.log_path("out").read_text().count("/watch/")

    wait_until(uploaded, 60, lambda: f"the demo is uploaded\n{server.tail()}")
    video = json.loads(marker.read_text())["video_id"]
    assert f"{server.url}/watch/{video}" in server.log_path("out").read_text()
    ready = server.api.wait_state(video, "READY")
    assert ready["duration_s"] == pytest.approx(10, abs=0.2) and ready["visibility"] == "public"
    assert server.stop() == 0
    server.start()
    assert [v["id"] for v in server.api.all_videos()] == [video]
    os.kill(server.process.pid, signal.SIGTERM)
    assert server.process.wait(20) == 0
    assert "/watch/" not in server.log_path("out").read_text()
