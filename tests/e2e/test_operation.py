"""Starting, stopping, watching: what someone who runs Vora meets."""

import json
import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess

import pytest
import requests

from harness import processes
from harness.api import Api, TusUpload
from harness.server import binary, clean_environment
from harness.wait import wait_until
from media.clips import clip


def refuses_to_start(server, listen="127.0.0.1:0", **environment):
    """Starts it, expects it to give up by itself, and returns what it said."""
    server.start(listen=listen, wait=False, **environment)
    code = server.process.wait(20)
    assert code != 0, "it ended as if all were well"
    assert code > 0, f"it died of signal {-code}"
    return server.tail(200)


# -- starting -----------------------------------------------------------------------------------------


def test_the_first_start_makes_its_files_and_keeps_secrets_to_itself(vora):
    run = json.loads((vora.data / "run.json").read_text())
    assert run["pid"] == vora.process.pid
    assert {"http", "admin", "grpc"} >= {k for k in run if k != "pid"} >= {"http", "admin"}
    token = vora.data / "api.token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert len(vora.token.split(".")) == 3
    private = [p for p in (vora.data / "keys").rglob("*") if p.is_file()]
    assert private and all(stat.S_IMODE(p.stat().st_mode) == 0o600 for p in private)
    assert stat.S_IMODE(vora.data.stat().st_mode) == 0o700, "nobody else looks into DIR"
    for path in vora.data.rglob("*"):
        assert not stat.S_IMODE(path.lstat().st_mode) & 0o022, f"{path} can be written by others"


def test_a_link_with_a_one_time_token_is_printed(vora):
    out = vora.log_path("out").read_text()
    assert re.search(rf"{re.escape(vora.url)}/\?token=\S+", out), out


def test_health_is_told_with_every_dependency(vora):
    assert requests.get(vora.url + "/livez", timeout=5).status_code == 200
    ready = requests.get(vora.url + "/readyz", timeout=5)
    assert ready.status_code == 200
    told = {d["name"]: d["status"] for d in ready.json()["dependencies"]}
    wanted = ("database", "workflow_engine", "raw_store", "processed_store", "ffmpeg")
    assert told == {**told, **dict.fromkeys(wanted, "ok")}


def test_metrics_are_on_the_admin_address_only(vora):
    metrics = requests.get(vora.admin_url + "/metrics", timeout=5)
    assert metrics.status_code == 200 and "# TYPE vora_" in metrics.text
    assert requests.get(vora.url + "/metrics", timeout=5).status_code == 404
    address, port = vora.admin_url.split("://")[1].rstrip("/").rsplit(":", 1)
    assert address == "127.0.0.1" and int(port) != vora.address[1]
    samples = [line for line in metrics.text.splitlines() if line and not line.startswith("#")]
    assert all(re.match(r"^[a-z_][a-zA-Z0-9_]*(\{.*\})? [-+0-9.eEIinfNa]+$", s) for s in samples)


def test_a_second_start_on_the_same_data_says_who_holds_it(own_vora, make_vora):
    said = refuses_to_start(make_vora(data=own_vora.data))
    assert str(own_vora.process.pid) in said and str(own_vora.data) in said
    assert own_vora.running()
    assert own_vora.api.call("GET", "/v1/videos").status_code == 200
    assert json.loads((own_vora.data / "run.json").read_text())["pid"] == own_vora.process.pid


def test_a_port_that_is_taken_is_said_plainly(make_vora):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        said = refuses_to_start(make_vora(), f"127.0.0.1:{port}")
    assert str(port) in said and "use" in said.lower()


@pytest.mark.parametrize("where", ["flag", "environment", "file"])
def test_an_unknown_configuration_key_is_named(make_vora, where):
    if where == "flag":
        said = refuses_to_start(make_vora("--limits.duration_maxx_s=5"))
    elif where == "environment":
        said = refuses_to_start(make_vora(), VORA_LIMITS_DURATION_MAXX_S="5")
    else:
        server = make_vora()
        server.data.mkdir()
        (server.data / "vora.toml").write_text("[limits]\nduration_maxx_s = 5\n")
        said = refuses_to_start(server)
    assert "duration_maxx_s" in said.lower()
    assert "duration_max_s" in said, "the nearest known key is named"


@pytest.mark.parametrize("value", ["x", "-1", "5.5.5", ""])
def test_a_configuration_value_that_makes_no_sense_is_named(make_vora, value):
    said = refuses_to_start(make_vora(f"--limits.duration_max_s={value}"))
    assert "limits.duration_max_s" in said


@pytest.mark.parametrize("listen", ["nonsense", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:x"])
def test_an_address_that_is_none_is_named(make_vora, listen):
    assert listen in refuses_to_start(make_vora(), listen)


def test_configuration_comes_from_file_environment_and_flag_in_that_order(make_vora):
    server = make_vora("--upload.size_max_bytes=3000")
    server.data.mkdir()
    (server.data / "vora.toml").write_text("[upload]\nsize_max_bytes = 1000\n")
    for environment, expected in (({}, "3000"), ({"VORA_UPLOAD_SIZE_MAX_BYTES": "2000"}, "3000")):
        server.start(**environment)
        assert (
            requests.options(server.url + "/files/", timeout=5).headers["Tus-Max-Size"] == expected
        )
        assert server.stop() == 0
    server.arguments = []
    for environment, expected in (({"VORA_UPLOAD_SIZE_MAX_BYTES": "2000"}, "2000"), ({}, "1000")):
        server.start(**environment)
        assert (
            requests.options(server.url + "/files/", timeout=5).headers["Tus-Max-Size"] == expected
        )
        assert server.stop() == 0


def test_a_data_directory_that_cannot_be_written_is_said_plainly(make_vora, tmp_path):
    blocked = tmp_path / "a-file"
    blocked.write_text("not a directory")
    said = refuses_to_start(make_vora(data=blocked))
    assert str(blocked) in said


def test_a_missing_ffmpeg_is_told_and_leaves_uploads_and_playback_ready(make_vora, tmp_path):
    server = make_vora(f"--media.ffmpeg={tmp_path / 'no-ffmpeg'}").start()
    told = requests.get(server.url + "/readyz", timeout=5).json()["dependencies"]
    assert [d["status"] for d in told if d["name"] == "ffmpeg"] == ["degraded"]
    assert b"no-ffmpeg" in log_of(server), "the log names what was looked for"


# -- stopping and starting again ----------------------------------------------------------------------


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly(make_vora, sent):
    server = make_vora().start()
    server.api.upload_and_wait(clip("tiny"))
    children = processes.descendants(server.process.pid)
    server.process.send_signal(sent)
    assert server.process.wait(20) == 0
    assert not [pid for pid in children if processes.alive(pid)]
    with pytest.raises(requests.ConnectionError):
        requests.get(server.url + "/livez", timeout=5)


def test_it_stops_while_it_encodes_and_goes_on_after_the_next_start(make_vora, inputs):
    server = make_vora().start()
    video, _ = server.api.upload(inputs("repeated", "bunny", 20))
    wait_until(lambda: encoders(server), 30, "ffmpeg runs")
    assert server.stop() == 0
    server.start()
    assert server.api.wait_state(video["id"], "READY")["generation"] == 1


def test_tokens_upload_urls_and_grants_outlive_a_restart_on_another_port(make_vora):
    server = make_vora().start()
    token, first = server.token, server.address
    video = server.api.create("over a restart")
    upload = TusUpload(video["upload"]["url"], clip("tiny"))
    upload.create()
    upload.send(until=3000)
    assert server.stop() == 0
    server.start()
    if server.address == first:  # the kernel may give the same port again
        assert server.stop() == 0
        with socket.create_server(first):
            server.start()
    assert server.token == token, "the token of the first start stays"
    upload.move_to(server.url)
    assert upload.offset() == 3000
    upload.send()
    assert Api(server.url, token).wait_state(video["id"], "READY")


def test_a_stale_run_file_of_a_killed_server_stops_nobody(make_vora):
    server = make_vora().start()
    server.kill()
    assert (server.data / "run.json").exists()
    server.start()
    assert server.stop() == 0
    assert not (server.data / "run.json").exists(), "a clean end leaves no run.json"


# -- children ------------------------------------------------------------------------------------------


def encoders(server):
    children = processes.descendants(server.process.pid)
    return [pid for pid, name in children.items() if name.startswith("ffmpeg")]


def test_children_die_with_their_parent_whatever_kills_it(make_vora, inputs):
    server = make_vora().start()
    server.api.upload(inputs("repeated", "bunny", 20))
    pids = wait_until(lambda: encoders(server), 30, "ffmpeg runs")
    server.kill()
    wait_until(lambda: not any(map(processes.alive, pids)), 5, "ffmpeg dies with its parent")


def test_a_stray_of_an_earlier_run_is_ended_before_its_files_are_touched(make_vora, inputs):
    server = make_vora().start()
    video, _ = server.api.upload(inputs("repeated", "bunny", 20))
    pid = wait_until(lambda: encoders(server), 30, "ffmpeg runs")[0]
    place = processes.working_directory(pid)
    assert place.startswith(str(server.data)), "a job works in a directory of its own under DIR"
    server.kill()
    os.makedirs(place, exist_ok=True)
    with subprocess.Popen(["sleep", "600"], cwd=place) as stray:
        try:
            server.start()
            assert stray.wait(5) == -signal.SIGKILL
        finally:
            stray.kill()
    assert server.api.wait_state(video["id"], "READY")
    assert processes.inside(place) == [] and not os.path.exists(place)


def test_an_encoder_that_is_killed_is_started_again(make_vora, inputs):
    server = make_vora().start()
    video, _ = server.api.upload(inputs("repeated", "bunny", 20))
    for pid in wait_until(lambda: encoders(server), 30, "ffmpeg runs"):
        os.kill(pid, signal.SIGKILL)
    final = server.api.wait_state(video["id"], "READY")
    assert final["error"] is None


def test_an_encoder_sees_neither_secrets_nor_the_callers_environment(make_vora, inputs):
    server = make_vora().start(SOME_SECRET="do-not-pass-on")
    video, _ = server.api.upload(inputs("repeated", "bunny", 20))
    pid = wait_until(lambda: encoders(server), 30, "ffmpeg runs")[0]
    with open(f"/proc/{pid}/environ", "rb") as f:
        environment = f.read()
    with open(f"/proc/{pid}/cmdline", "rb") as f:
        command = f.read()
    assert b"do-not-pass-on" not in environment and b"VORA" not in environment
    assert video["title"].encode() not in command and b"http" not in command
    assert b"-format_whitelist" in command and b"-protocol_whitelist" in command
    server.api.delete(video["id"])
    wait_until(lambda: not processes.alive(pid), 30, "the job of a deleted video is ended")


# -- what is written down ---------------------------------------------------------------------------


def log_of(server):
    return b"".join(p.read_bytes() for p in (server.data / "log").rglob("*") if p.is_file())


def test_no_secret_is_in_any_log(make_vora):
    server = make_vora().start()
    api = server.api
    minted = subprocess.run(
        [
            binary(),
            "token",
            "--data",
            server.data,
            "--subject",
            "s",
            "--scope",
            "edit",
            "--ttl",
            "1h",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
        env=clean_environment(),
    ).stdout.strip()
    video, upload = api.as_token(minted).upload(clip("tiny"))
    api.wait_state(video["id"], "READY")
    manifest = api.playback(video["id"])["manifest_url"]
    requests.get(manifest, timeout=5)
    requests.get(manifest + "x", timeout=5)
    requests.get(f"{server.url}/v1/videos?token={server.token}", timeout=5)
    Api(server.url, "wrong-but-secret").call("GET", "/v1/videos")
    link = re.search(r"/\?token=(\S+)", server.log_path("out").read_text())
    requests.get(f"{server.url}/?token={link[1]}", timeout=5, allow_redirects=False)
    upload_grant = video["upload"]["headers"]["Authorization"].split(" ")[1]
    assert server.stop() == 0
    secrets = {
        "the api token": server.token,
        "a minted token": minted,
        "a wrong token": "wrong-but-secret",
        "an upload grant": upload_grant,
        "its form in the URL": upload.location.split("grant=")[1],
        "a playback grant": manifest.split("/play/")[1].split("/")[0],
        "the one-time token, after its link was printed": link[1],
    }
    for path in (server.data / "keys").rglob("*"):
        for line in path.read_text(errors="replace").splitlines():
            for word in re.findall(r"[A-Za-z0-9+/=_-]{32,}", line):
                secrets[f"a word of {path.name}"] = word
    logs = {"log": log_of(server), "stderr": server.log_path("err").read_bytes()}
    out = server.log_path("out").read_bytes()
    assert len(logs["log"]) > 1000, "there is a log to look at"
    for name, secret in secrets.items():
        for where, text in logs.items():
            assert secret.encode() not in text, f"{name} is in {where}"
        if not name.startswith("the one-time"):
            assert secret.encode() not in out, f"{name} is on stdout"


def test_every_log_line_is_json_and_requests_carry_their_id(vora):
    answer = vora.api.call("GET", "/v1/videos", 200, headers={"X-Request-Id": "find-me-again.1"})
    assert answer.headers["X-Request-Id"] == "find-me-again.1"
    strange = vora.api.call("GET", "/v1/videos", 200, headers={"X-Request-Id": "a b<c>"})
    assert strange.headers["X-Request-Id"] not in ("a b<c>", "")
    lines = wait_until(
        lambda: [x for x in log_of(vora).splitlines() if b"find-me-again.1" in x],
        10,
        "the line is there",
    )
    assert json.loads(lines[0])
    for line in log_of(vora).splitlines()[:-1]:
        json.loads(line)


def test_the_databases_are_sound_after_use(make_vora):
    server = make_vora().start()
    server.api.upload_and_wait(clip("tiny"))
    server.kill()
    server.start()
    assert server.stop() == 0
    found = databases(server.data)
    assert found
    for path in found:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",), path
            assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",), path


def databases(data):
    found = []
    for path in data.rglob("*"):
        if path.is_file() and path.stat().st_size >= 16:
            with open(path, "rb") as f:
                if f.read(16) == b"SQLite format 3\x00":
                    found.append(path)
    return found


def test_an_idle_server_rests(own_vora):
    """Less than 2 % of a core over two seconds with nothing to do."""

    def cpu_ticks():
        with open(f"/proc/{own_vora.process.pid}/stat", encoding="utf-8") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    own_vora.api.upload_and_wait(clip("tiny"))
    before = cpu_ticks()
    with pytest.raises(subprocess.TimeoutExpired):
        own_vora.process.wait(2)
    assert cpu_ticks() - before <= 0.04 * os.sysconf("SC_CLK_TCK") + 2


# -- configuration that changes what happens ------------------------------------------------------------


def test_every_key_of_the_contract_is_known(make_vora):
    server = make_vora(
        "--limits.duration_max_s=3600",
        "--limits.pixels_max=8294400",
        "--limits.cpu_factor_max=50",
        "--upload.size_max_bytes=1000000000",
        "--upload.expiry_s=86400",
        "--upload.object_name=source.bin",
        "--raw.retention_s=604800",
        "--media.ffmpeg=ffmpeg",
        "--workflow.retry_budget_s=600",
    ).start()
    _, upload = server.api.upload(clip("tiny"), complete=False)
    assert (server.raw(upload.upload_id) / "source.bin").exists()
    assert server.stop() == 0


def test_public_addresses_are_those_that_are_configured(make_vora):
    server = make_vora(
        "--public_urls.api=https://api.example",
        "--public_urls.upload=https://up.example/u",
        "--public_urls.play=https://play.example",
    ).start()
    video = server.api.create("behind proxies", visibility="public")
    assert video["upload"]["url"].startswith("https://up.example/u/files")
    upload = TusUpload(video["upload"]["url"], clip("tiny"))
    upload.creation_url = server.url + upload.creation_url.removeprefix("https://up.example/u")
    answer = upload.create()
    assert answer.headers["Location"].startswith("https://up.example/u/files/")
    upload.location = server.url + answer.headers["Location"].removeprefix("https://up.example/u")
    upload.send()
    final = server.api.wait_state(video["id"], "READY")
    assert final["manifest_url"].startswith("https://play.example/play/public/")
    made = server.api.playback(video["id"])
    assert made["manifest_url"].startswith("https://play.example/play/")
    assert made["poster_url"].startswith("https://play.example/play/")


def test_forwarded_headers_of_strangers_change_no_address(vora):
    headers = {
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "Forwarded": "host=evil.example",
    }
    video = vora.api.call("POST", "/v1/videos", 201, json={"title": "x"}, headers=headers).json()
    assert video["upload"]["url"].startswith(vora.url)
    vora.api.delete(video["id"])


def test_raw_objects_are_removed_some_time_after_ready(make_vora):
    server = make_vora("--raw.retention_s=1", "--metadata.settle_interval_s=1").start()
    video, upload = server.api.upload(clip("tiny"))
    server.api.wait_state(video["id"], "READY")
    original = server.raw(upload.upload_id) / "original.mp4"
    wait_until(lambda: not original.exists(), 60, "the raw object is removed")
    final = server.api.get(video["id"])
    assert final["state"] == "READY"
    assert (
        requests.get(server.api.playback(video["id"])["manifest_url"], timeout=5).status_code == 200
    )


def test_an_upload_url_that_was_never_used_ends_its_video(make_vora):
    server = make_vora("--metadata.upload_grant_ttl_s=1", "--metadata.settle_interval_s=1").start()
    video = server.api.create("never used")
    final = server.api.wait_state(video["id"], "FAILED", 90)
    assert final["error"]["code"] == "upload_expired"
