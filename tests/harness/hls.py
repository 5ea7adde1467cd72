"""An independent reader of what was published: parses the playlists, fetches every object, decodes every
rendition with ffmpeg, and holds what is said against what is there."""

import dataclasses
import json
import re
import subprocess
import urllib.parse

from harness.api import session

# What libx264 and the muxer may do to the last picture of a clip whose length is no whole frame.
PACKET_FIELDS = "stream_index,codec_type,pts_time,dts_time,flags,pos"


@dataclasses.dataclass
class Variant:
    name: str
    url: str
    attributes: dict


@dataclasses.dataclass
class Segment:
    uri: str
    duration_s: float
    size_bytes: int = 0


@dataclasses.dataclass
class Rendition:
    """What was found in one media playlist and its segments."""

    name: str
    segments: list
    frames: int  # decoded
    width: int
    height: int
    fps: float
    starts: list  # PTS of each segment's first picture
    audio_channels: int
    audio_s: float
    files: object


def attributes(text):
    found = re.findall(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)', text)
    return {name: value.strip('"') for name, value in found}


def parse_master(text, url):
    lines = text.splitlines()
    assert lines[0] == "#EXTM3U", "a master begins with #EXTM3U"
    variants = []
    for n, line in enumerate(lines):
        if line.startswith("#EXT-X-STREAM-INF:"):
            uri = lines[n + 1]
            assert "://" not in uri and not uri.startswith("/"), f"{uri} is not relative"
            values = attributes(line.split(":", 1)[1])
            variants.append(Variant(uri.split("/")[0], urllib.parse.urljoin(url, uri), values))
    return variants


def parse_media(text):
    lines = text.splitlines()
    assert lines[0] == "#EXTM3U", "a playlist begins with #EXTM3U"
    assert lines[-1] == "#EXT-X-ENDLIST", "a finished playlist ends with #EXT-X-ENDLIST"
    assert "#EXT-X-PLAYLIST-TYPE:VOD" in lines
    segments, length = [], None
    target = int(next(x for x in lines if x.startswith("#EXT-X-TARGETDURATION:")).split(":")[1])
    for line in lines:
        if line.startswith("#EXTINF:"):
            length = float(line.split(":")[1].split(",")[0])
        elif line and not line.startswith("#"):
            assert "/" not in line, f"{line} is not a plain name"
            segments.append(Segment(line, length))
            length = None
    assert segments, "a playlist without segments"
    for number, segment in enumerate(segments, 1):
        assert segment.uri == f"seg_{number:02d}.ts"
        assert 0 < segment.duration_s
        assert round(segment.duration_s) <= target, "EXTINF above the target duration"
    return target, segments


def fetch(http, url):
    answer = http.get(url, timeout=30)
    assert answer.status_code == 200, f"{url}: {answer.status_code}"
    return answer


def ffprobe(path, *arguments):
    done = subprocess.run(
        ["ffprobe", "-v", "error", "-of", "json", *arguments, str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return json.loads(done.stdout)


def decoded(path, stream):
    """Decodes a stream to the end; (pictures or blocks, bytes). Any decoding error is a failure."""
    done = subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-xerror", "-i", str(path)]
        + ["-map", f"0:{stream}", "-fps_mode", "passthrough", "-f", "framemd5", "-"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0 and not done.stderr.strip(), (
        f"{path} does not decode: {done.returncode} {done.stderr[-600:]}"
    )
    rows = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    return len(rows), sum(int(row.split(",")[4]) for row in rows)


def examine(variant, directory, http):
    """Fetches a rendition whole, and measures it."""
    target, segments = parse_media(fetch(http, variant.url).text)
    path = directory / f"{variant.name}.ts"
    with open(path, "wb") as out:
        for segment in segments:
            body = fetch(http, urllib.parse.urljoin(variant.url, segment.uri)).content
            assert body[:1] == b"\x47" and len(body) % 188 == 0, f"{segment.uri} is not MPEG-TS"
            segment.size_bytes = len(body)
            out.write(body)
    facts = ffprobe(
        path, "-show_streams", "-show_packets", "-show_entries", "packet=" + PACKET_FIELDS
    )
    video = next(s for s in facts["streams"] if s["codec_type"] == "video")
    sound = [s for s in facts["streams"] if s["codec_type"] == "audio"]
    # yuvj420p would be full range, which televisions show too dark.
    assert (video["codec_name"], video["pix_fmt"]) == ("h264", "yuv420p")
    assert video.get("sample_aspect_ratio", "1:1") in ("1:1", "0:1"), "pixels are not square"
    starts = segment_starts(facts["packets"], video["index"], segments)
    frames, _ = decoded(path, "v:0")
    audio_s = 0.0
    if sound:
        _, size = decoded(path, "a:0")
        audio_s = size / (2 * sound[0]["channels"] * int(sound[0]["sample_rate"]))
    # A single picture has no average.
    rate = video["avg_frame_rate"] if video["avg_frame_rate"] != "0/0" else video["r_frame_rate"]
    numerator, denominator = map(int, rate.split("/"))
    return Rendition(
        name=variant.name,
        segments=segments,
        frames=frames,
        width=video["width"],
        height=video["height"],
        fps=numerator / denominator,
        starts=starts,
        audio_channels=sound[0]["channels"] if sound else 0,
        audio_s=audio_s,
        files=path,
    )


def segment_starts(packets, stream, segments):
    """The PTS of each segment's first picture, which must be a keyframe; DTS must never go back."""
    starts, begin, last_dts = [], 0, None
    of_video = [p for p in packets if p["stream_index"] == stream]
    for segment in segments:
        end = begin + segment.size_bytes
        inside = [p for p in of_video if begin <= int(p["pos"]) < end]
        assert inside, f"{segment.uri} holds no picture"
        assert "K" in inside[0]["flags"], f"{segment.uri} does not begin with a keyframe"
        starts.append(min(float(p["pts_time"]) for p in inside))
        for packet in inside:
            dts = float(packet.get("dts_time", packet["pts_time"]))
            assert last_dts is None or dts > last_dts, f"{segment.uri}: time goes back"
            last_dts = dts
        begin = end
    return starts


def peak_bandwidth(segments, target):
    """RFC 8216: the largest rate of any run of segments of 0.5 to 1.5 target durations."""
    best = 0.0
    for first in range(len(segments)):
        size = length = 0.0
        for segment in segments[first:]:
            size, length = size + segment.size_bytes, length + segment.duration_s
            if length > 1.5 * target:
                break
            if length >= 0.5 * target:
                best = max(best, 8 * size / length)
    total_s = sum(s.duration_s for s in segments)
    return best or 8 * sum(s.size_bytes for s in segments) / total_s


def check_promises(variant, found, audio):
    """What the master says of a variant against what was measured."""
    said = variant.attributes
    assert said["RESOLUTION"] == f"{found.width}x{found.height}"
    assert abs(float(said["FRAME-RATE"]) - found.fps) < 0.02 * found.fps
    codecs = said["CODECS"].split(",")
    assert re.fullmatch(r"avc1\.[0-9A-Fa-f]{6}", codecs[0])
    assert codecs[1:] == (["mp4a.40.2"] if audio else [])
    target = max(round(s.duration_s) for s in found.segments) or 1
    highest = max(8 * s.size_bytes / s.duration_s for s in found.segments)
    low, high = peak_bandwidth(found.segments, target) * 0.9, highest * 1.1
    assert low <= int(said["BANDWIDTH"]) <= high, (said["BANDWIDTH"], low, high)
    total_s = sum(s.duration_s for s in found.segments)
    average = 8 * sum(s.size_bytes for s in found.segments) / total_s
    assert abs(int(said["AVERAGE-BANDWIDTH"]) - average) <= 0.1 * average


def check_playback(
    api, video, directory, frames=None, names=None, duration_s=None, audio=None, slack=0
):
    """The independent verdict on a READY video. `frames` holds for every rendition, give or take
    `slack`. Returns {name: Rendition}."""
    directory.mkdir(parents=True, exist_ok=True)
    http = session()
    url = api.playback(video["id"])["manifest_url"]
    variants = parse_master(fetch(http, url).text, url)
    found = {v.name: examine(v, directory, http) for v in variants}
    assert len(found) == len(variants), "a rendition is listed twice"
    if names is not None:
        assert set(found) == set(names)
    has_audio = any(r.audio_channels for r in found.values())
    if audio is not None:
        assert has_audio == audio
    for variant in variants:
        rendition = found[variant.name]
        check_promises(variant, rendition, has_audio)
        check_rendition(rendition, frames, slack, has_audio)
        if duration_s is not None:
            length = sum(s.duration_s for s in rendition.segments)
            assert abs(length - duration_s) <= 2.5 / rendition.fps + 0.02, (length, duration_s)
    starts = [r.starts for r in found.values()]
    assert all(s == starts[0] for s in starts), f"keyframes are not aligned: {starts}"
    said = {r["name"]: r for r in video["renditions"]}
    assert set(said) == set(found), "the video object lists other renditions than the master"
    for name, rendition in found.items():
        assert (said[name]["width"], said[name]["height"]) == (rendition.width, rendition.height)
    return found


def check_rendition(rendition, frames, slack, audio):
    if frames is not None:
        assert abs(rendition.frames - frames) <= slack, (rendition.name, rendition.frames, frames)
    assert f"{min(rendition.width, rendition.height)}p" == rendition.name
    assert rendition.width % 2 == 0 and rendition.height % 2 == 0
    video_s = rendition.frames / rendition.fps
    length = sum(s.duration_s for s in rendition.segments)
    assert abs(length - video_s) <= 1.5 / rendition.fps + 0.01, (
        f"{rendition.name}: EXTINF adds up to {length}, the pictures to {video_s}"
    )
    if audio:
        assert rendition.audio_channels == 2
        assert rendition.audio_s > 0
