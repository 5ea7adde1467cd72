"""The independent verdict on playback must itself be able to say no: right output passes, each single
defect is found. Needs no server of ours."""

import functools
import http.server
import shutil
import threading

import pytest

from harness import hls
from media.generated import ffmpeg

SIZES = {"240p": (426, 240), "160p": (284, 160)}


class FakeApi:
    def __init__(self, url):
        self.url = url

    def playback(self, _video_id):
        return {"manifest_url": self.url + "/master.m3u8"}


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    """Two renditions of 6 s as they should be."""
    base = tmp_path_factory.mktemp("right")
    for name, (width, height) in SIZES.items():
        render(base / name, width, height)
    write_master(base)
    return base


def render(directory, width, height, keyframes="expr:gte(t,n_forced*4)"):
    directory.mkdir(exist_ok=True)
    ffmpeg(
        *["-f", "lavfi", "-i", f"testsrc2=size={width}x{height}:rate=25:duration=6"],
        *["-f", "lavfi", "-i", "sine=duration=6:sample_rate=48000", "-ac", "2"],
        *["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "2"],
        *["-force_key_frames", keyframes, "-sc_threshold", "0", "-g", "9999", "-c:a", "aac"],
        *["-f", "hls", "-hls_time", "4", "-hls_list_size", "0", "-hls_playlist_type", "vod"],
        *["-start_number", "1", "-hls_segment_filename", directory / "seg_%02d.ts"],
        directory / "playlist.m3u8",
    )


def write_master(base, factor=1.0):
    lines = ["#EXTM3U", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for name, (width, height) in SIZES.items():
        _, segments = hls.parse_media((base / name / "playlist.m3u8").read_text())
        sizes = [(base / name / s.uri).stat().st_size for s in segments]
        peak = max(8 * size / s.duration_s for size, s in zip(sizes, segments, strict=True))
        average = 8 * sum(sizes) / sum(s.duration_s for s in segments)
        lines += [
            f"#EXT-X-STREAM-INF:BANDWIDTH={int(peak * factor)},AVERAGE-BANDWIDTH={int(average)},"
            f'CODECS="avc1.42C00D,mp4a.40.2",RESOLUTION={width}x{height},FRAME-RATE=25.000',
            f"{name}/playlist.m3u8",
        ]
    (base / "master.m3u8").write_text("\n".join(lines) + "\n")


def verdict(base, out, **expected):
    handler = functools.partial(Quiet, directory=str(base))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            renditions = [{"name": n, "width": w, "height": h} for n, (w, h) in SIZES.items()]
            video = {"id": "x", "renditions": renditions}
            api = FakeApi(f"http://127.0.0.1:{server.server_port}")
            wanted = {"frames": 150, "duration_s": 6, "audio": True, "names": list(SIZES)}
            return hls.check_playback(api, video, out, **{**wanted, **expected})
        finally:
            server.shutdown()


@pytest.fixture
def copy(right, tmp_path):
    return shutil.copytree(right, tmp_path / "copy")


def test_right_output_passes(right, tmp_path):
    found = verdict(right, tmp_path)
    assert {r.frames for r in found.values()} == {150}
    assert all(abs(r.audio_s - 6) < 0.1 for r in found.values())


def replace(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def lose_a_segment(base):
    (base / "160p" / "seg_02.ts").unlink()


def cut_a_segment(base):
    path = base / "160p" / "seg_02.ts"
    path.write_bytes(path.read_bytes()[: 188 * 40])


def damage_a_segment(base):
    path = base / "240p" / "seg_01.ts"
    data = bytearray(path.read_bytes())
    for at in range(188 * 60 + 20, 188 * 90, 188):
        data[at : at + 60] = b"\xff" * 60
    path.write_bytes(data)


def lie_about_length(base):
    replace(base / "240p" / "playlist.m3u8", "#EXTINF:2.0", "#EXTINF:2.2")


def lie_about_bandwidth(base):
    write_master(base, factor=0.5)


def lie_about_size(base):
    replace(base / "master.m3u8", "RESOLUTION=426x240", "RESOLUTION=428x240")


def promise_no_sound(base):
    replace(base / "master.m3u8", ",mp4a.40.2", "")


def shift_keyframes(base):
    render(base / "160p", 284, 160, keyframes="expr:gte(t,n_forced*3)")
    write_master(base)


def leave_it_open(base):
    replace(base / "240p" / "playlist.m3u8", "#EXT-X-ENDLIST", "#EXT-X-GAP")


def leave_a_rendition_out(base):
    lines = (base / "master.m3u8").read_text().splitlines()
    (base / "master.m3u8").write_text("\n".join(lines[:-2]) + "\n")


DEFECTS = [
    lose_a_segment,
    cut_a_segment,
    damage_a_segment,
    lie_about_length,
    lie_about_bandwidth,
    lie_about_size,
    promise_no_sound,
    shift_keyframes,
    leave_it_open,
    leave_a_rendition_out,
]


@pytest.mark.parametrize("spoil", DEFECTS, ids=lambda f: f.__name__)
def test_a_single_defect_is_found(copy, tmp_path, spoil):
    spoil(copy)
    with pytest.raises(AssertionError):
        verdict(copy, tmp_path / "out")


def test_another_number_of_frames_is_found(right, tmp_path):
    with pytest.raises(AssertionError):
        verdict(right, tmp_path, frames=151)
