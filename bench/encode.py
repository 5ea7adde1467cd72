"""What the pipeline costs above the encoding itself: one plain ffmpeg with the same ladder in the same run."""

import os
import subprocess
import time

import measure


def plain_ffmpeg(source, out):
    """One ffmpeg with the same ladder, rate control and segments, without limits, checks or a platform."""
    rungs = [(1080, 1920, 5_000_000), (720, 1280, 2_800_000), (360, 640, 800_000)]
    graph = "[0:v:0]split=3" + "".join(f"[i{h}]" for h, _, _ in rungs)
    graph += "".join(f";[i{h}]scale={w}:{h},setsar=1,format=yuv420p[o{h}]" for h, w, _ in rungs)
    command = ["ffmpeg", "-v", "error", "-y", "-nostdin", "-i", str(source), "-filter_complex", graph]
    for height, _, rate in rungs:
        folder = out / f"{height}p"
        folder.mkdir(parents=True)
        command += ["-map", f"[o{height}]", "-map", "0:a:0", "-c:v", "libx264", "-preset", "veryfast", "-crf", "21",
                    "-maxrate", str(int(rate * 1.07)), "-bufsize", str(rate * 2), "-force_key_frames",
                    "expr:gte(t,n_forced*4)", "-sc_threshold", "0", "-g", "9999", "-c:a", "aac", "-b:a", "128k",
                    "-ac", "2", "-f", "hls", "-hls_time", "4", "-hls_list_size", "0", "-start_number", "1",
                    "-hls_segment_filename", str(folder / "seg_%02d.ts"), str(folder / "playlist.m3u8")]
    before = os.times()
    subprocess.run(command, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def bench():
    server = measure.Server()
    try:
        clip = server.dir / "clip.mp4"
        measure.make_clip(clip, 16)
        own_before, before = server.cpu_seconds(), server.cpu_seconds(children=True)
        started = time.monotonic()
        done = server.upload(clip, "--wait")
        wall = time.monotonic() - started
        if done.returncode != 0:
            raise SystemExit("the clip failed: " + done.stderr)
        vora = server.cpu_seconds(children=True) - before
        own = server.cpu_seconds() - own_before
        plain = plain_ffmpeg(clip, server.dir / "plain")
        return {"clip_s": 16, "children_cpu_s": round(vora, 1), "own_cpu_s": round(own, 2),
                "plain_ffmpeg_cpu_s": round(plain, 1), "ratio": round((vora + own) / plain, 3),
                "upload_to_ready_wall_s": round(wall, 1)}
    finally:
        server.stop()
