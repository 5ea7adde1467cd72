"""Videos per minute when encoding costs nothing: the pipeline itself, on the embedded engine and on Temporal."""

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import measure
import replayed_encoder
from real_stack import Stack

VIDEOS = 60
UPLOADERS = 4
PATIENCE_S = 600


def run(server, clip):
    """Seconds from the first upload to the last READY."""
    server.ready_video(clip)  # what the encoder did is kept from here on
    # One name each: the CLI goes on with an unfinished upload of the same file.
    clips = [clip.with_name(f"clip-{n}.mp4") for n in range(VIDEOS)]
    for each in clips:
        each.hardlink_to(clip)
    started = time.monotonic()
    with ThreadPoolExecutor(UPLOADERS) as pool:
        for done in pool.map(server.upload, clips):
            if done.returncode != 0:
                raise SystemExit("an upload failed: " + done.stderr)
    while time.monotonic() - started < PATIENCE_S:
        listed = server.call("GET", "/v1/videos?page_size=200")["videos"]
        if any(v["state"] == "FAILED" for v in listed):
            raise SystemExit(f"a video failed: {[v['error'] for v in listed if v['error']][0]}")
        if sum(v["state"] == "READY" for v in listed) == VIDEOS + 1:
            return time.monotonic() - started
        time.sleep(0.1)
    raise SystemExit("the videos were not ready in time")


def bench():
    figures = {"videos": VIDEOS}
    for name, make in (("embedded", measure.Server), ("temporal", Stack)):
        with tempfile.TemporaryDirectory(prefix="vora-bench-tools-") as directory:
            tools = replayed_encoder.make(Path(directory) / "tools")
            server = make(f"--media.ffmpeg={tools}/ffmpeg")
            try:
                clip = server.dir / "clip.mp4"
                measure.make_clip(clip, 2, 320, 240)
                figures[f"videos_per_minute_{name}"] = round(60 * VIDEOS / run(server, clip), 1)
            finally:
                server.stop()
    return figures
