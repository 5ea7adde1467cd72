"""Measures Vora beside a plain peer in the same run and writes bench/results/latest.json.

    ./vora bench                 everything
    ./vora bench start upload    only these

CPU-seconds are what to compare between machines; wall times depend on what else runs.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARY = Path(os.environ.get("VORA_BIN", ROOT / "build" / "bin" / "vora"))
TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """A `vora up` of its own on a temporary directory."""

    def __init__(self, *flags):
        self.dir = Path(tempfile.mkdtemp(prefix="vora-bench-"))
        self.log = (self.dir / "stdout.log").open("w")
        started = time.monotonic()
        self.process = subprocess.Popen(
            [str(BINARY), "up", "--data", str(self.dir / "data"), "--listen", "127.0.0.1:0", "--no-open", *flags],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)
        self.wait_ready()
        self.start_seconds = time.monotonic() - started

    def wait_ready(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                run = json.loads((self.dir / "data" / "run.json").read_text())
                self.url = run["http"] if run["http"].startswith("http") else "http://" + run["http"]
                with urllib.request.urlopen(self.url + "/readyz", timeout=2) as answer:
                    if answer.status == 200:
                        self.token = (self.dir / "data" / "api.token").read_text().strip()
                        return
            except (OSError, ValueError, KeyError):
                time.sleep(0.01)
        raise SystemExit("the server did not become ready: " + (self.dir / "stdout.log").read_text())

    def cpu_seconds(self, children=False):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        own = int(fields[11]) + int(fields[12])
        waited_for = int(fields[13]) + int(fields[14])
        return (waited_for if children else own) / TICKS

    def rss_mib(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        return 0.0

    def upload(self, path, *flags):
        return subprocess.run([str(BINARY), "upload", str(path), "--data", str(self.dir / "data"), "--json", *flags],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


def bench_start():
    first = Server()
    first.stop()
    server = Server()
    time.sleep(5)  # what is left after start-up work has ended
    before = server.cpu_seconds()
    time.sleep(10)
    figures = {
        "start_s": round(server.start_seconds, 3),
        "idle_rss_mib": round(server.rss_mib(), 1),
        "idle_cpu_percent": round((server.cpu_seconds() - before) / 10 * 100, 2),
    }
    server.stop()
    return figures


def bench_upload():
    server = Server()
    source = server.dir / "one.gib"
    with source.open("wb") as out:
        block = os.urandom(16 << 20)
        for _ in range(64):
            out.write(block)
    before = server.cpu_seconds()
    started = time.monotonic()
    server.upload(source)
    wall = time.monotonic() - started
    figures = {"server_cpu_s_per_gib": round(server.cpu_seconds() - before, 2), "wall_s": round(wall, 2),
               "rss_after_mib": round(server.rss_mib(), 1)}
    # The floor: the same bytes copied by cp on the same disk.
    copy = subprocess.run(["bash", "-c", f"times_before=$(times); cp {source} {source}.copy; sync {source}.copy; times"],
                          capture_output=True, text=True).stdout.split("\n")[1]
    figures["cp_cpu_s_per_gib"] = round(sum(minutes_to_seconds(t) for t in copy.split()), 2)
    server.stop()
    return figures


def minutes_to_seconds(text):
    minutes, seconds = text.rstrip("s").split("m")
    return int(minutes) * 60 + float(seconds)


def make_clip(path, seconds):
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-nostdin", "-f", "lavfi", "-i",
                    f"testsrc2=size=1920x1080:rate=25:duration={seconds},noise=alls=8:allf=t",
                    "-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={seconds}",
                    "-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p",
                    "-c:a", "aac", "-shortest", str(path)], check=True)


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


def bench_encode():
    server = Server()
    clip = server.dir / "clip.mp4"
    make_clip(clip, 16)
    own_before, before = server.cpu_seconds(), server.cpu_seconds(children=True)
    started = time.monotonic()
    done = server.upload(clip, "--wait")
    wall = time.monotonic() - started
    if done.returncode != 0:
        raise SystemExit("the clip failed: " + done.stderr)
    vora = server.cpu_seconds(children=True) - before
    own = server.cpu_seconds() - own_before
    plain = plain_ffmpeg(clip, server.dir / "plain")
    server.stop()
    return {"clip_s": 16, "children_cpu_s": round(vora, 1), "own_cpu_s": round(own, 2),
            "plain_ffmpeg_cpu_s": round(plain, 1), "ratio": round((vora + own) / plain, 3),
            "upload_to_ready_wall_s": round(wall, 1)}


BENCHES = {"start": bench_start, "upload": bench_upload, "encode": bench_encode}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*BENCHES, []], help="which (default: all)")
    names = parser.parse_args().names or list(BENCHES)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    results = {"commit": commit, "machine": f"{platform.machine()}, {os.cpu_count()} cores",
               "date": time.strftime("%Y-%m-%d"), "figures": {}}
    for name in names:
        print(f"==> {name}", file=sys.stderr, flush=True)
        results["figures"][name] = BENCHES[name]()
    out = ROOT / "bench" / "results"
    out.mkdir(exist_ok=True)
    (out / "latest.json").write_text(json.dumps(results, indent=1) + "\n")
    print(f"{'bench':10} {'figure':28} value")
    for name, figures in results["figures"].items():
        for key, value in figures.items():
            print(f"{name:10} {key:28} {value}")


if __name__ == "__main__":
    main()
