"""`./vora stack`: what an operator and a developer find behind its one address, and its verbs."""

import json
import os
import stat
import subprocess
import sys
import time
import tomllib

import pytest
import requests
from tools.stack.minio_admin import MinioAdmin

from harness import hls
from harness.platform import PROCESSES, environment, started
from harness.processes import alive
from harness.server import ROOT, binary, clean_environment
from harness.wait import wait_until
from media import generated


@pytest.fixture(scope="module")
def platform():
    with started() as made:
        yield made


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return generated.pattern(tmp_path_factory.mktemp("clips") / "clip.mp4", seconds=2)


def stack(directory, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "tools.stack.stack", *arguments, "--data", str(directory)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        env=environment(),
    )


def setting(platform, service, key):
    """A value of one service's file."""
    value = tomllib.loads((platform.directory / "config" / f"{service}.toml").read_text())
    for part in key.split("."):
        value = value[part]
    return value


def status_in_store(platform, service, method, path, body=b""):
    keys = (setting(platform, service, f"s3.{name}_key") for name in ("access", "secret"))
    return MinioAdmin(platform.env["VORA_S3_URL"], *keys).call(method, path, body)[0]


def test_its_files_say_what_runs_and_keep_secrets(platform):
    listed = json.loads((platform.directory / "stack.json").read_text())
    assert {entry["name"] for entry in listed} == set(PROCESSES)
    for entry in listed:
        assert set(entry) == {"name", "pid", "port", "command", "log"}
        assert alive(entry["pid"])
        assert os.path.exists(entry["log"])
    secret = [platform.directory / "api.token", platform.directory / "stack.env"]
    secret += (platform.directory / "config").glob("*.toml")
    for path in secret:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_video_goes_the_whole_way_and_its_bytes_pass_no_edge(platform, clip, tmp_path):
    video = platform.api.create("the whole way")
    uploads = next(e for e in platform.entries().values() if e["name"] == "upload")["port"]
    assert video["upload"]["url"].startswith(f"http://127.0.0.1:{uploads}/")
    ready = platform.api.upload_and_wait(clip)
    manifest = platform.api.playback(ready["id"])["manifest_url"]
    assert manifest.startswith(f"{platform.url}/play/")
    hls.check_playback(platform.api, ready, tmp_path, frames=50)
    thumbnail = platform.http.get(manifest.replace("master.m3u8", "thumbnail.jpg"), timeout=30)
    assert (thumbnail.status_code, thumbnail.content[:2]) == (200, b"\xff\xd8")
    assert thumbnail.headers["X-Cache"] in ("hit", "miss"), "it came through the cache"


def test_the_command_line_works_against_it_unchanged(platform, clip, tmp_path):
    done = subprocess.run(
        [binary(), "upload", str(clip), "--data", str(platform.directory), "--json", "--wait"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        env=clean_environment(XDG_STATE_HOME=str(tmp_path), HOME=str(tmp_path)),
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "READY"


def test_every_page_and_path_stands_behind_the_one_address(platform):
    ready = platform.http.get(platform.url + "/readyz", timeout=30)
    assert ready.status_code == 200
    assert "database" in {d["name"] for d in ready.json()["dependencies"]}
    video = platform.api.create("a page")["id"]
    for path in ("/", f"/watch/{video}", f"/embed/{video}"):
        page = platform.http.get(platform.url + path, timeout=30)
        assert page.status_code == 200, path
        assert page.headers["Content-Type"].startswith("text/html")
    wrong = platform.http.get(platform.url + "/v1/videos", timeout=30)
    assert wrong.status_code == 401
    assert wrong.headers["Content-Type"] == "application/problem+json"
    assert platform.http.get(platform.env["VORA_TEMPORAL_UI"], timeout=30).status_code == 200


def watch(platform):
    """Tells of four watched seconds, and waits until the figures show them."""
    video = platform.api.create("watched")["id"]
    events = [
        {"event_type": kind, "video_id": video, "session_id": "s", "seq": n, "value": value}
        for n, (kind, value) in enumerate([("play", 120), ("heartbeat", 4000)])
    ]
    sent = platform.http.post(platform.url + "/v1/events", json={"events": events}, timeout=30)
    assert sent.status_code == 204

    def counted():
        figures = platform.api.call("GET", f"/v1/analytics/videos/{video}", 200).json()
        return (figures["plays"], figures["watch_time_s"]) == (1, 4)

    wait_until(counted, 60, "the figures show it")


def test_what_is_watched_shows_in_the_figures(platform):
    watch(platform)


def test_each_service_may_do_only_what_it_is_for(platform):
    assert status_in_store(platform, "upload", "PUT", "/bucket-raw/probe", b"x") == 200
    assert status_in_store(platform, "upload", "PUT", "/bucket-processed/probe", b"x") == 403
    assert status_in_store(platform, "worker", "GET", "/bucket-raw/probe") == 200
    assert status_in_store(platform, "worker", "PUT", "/bucket-raw/probe", b"y") == 403
    assert status_in_store(platform, "worker", "PUT", "/bucket-processed/probe", b"x") == 200
    assert status_in_store(platform, "gateway", "GET", "/bucket-processed/probe") == 200
    assert status_in_store(platform, "gateway", "PUT", "/bucket-processed/probe", b"y") == 403
    assert status_in_store(platform, "gateway", "DELETE", "/bucket-processed/probe") == 403
    assert status_in_store(platform, "gateway", "GET", "/bucket-raw/probe") == 403
    assert status_in_store(platform, "upload", "DELETE", "/bucket-raw/probe") == 204
    assert status_in_store(platform, "worker", "DELETE", "/bucket-processed/probe") == 204

    figures = setting(platform, "dashboard", "events.engine")
    assert requests.post(figures, data=b"SELECT 1", timeout=30).status_code == 200
    dropped = requests.post(figures, data=b"DROP TABLE PlaybackEvents", timeout=30)
    assert dropped.status_code == 403, dropped.text

    files = {path.stem: path.read_text() for path in (platform.directory / "config").glob("*.toml")}
    assert {name for name, text in files.items() if "postgresql://" in text} == {"metadata"}


def test_status_tells_each_component(platform):
    told = stack(platform.directory, "status")
    assert told.returncode == 0, told.stdout + told.stderr
    lines = [line.split() for line in told.stdout.splitlines()]
    assert {"postgres", "temporal", "varnish", "worker"} <= {words[0] for words in lines if words}
    assert stack(platform.directory, "logs", "gateway", "-n", "3").stdout.count("\n") <= 3


def test_one_component_can_be_started_again(platform):
    before = platform.entries()["gateway"]
    done = stack(platform.directory, "restart", "gateway")
    assert done.returncode == 0, done.stderr
    platform.wait_back("gateway", before["pid"])
    assert platform.entries()["gateway"]["port"] == before["port"]
    platform.wait_all_up()


def test_mistakes_are_answered_with_what_to_do(platform, tmp_path):
    unknown = stack(platform.directory, "restart", "gatway")
    assert unknown.returncode != 0
    assert "gateway" in unknown.stderr
    second = stack(platform.directory, "up", "--listen", "127.0.0.1:0", "--no-open")
    assert second.returncode != 0
    assert str(platform.run["pid"]) in second.stderr
    elsewhere = stack(tmp_path / "nothing", "status")
    assert elsewhere.returncode != 0
    assert elsewhere.stderr.strip()
    assert "Traceback" not in elsewhere.stderr + second.stderr + unknown.stderr


def test_with_kafka_events_take_that_way_and_without_supervision_what_dies_stays_dead():
    with started("--kafka", "--no-supervise") as made:
        watch(made)
        assert made.env["VORA_KAFKA"].endswith(f":{made.entries()['kafka']['port']}")
        assert made.metric("analytics", "vora_analytics_events_consumed_total") > 0
        pid = made.kill("gateway")
        wait_until(lambda: made.entries()["gateway"]["state"] != "up", 60, "it is seen to be dead")
        told = stack(made.directory, "status")
        assert told.returncode == 1
        assert "gateway" in told.stderr
        assert stack(made.directory, "restart", "gateway").returncode == 0
        made.wait_back("gateway", pid)
        assert stack(made.directory, "status").returncode == 0


def test_stop_ends_everything_that_was_started():
    with started() as made:
        pids = [entry["pid"] for entry in made.entries().values()]
        begun = time.monotonic()
        done = stack(made.directory, "stop")
        assert done.returncode == 0, done.stderr
        wait_until(lambda: not any(alive(pid) for pid in pids), 60, "all have ended")
        print(f"stopped in {time.monotonic() - begun:.1f} s")
