"""`vora workflows`, and the admin routes behind it."""

import json
import re

import pytest
import requests

from harness import hls
from harness.operator import program, vora_cli
from media.clips import clip


def workflows(server, *words, expect=0):
    done = vora_cli("workflows", *words, "--data", server.data, "--json")
    assert done.returncode == expect, done.stderr
    return json.loads(done.stdout) if expect == 0 else done.stderr


@pytest.fixture
def crashing(make_vora, tmp_path):
    """A server whose encoder crashes as long as a file is there."""
    broken = tmp_path / "broken"
    broken.touch()
    encoder = program(
        tmp_path / "ffmpeg",
        f'case "$*" in *libx264*) [ -e {broken} ] && kill -SEGV $$;; esac\nexec ffmpeg "$@"\n',
    )
    server = make_vora(f"--media.ffmpeg={encoder}", "--media.preset=ultrafast").start()
    return server, broken


def test_runs_are_listed_shown_and_told(vora):
    video = vora.api.upload_and_wait(clip("tiny"))["id"]
    (run,) = workflows(vora, "list", "--video", video)
    name = f"video-{video}-g1"
    assert (run["workflow_id"], run["type"], run["status"]) == (name, "ingest_video", "completed")
    assert run["closed_at"] >= run["started_at"]
    assert workflows(vora, "show", name)["pending_activities"] == []
    events = workflows(vora, "history", name)
    assert [e["event_id"] for e in events] == list(range(1, len(events) + 1))
    assert events[0]["type"] == "workflow_execution_started"
    assert events[-1]["type"] == "workflow_execution_completed"
    text = vora_cli("workflows", "history", name, "--data", vora.data).stdout
    for word in ("probe", "encode", "publish", "mark_ready"):
        assert re.search(rf"20\d\d-\d\d-\d\dT\S+Z  activity_task_scheduled +{word} ", text), text
    assert "workflow_not_found" in workflows(vora, "show", "video-nobody-g1", expect=1)


def test_a_list_comes_in_pages_newest_first(vora):
    for _ in range(3):
        vora.api.upload_and_wait(b"no video at all", states="FAILED", title="text")
    first = workflows(vora, "list", "--limit", "2")
    assert len(first) == 2 and first[0]["started_at"] >= first[1]["started_at"]
    path = vora.admin_url + "/workflows"
    headers = {"Authorization": f"Bearer {vora.token}"}
    seen, token = [], ""
    while token is not None:
        query = {"page_size": 2, "page_token": token, "status": "failed"}
        page = requests.get(path, params=query, headers=headers, timeout=10).json()
        seen += [run["workflow_id"] for run in page["workflows"]]
        token = page.get("next_page_token")
    assert len(seen) >= 3 and len(set(seen)) == len(seen)
    for bad in ({"status": "odd"}, {"page_size": "0"}, {"page_token": "x"}):
        assert requests.get(path, params=bad, headers=headers, timeout=10).status_code == 400


def test_only_an_administrator_sees_them_and_only_on_the_admin_address(vora):
    edit = vora_cli(
        "token", "--data", vora.data, "--subject", "x", "--scope", "edit"
    ).stdout.strip()
    for headers, status in (
        ({}, 401),
        ({"Authorization": "Bearer nonsense"}, 401),
        ({"Authorization": f"Bearer {edit}"}, 403),
        ({"Authorization": f"Bearer {vora.token}"}, 200),
    ):
        answer = requests.get(vora.admin_url + "/workflows", headers=headers, timeout=10)
        assert answer.status_code == status, headers
    headers = {"Authorization": f"Bearer {vora.token}"}
    assert requests.get(vora.url + "/workflows", headers=headers, timeout=10).status_code == 404
    assert requests.get(vora.admin_url + "/metrics", timeout=10).status_code == 200


def test_a_video_that_failed_for_our_reasons_is_tried_again(crashing, tmp_path):
    server, broken = crashing
    video, _ = server.api.upload(clip("tiny"), visibility="public")
    failed = server.api.wait_state(video["id"], "FAILED")
    assert failed["error"]["code"] == "encoder_crashed"
    first = f"video-{video['id']}-g1"
    (run,) = workflows(server, "list", "--status", "failed")
    assert run["workflow_id"] == first and run["failure"]["type"] == "encoder_crashed"

    broken.unlink()
    assert workflows(server, "retry", first) == {"workflow_id": f"video-{video['id']}-g2"}
    ready = server.api.wait_state(video["id"], "READY")
    assert (ready["generation"], ready["error"]) == (2, None)
    hls.check_playback(server.api, ready, tmp_path / "seen")
    assert "stale_generation" in workflows(server, "retry", first, expect=1)
    assert "wrong_state" in workflows(server, "retry", f"video-{video['id']}-g2", expect=1)
    assert (server.processed(video["id"]) / "g2" / "master.m3u8").exists()


def test_what_another_try_cannot_change_is_refused(vora):
    video = vora.api.upload_and_wait(b"still no video", states="FAILED", title="text")["id"]
    assert "not_retryable" in workflows(vora, "retry", f"video-{video}-g1", expect=1)
    assert "not_retryable" in workflows(vora, "retry", f"delete-{video}", expect=1)
    assert vora.api.get(video)["state"] == "FAILED"
