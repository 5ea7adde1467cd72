"""The command line, as a script would use it."""

import json
import os
import subprocess

import pytest
import requests

from harness import hls
from harness.api import Api
from harness.server import binary, clean_environment
from harness.wait import wait_until
from media import generated
from media.clips import CLIPS, clip


@pytest.fixture
def cli(vora, tmp_path):
    """Runs `vora ...` against the shared server, with a memory of uploads of its own."""
    return Cli(vora, tmp_path / "state")


class Cli:
    def __init__(self, server, state):
        self.server = server
        self.environment = clean_environment(XDG_STATE_HOME=str(state), HOME=str(state))

    def start(self, *arguments, by_data=True, **environment):
        where = ["--data", str(self.server.data)] if by_data else []
        return subprocess.Popen(
            [binary(), *map(str, arguments), *where],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**self.environment, **environment},
        )

    def run(self, *arguments, expect=0, **more):
        process = self.start(*arguments, **more)
        try:
            out, err = process.communicate(timeout=180)
        finally:
            process.kill()
        assert process.returncode == expect, (
            arguments,
            process.returncode,
            out[-500:],
            err[-1500:],
        )
        return out, err


def test_upload_with_wait_and_json_prints_the_ready_video(cli, api, tmp_path):
    out, _ = cli.run("upload", clip("tiny"), "--json", "--wait", "--title", "by hand")
    video = json.loads(out)
    assert video["state"] == "READY" and video["title"] == "by hand"
    hls.check_playback(api, video, tmp_path, frames=CLIPS["tiny"].frames)


def test_upload_of_no_video_exits_1_and_still_prints_it(cli, tmp_path):
    path = tmp_path / "letter.mp4"
    path.write_text("no video at all\n" * 100)
    out, _ = cli.run("upload", path, "--json", "--wait", expect=1)
    video = json.loads(out)
    assert video["state"] == "FAILED" and video["error"]["code"] == "input_not_video"
    _, err = cli.run("upload", path, "--wait", expect=1)
    assert "input_not_video" in err


def test_a_title_is_by_default_the_name_of_the_file(cli, tmp_path):
    path = tmp_path / "Ein Film – ünïcode 'quoted'.mp4"
    path.write_bytes(clip("tiny").read_bytes())
    video = json.loads(cli.run("upload", path, "--json")[0])
    assert video["title"].startswith("Ein Film – ünïcode 'quoted'")


def bytes_in(directory):
    total = 0
    for place, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.stat(os.path.join(place, name)).st_blocks * 512
            except FileNotFoundError:
                pass  # it was moved meanwhile
    return total


def test_an_upload_whose_command_was_killed_goes_on_where_it_stood(cli, vora, api, tmp_path):
    big = generated.padded(tmp_path / "big.mp4", "tiny", 256 << 20)
    before = bytes_in(vora.raw())
    first = cli.start("upload", big, "--json", "--wait", "--title", "killed once")
    wait_until(
        lambda: bytes_in(vora.raw()) - before > 16 << 20, 60, "some of it has arrived", 0.005
    )
    assert first.poll() is None, "it was over before it could be killed"
    first.kill()
    first.wait(10)
    mine = [v for v in api.all_videos() if v["title"] == "killed once"]
    assert [v["state"] for v in mine] == ["CREATED"]
    # Without --json it says where it resumes.
    out, err = cli.run("upload", big, "--wait", "--title", "killed once")
    assert "resuming" in err
    assert mine[0]["id"] in out
    again = [v for v in api.all_videos() if v["title"] == "killed once"]
    assert [(v["id"], v["state"]) for v in again] == [(mine[0]["id"], "READY")]
    api.delete(mine[0]["id"])


def test_a_finished_upload_is_not_resumed_but_made_anew(cli):
    ids = [json.loads(cli.run("upload", clip("tiny"), "--json")[0])["id"] for _ in range(2)]
    assert ids[0] != ids[1]


def test_videos_are_listed_shown_and_deleted(cli, api):
    video = api.create("on the list")
    listed = json.loads(cli.run("videos", "list", "--json")[0])
    assert video["id"] in [v["id"] for v in listed]
    table, _ = cli.run("videos", "list")
    assert video["id"] in table and "on the list" in table
    shown = json.loads(cli.run("videos", "show", video["id"], "--json")[0])
    assert shown["title"] == "on the list"
    text, _ = cli.run("videos", "show", video["id"])
    assert "on the list" in text
    assert video["upload"]["headers"]["Authorization"].split()[1] not in text
    cli.run("videos", "delete", video["id"])
    assert api.call("GET", f"/v1/videos/{video['id']}").status_code == 404
    _, err = cli.run("videos", "show", video["id"], expect=1)
    assert err.strip()
    cli.run("videos", "delete", video["id"], expect=1)


def test_a_title_cannot_drive_the_terminal(cli, api):
    video = api.create("\u202e<b>harmless</b>")
    out, _ = cli.run("videos", "list")
    assert "\x1b" not in out
    api.delete(video["id"])


@pytest.mark.parametrize("scope,may_create", [("admin", True), ("edit", True), ("view", False)])
def test_minted_tokens_have_the_scope_asked_for(cli, vora, scope, may_create):
    out, _ = cli.run("token", "--subject", "someone", "--scope", scope, "--ttl", "10m")
    client = Api(vora.url, out.strip())
    assert client.call("GET", "/v1/videos").status_code == 200
    answer = client.call("POST", "/v1/videos", json={"title": "x"})
    assert answer.status_code == (201 if may_create else 403)
    if may_create:
        client.delete(answer.json()["id"])


def test_a_token_that_makes_no_sense_is_not_minted(cli):
    for arguments in (["--scope", "root"], ["--ttl", "soon"], ["--ttl", "-1h"]):
        _, err = cli.run("token", "--subject", "s", *arguments, expect=1)
        assert err.strip()


def test_the_environment_names_the_server_too(cli, vora):
    found = {"VORA_URL": vora.url, "VORA_TOKEN": vora.token}
    out, _ = cli.run("videos", "list", "--json", by_data=False, **found)
    assert isinstance(json.loads(out), list)
    _, err = cli.run(
        "videos", "list", by_data=False, expect=1, VORA_URL=vora.url, VORA_TOKEN="wrong"
    )
    assert "wrong" not in err


def test_no_server_is_said_plainly(cli, tmp_path, make_vora):
    _, err = cli.run(
        "videos", "list", by_data=False, expect=1, VORA_URL="http://127.0.0.1:1", VORA_TOKEN="t"
    )
    assert "vora up" in err
    _, err = Cli(make_vora(data=tmp_path / "none"), tmp_path / "s").run("videos", "list", expect=1)
    assert "vora up" in err and str(tmp_path / "none") in err


def test_a_file_that_is_not_there_is_said_plainly(cli, tmp_path):
    _, err = cli.run("upload", tmp_path / "missing.mp4", expect=1)
    assert "missing.mp4" in err


def test_studio_prints_a_fresh_link_that_signs_in_once(cli, vora):
    links = [cli.run("studio")[0].strip() for _ in range(2)]
    assert links[0] != links[1] and all("/?token=" in link for link in links)
    first = requests.get(links[0], timeout=5, allow_redirects=False)
    assert first.status_code in (302, 303) and "vora_session" in first.headers["Set-Cookie"]
    cookie = first.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie
    again = requests.get(links[0], timeout=5, allow_redirects=False)
    assert "Set-Cookie" not in again.headers


def test_unknown_verbs_and_options_exit_with_a_hint(cli):
    for arguments in (["nonsense"], ["videos"], ["upload"], ["upload", "x", "--nonsense"]):
        process = cli.start(*arguments, by_data=False)
        out, err = process.communicate(timeout=20)
        assert process.returncode not in (0, None) and process.returncode > 0
        assert "help" in (out + err).lower() or "usage" in (out + err).lower() or "required" in err
