"""The main job: a file goes in over tus, a video comes out that plays right in every rendition."""

import subprocess

import pytest
import requests

from harness import hls
from harness.wait import wait_until
from media.clips import CLIPS, clip


@pytest.fixture(scope="module")
def bunny(vora):
    video, upload = vora.api.upload(clip("bunny"), "Big Buck Bunny", description="5.1 sound")
    return vora.api.wait_state(video["id"], "READY"), upload


def test_a_new_video_is_created_with_an_upload_url_and_no_facts(api):
    video = api.create("not yet", description="nothing there")
    assert video["state"] == "CREATED"
    assert video["title"] == "not yet" and video["description"] == "nothing there"
    assert video["visibility"] == "private"
    assert video["upload"]["url"].startswith(api.url + "/files")
    assert video["upload"]["headers"]["Authorization"]
    for absent in ("playable_at", "manifest_url", "duration_s", "width", "height", "error"):
        assert video[absent] is None, absent
    assert video["renditions"] == [] and video["generation"] == 1
    api.delete(video["id"])


def test_an_uploaded_clip_becomes_ready_with_its_facts(bunny):
    video, _ = bunny
    facts = CLIPS["bunny"]
    assert video["state"] == "READY" and video["error"] is None
    assert (video["width"], video["height"]) == (facts.width, facts.height)
    assert abs(video["duration_s"] - facts.duration_s) < 0.1
    assert [r["name"] for r in video["renditions"]] == ["720p", "360p"]
    assert video["playable_at"] and video.get("upload") is None
    assert video["manifest_url"] is None, "private videos have no public address"
    assert video["input_report"] == []


def test_every_rendition_decodes_whole_with_aligned_keyframes(api, bunny, tmp_path):
    facts = CLIPS["bunny"]
    hls.check_playback(
        api,
        bunny[0],
        tmp_path,
        frames=facts.frames,
        names=["720p", "360p"],
        duration_s=facts.duration_s,
        audio=True,
    )


def test_a_player_reads_it_from_the_master_alone(api, bunny):
    url = api.playback(bunny[0]["id"])["manifest_url"]
    done = subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-i", url, "-map", "0:v:0", "-f", "framemd5", "-"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    rows = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    assert len(rows) == CLIPS["bunny"].frames


def test_the_poster_is_a_picture_of_the_video(api, bunny, tmp_path):
    poster = requests.get(api.playback(bunny[0]["id"])["poster_url"], timeout=10)
    assert poster.status_code == 200 and poster.headers["Content-Type"] == "image/jpeg"
    path = tmp_path / "poster.jpg"
    path.write_bytes(poster.content)
    stream = hls.ffprobe(path, "-show_streams")["streams"][0]
    assert stream["codec_name"] == "mjpeg"
    assert abs(stream["width"] / stream["height"] - 16 / 9) < 0.02


def test_the_store_has_the_layout_of_the_design(vora, bunny):
    video, upload = bunny
    raw = vora.raw(upload.upload_id)
    assert (raw / "original.mp4").read_bytes() == clip("bunny").read_bytes()
    processed = vora.processed(video["id"])
    assert (processed / "master.m3u8").exists() and (processed / "thumbnail.jpg").exists()
    for name in ("720p", "360p"):
        assert (processed / name / "playlist.m3u8").exists()
        assert (processed / name / "seg_01.ts").exists()


def test_the_stored_master_names_what_the_served_one_names(api, vora, bunny):
    stored = (vora.processed(bunny[0]["id"]) / "master.m3u8").read_text()
    url = api.playback(bunny[0]["id"])["manifest_url"]
    served = requests.get(url, timeout=10).text
    names = [sorted(v.name for v in hls.parse_master(t, url)) for t in (stored, served)]
    assert names[0] == names[1]


def test_progress_is_told_while_it_is_processed(api, inputs):
    video, _ = api.upload(inputs("repeated", "bunny", 10))
    seen = []

    def look():
        current = api.get(video["id"])
        if current["state"] == "PROCESSING" and current["progress"]:
            seen.append(current["progress"])
        return current["state"] in ("READY", "FAILED")

    wait_until(look, 180, "the video is finished", interval_s=0.2)
    final = api.get(video["id"])
    assert final["state"] == "READY" and final["progress"] is None
    assert seen, "no progress was ever told"
    percents = [p["percent"] for p in seen if p["percent"] is not None]
    assert all(0 <= p <= 100 for p in percents) and percents == sorted(percents)
    assert all(p["stage"] for p in seen)


def test_a_public_video_has_an_address_that_needs_no_grant(api):
    video = api.upload_and_wait(clip("tiny"), visibility="public")
    assert video["manifest_url"].startswith(api.url + "/play/public/" + video["id"])
    master = requests.get(video["manifest_url"], timeout=10)
    assert master.status_code == 200 and master.text.startswith("#EXTM3U")
