"""Inputs made on the spot by ffmpeg's own sources or by hand: shapes for which no real clip is at hand."""

import pathlib
import subprocess
import zipfile

from media.clips import clip


def ffmpeg(*arguments):
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-800:]}")


def pattern(target, size="320x240", seconds=2, fps=25, sound=None, video=(), output=()):
    """A moving test picture, with as many channels of sound as asked."""
    inputs = ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={fps}:duration={seconds}"]
    if sound:
        layout = {1: "mono", 2: "stereo", 6: "5.1"}[sound]
        tones = "|".join(f"0.2*sin({220 * (n + 1)}*t*2*PI)" for n in range(sound))
        inputs += ["-f", "lavfi", "-i", f"aevalsrc={tones}:c={layout}:s=48000:d={seconds}"]
    encoder = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", *video]
    ffmpeg(*inputs, *encoder, *(["-c:a", "aac"] if sound else []), *output, target)
    return target


def odd_size(target):
    # testsrc2 rounds to even sides, and only 4:4:4 may have odd ones.
    ffmpeg(
        *["-f", "lavfi", "-i", "testsrc=size=241x161:rate=25:duration=2"],
        *["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv444p", target],
    )
    return target


def portrait(target):
    return pattern(target, size="240x426", sound=2)


def rotated(target):
    """Stored lying, to be shown standing: 480x270 with a turn of 90 degrees, as phones write it."""
    plain = target.with_name("plain-" + target.name)
    pattern(plain, size="480x270", sound=2)
    # ffmpeg 5.1 writes the display matrix from this tag.
    ffmpeg("-i", plain, "-c", "copy", "-metadata:s:v:0", "rotate=90", target)
    return target


def surround(target):
    return pattern(target, sound=6)


def one_frame(target):
    ffmpeg(
        *["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=1", "-frames:v", "1"],
        *["-c:v", "libx264", "-pix_fmt", "yuv420p", target],
    )
    return target


def hours_long(target):
    """Three hours in little room: one picture a minute, or a test would wait for the encoder."""
    ffmpeg(
        *["-f", "lavfi", "-i", "color=size=64x64:rate=1/60:duration=10800"],
        *["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", target],
    )
    return target


def sound_only(target):
    ffmpeg("-f", "lavfi", "-i", "sine=duration=2", "-c:a", "aac", target)
    return target


def repeated(target, name, seconds):
    """A real clip played over and over without encoding it again."""
    ffmpeg("-stream_loop", "-1", "-i", clip(name), "-t", seconds, "-c", "copy", target)
    return target


def padded(target, name, bytes_more):
    """A real clip with an empty box behind it: large to send, cheap to encode. The hole is sparse."""
    target = pathlib.Path(target)
    target.write_bytes(clip(name).read_bytes())
    with open(target, "r+b") as f:
        f.seek(0, 2)
        f.write((1).to_bytes(4, "big") + b"free" + bytes_more.to_bytes(8, "big"))
        f.truncate(f.tell() + bytes_more - 16)
    return target


def truncated(target, part):
    """The first `part` of a fragmented file: its index is spread, so what is there can be played."""
    whole = target.with_name("whole-" + target.name)
    pattern(
        whole,
        seconds=8,
        video=["-g", "25"],
        output=["-movflags", "+faststart"],
    )
    data = whole.read_bytes()
    target.write_bytes(data[: int(len(data) * part)])
    return target


def archive(target):
    with zipfile.ZipFile(target, "w") as z:
        z.write(clip("tiny"), "video.mp4")
    return target


# Texts that make a media tool open something else, if it believes them.
PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{url}\n#EXT-X-ENDLIST\n",
    "hls_master": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100000\n{url}\n",
    "ffconcat": "ffconcat version 1.0\nfile original.mp4\nfile {url}\n",
    "dash": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT4S" minBufferTime="PT1S" '
    'profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet '
    'mimeType="video/mp4"><Representation id="1" bandwidth="100000"><BaseURL>{url}</BaseURL>'
    "</Representation></AdaptationSet></Period></MPD>\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "pls": "[playlist]\nFile1={url}\nNumberOfEntries=1\n",
    "svg": '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">'
    '<image href="{url}" width="9" height="9"/></svg>\n',
}
