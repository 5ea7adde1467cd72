"""What an input ends as: one row of the contract's table per test, on real and generated files."""

import random
import socket
import threading

import pytest

from harness import hls
from harness.api import TusUpload
from harness.wait import wait_until
from media import generated
from media.clips import CLIPS, clip


def refused(api, path, code, timeout_s=120):
    video, _ = api.upload(path)
    final = api.wait_state(video["id"], "FAILED", timeout_s)
    assert final["error"]["code"] == code, final["error"]
    assert final["error"]["detail"] and "/" not in final["error"]["detail"], (
        "a detail names no path"
    )
    assert final["renditions"] == [] and final["playable_at"] is None
    return final


# -- what is no video -------------------------------------------------------------------------------


def test_zero_bytes_are_input_empty(api, tmp_path):
    path = tmp_path / "empty.mp4"
    path.write_bytes(b"")
    refused(api, path, "input_empty")


@pytest.mark.parametrize(
    "kind", ["text", "one byte", "zeros", "random", "zip", "jpeg", "png", "html"]
)
def test_what_is_no_media_at_all_is_input_not_video(api, tmp_path, kind):
    path = tmp_path / "movie.mp4"
    if kind == "zip":
        generated.archive(path)
    elif kind == "jpeg":
        path = clip("photo")
    elif kind == "png":
        generated.ffmpeg(
            "-f", "lavfi", "-i", "testsrc2", "-frames:v", "1", "-f", "image2", "-c:v", "png", path
        )
    else:
        path.write_bytes(
            {
                "text": b"This is a letter, not a film.\n" * 50,
                "one byte": b"\x00",
                "zeros": bytes(100_000),
                "random": random.Random(4).randbytes(100_000),
                "html": b"<!doctype html><html><body><video src='x.mp4'></video></body></html>",
            }[kind]
        )
    refused(api, path, "input_not_video")


@pytest.mark.parametrize("kind", sorted(generated.PLAYLISTS))
def test_a_playlist_is_input_not_video_and_nothing_it_names_is_opened(api, tmp_path, canary, kind):
    path = tmp_path / "movie.mp4"
    path.write_text(generated.PLAYLISTS[kind].format(url=canary.url))
    refused(api, path, "input_not_video")
    assert canary.visits == 0, "the platform went where an upload told it to"


@pytest.fixture
def canary():
    """A listener on loopback that counts who comes."""

    class Canary:
        visits = 0

    listener = socket.create_server(("127.0.0.1", 0))
    found = Canary()
    found.url = f"http://127.0.0.1:{listener.getsockname()[1]}/secret.ts"

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            found.visits += 1
            connection.close()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield found
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


@pytest.mark.parametrize("name", ["cover_mp3", "audio_mp4"])
def test_sound_alone_is_input_no_video_also_with_cover_art(api, name):
    refused(api, clip(name), "input_no_video")


def test_generated_sound_alone_is_input_no_video(api, inputs):
    refused(api, inputs("sound_only", suffix=".m4a"), "input_no_video")


# -- what is damaged --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["headers_avi", "headers_mov"])
def test_an_index_without_its_pictures_is_input_damaged(api, name):
    refused(api, clip(name), "input_damaged")


def test_a_clip_cut_after_an_eighth_is_input_damaged(api, inputs):
    refused(api, inputs("truncated", 0.15), "input_damaged")


def test_a_clip_cut_after_three_quarters_plays_and_says_so(api, inputs, tmp_path):
    video, _ = api.upload(inputs("truncated", 0.75))
    final = api.wait_state(video["id"], "READY")
    assert "truncated" in [finding["code"] for finding in final["input_report"]]
    assert 4 <= final["duration_s"] < 7.5, "the duration is that of what can be played"
    hls.check_playback(api, final, tmp_path, duration_s=final["duration_s"])


# -- what is unusual, and right ---------------------------------------------------------------------


def ready(api, path, tmp_path, **expected):
    video, _ = api.upload(path)
    final = api.wait_state(video["id"], "READY")
    found = hls.check_playback(api, final, tmp_path, **expected)
    return final, found


def real(api, name, tmp_path, names, slack=0):
    facts = CLIPS[name]
    final, found = ready(
        api, clip(name), tmp_path, frames=facts.frames, names=names, audio=facts.audio, slack=slack
    )
    # Square pixels may make half a column.
    assert abs(final["width"] - facts.width) <= 1 and final["height"] == facts.height
    return final, found


def test_a_clip_without_sound_is_ready_without_sound(api, tmp_path):
    _, found = real(api, "bikes", tmp_path, ["272p"])
    assert found["272p"].width == 640


def test_pixels_that_are_not_square_become_square(api, tmp_path):
    _, found = real(api, "carphone", tmp_path, ["144p"])
    assert abs(found["144p"].width - 176 * 128 / 117) <= 2


def test_a_real_clip_in_avi_is_ready(api, tmp_path):
    real(api, "hello_avi", tmp_path, ["360p"], slack=1)


def test_a_real_clip_in_a_program_stream_is_ready(api, tmp_path):
    real(api, "hello_mpeg", tmp_path, ["360p"], slack=2)


def test_a_real_clip_in_matroska_with_cover_art_beside_the_video_is_ready(api, tmp_path):
    real(api, "flashmob", tmp_path, ["288p"], slack=2)


def test_a_real_portrait_clip_is_named_by_its_short_side(api, tmp_path):
    real(api, "quicktime", tmp_path, ["190p"], slack=1)


def test_a_clip_shorter_than_a_second_is_ready(api, tmp_path):
    real(api, "second", tmp_path, ["1080p", "720p", "360p"], slack=2)


def test_thirty_seconds_of_a_phones_clip_are_ready_and_right(api, inputs, tmp_path):
    path = inputs("repeated", "phone", 30)
    final, found = ready(api, path, tmp_path, names=["1080p", "720p", "360p"], audio=True)
    assert abs(final["duration_s"] - 30) < 0.7
    assert len({r.frames for r in found.values()}) == 1
    for rendition in found.values():
        assert abs(rendition.frames / rendition.fps - 30) < 0.7
        assert abs(rendition.audio_s - 30) < 0.7
        assert all(s.duration_s <= 4.5 for s in rendition.segments)


def test_a_rotated_clip_stands_upright(api, inputs, tmp_path):
    final, found = ready(api, inputs("rotated"), tmp_path, names=["270p"], frames=50)
    assert (final["width"], final["height"]) == (270, 480)
    assert (found["270p"].width, found["270p"].height) == (270, 480)


def test_a_portrait_clip_bounds_its_short_side(api, inputs, tmp_path):
    _, found = ready(api, inputs("portrait"), tmp_path, names=["240p"], frames=50)
    assert found["240p"].height == 426


def test_an_odd_size_becomes_even(api, inputs, tmp_path):
    _, found = ready(api, inputs("odd_size"), tmp_path, names=["160p"], frames=50)
    assert found["160p"].width in (240, 242)


def test_one_frame_is_a_video(api, inputs, tmp_path):
    _, found = ready(api, inputs("one_frame"), tmp_path, names=["240p"], frames=1)
    assert len(found["240p"].segments) == 1


def test_5_1_sound_becomes_stereo(api, inputs, tmp_path):
    _, found = ready(api, inputs("surround"), tmp_path, names=["240p"], frames=50, audio=True)
    assert found["240p"].audio_channels == 2
    assert abs(found["240p"].audio_s - 2) < 0.15


@pytest.mark.parametrize(
    "size,names",
    [
        ("1600x900", ["720p", "360p"]),
        ("960x540", ["360p"]),
        ("426x240", ["240p"]),
        ("360x640", ["360p"]),
        ("2560x1440", ["1080p", "720p", "360p"]),
    ],
)
def test_the_ladder_never_goes_above_the_source(api, inputs, tmp_path, size, names):
    path = inputs("pattern", size, 1)
    ready(api, path, tmp_path, names=names, frames=25)


def test_segments_last_four_seconds_and_begin_together(api, inputs, tmp_path):
    _, found = ready(
        api, inputs("pattern", "1280x720", 9), tmp_path, names=["720p", "360p"], frames=225
    )
    for rendition in found.values():
        lengths = [s.duration_s for s in rendition.segments]
        assert lengths[:2] == pytest.approx([4, 4], abs=0.05) and len(lengths) == 3


# -- what is above a limit --------------------------------------------------------------------------


def test_limits_of_length_pixels_and_bytes_are_named(make_vora, inputs, tmp_path):
    server = make_vora(
        "--limits.duration_max_s=3", "--limits.pixels_max=100000", "--upload.size_max_bytes=200000"
    )
    api = server.start().api
    refused(api, clip("tiny"), "input_too_long")
    refused(api, inputs("pattern", "426x240", 1), "input_too_many_pixels")
    video = api.create("too large")
    TusUpload(video["upload"]["url"], bytes(200_001)).create(expect=413)
    assert api.get(video["id"])["state"] == "CREATED"
    api.upload_and_wait(inputs("pattern", "176x144", 1))


def test_hours_in_few_bytes_are_refused_by_their_length(make_vora, inputs):
    server = make_vora("--limits.duration_max_s=600").start()
    refused(server.api, inputs("hours_long"), "input_too_long")


def test_an_upload_that_expires_fails_its_video(make_vora):
    server = make_vora("--upload.expiry_s=1", "--metadata.settle_interval_s=1").start()
    video = server.api.create("expires")
    upload = TusUpload(video["upload"]["url"], b"x" * 1000)
    upload.create()
    upload.send(until=10)
    final = server.api.wait_state(video["id"], "FAILED", 90)
    assert final["error"]["code"] == "upload_expired"
    wait_until(
        lambda: upload.request("HEAD", upload.location).status_code in (404, 410), 30, "it is gone"
    )


def test_an_encoder_that_crashes_every_time_is_encoder_crashed(make_vora, tmp_path):
    # A worker whose ffmpeg dies by a signal as soon as it is to encode.
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "ffprobe").write_text('#!/bin/sh\nexec ffprobe "$@"\n')
    (tools / "ffmpeg").write_text(
        '#!/bin/sh\ncase "$*" in *-version*) exec ffmpeg "$@";; esac\nkill -SEGV $$\n'
    )
    for tool in tools.iterdir():
        tool.chmod(0o755)
    server = make_vora(f"--media.ffmpeg={tools / 'ffmpeg'}").start()
    refused(server.api, clip("tiny"), "encoder_crashed", 180)
    assert not [p for p in server.processed().rglob("*") if p.is_file()], (
        "nothing half-made is left"
    )
