"""Load of every kind for a while, and whether memory, files or threads grew.

Uploads of real clips to READY, uploads of noise (refused, then deleted), playback, events and API reads run
side by side at a modest pace. The first fifth is warm-up; then the middle of the next fifth is compared with
the middle of the last.
"""

import json
import os
import random
import statistics
import threading
import time
import urllib.error
import urllib.request

import measure
import upload

SAMPLE_S = 5
# Growth that is not called growth: the allocator's and the caches' own breathing.
RSS_SLACK = 1.10
RSS_SLACK_MIB = 8
FILES_SLACK = 16


class Load:
    def __init__(self, server, clip, noise):
        self.server, self.clip, self.noise = server, clip, noise
        self.target = upload.Vora(server)
        self.stopping = threading.Event()
        self.counts, self.failures, self.lock = {}, [], threading.Lock()
        self.video = server.ready_video(clip)

    def count(self, what, n=1):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + n

    def repeat(self, what, pause_s, step):
        while not self.stopping.is_set():
            try:
                step()
                self.count(what)
            except (OSError, SystemExit, urllib.error.URLError) as failure:
                with self.lock:
                    self.failures.append(f"{what}: {failure}")
            self.stopping.wait(pause_s)

    def get(self, path):
        with urllib.request.urlopen(self.server.url + path, timeout=30) as answer:
            return len(answer.read())

    def encode(self):
        video = self.server.ready_video(self.clip)
        self.target.forget(video["id"], None)

    def send_noise(self):
        creation, video_id = self.target.creation_url()
        upload.tus_upload(self.server.address, creation, self.noise)
        self.target.forget(video_id, None)

    def play(self):
        base = f"/play/public/{self.video['id']}"
        self.get(base + "/master.m3u8")
        for rendition in self.video["renditions"]:
            self.get(f"{base}/{rendition['name']}/playlist.m3u8")
            self.count("bytes_played", self.get(f"{base}/{rendition['name']}/seg_01.ts"))

    def tell(self):
        text = json.dumps({"events": [{"event_type": "heartbeat", "video_id": self.video["id"], "value": 10_000,
                                       "session_id": f"s{random.randrange(1000)}"} for _ in range(20)]})
        request = urllib.request.Request(self.server.url + "/v1/events", data=text.encode(),
                                         headers={"Content-Type": "text/plain"})
        urllib.request.urlopen(request, timeout=30).read()
        self.count("events_sent", 20)

    def look(self):
        self.server.call("GET", "/v1/videos?page_size=20")

    def start(self):
        steps = [("encodes", 5, self.encode), ("uploads", 1, self.send_noise), ("plays", 0.05, self.play),
                 ("plays", 0.05, self.play), ("event_posts", 0.02, self.tell), ("lists", 0.1, self.look)]
        self.threads = [threading.Thread(target=self.repeat, args=step, daemon=True) for step in steps]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(timeout=120)


def sample(server, started):
    return {"s": round(time.monotonic() - started), "rss_mib": round(measure.rss_mib(server.pid), 1),
            "open_files": measure.open_files(server.pid), "threads": measure.status_of(server.pid, "Threads"),
            "children_rss_mib": {name: round(measure.rss_mib(pid), 1)
                                 for pid, name in measure.children_of(server.pid).items()
                                 if not name.startswith("ff") and os.path.exists(f"/proc/{pid}/status")}}


def verdict(samples):
    fifth = max(1, len(samples) // 5)
    early, late = samples[fifth:2 * fifth] or samples[:1], samples[-fifth:]
    figures = {}
    grew = []
    for key, limit in (("rss_mib", None), ("open_files", FILES_SLACK), ("threads", 0)):
        a = statistics.median(s[key] for s in early)
        b = statistics.median(s[key] for s in late)
        figures[f"{key}_early"], figures[f"{key}_late"] = a, b
        allowed = max(a * RSS_SLACK, a + RSS_SLACK_MIB) if limit is None else a + limit
        if b > allowed:
            grew.append(key)
    figures["rss_mib_max"] = max(s["rss_mib"] for s in samples)
    figures["grew"] = grew
    return figures


def bench(minutes):
    server = measure.Server(engine=True)
    try:
        server.engine_ready()
        clip, noise = server.dir / "clip.mp4", server.dir / "noise"
        measure.make_clip(clip, 4, 320, 180)
        noise.write_bytes(os.urandom(16 << 20))
        load = Load(server, clip, noise)
        started = time.monotonic()
        load.start()
        samples = []
        while time.monotonic() - started < minutes * 60:
            time.sleep(SAMPLE_S)
            samples.append(sample(server, started))
        load.stop()
        time.sleep(5)
        figures = {"minutes": minutes, **verdict(samples), "after_load": sample(server, started)}
        figures["cpu_s"] = round(server.cpu_seconds(), 1)
        figures["done"] = load.counts
        figures["failures"] = len(load.failures)
        figures["first_failures"] = load.failures[:5]
        figures["samples"] = samples[::max(1, len(samples) // 30)]
        return figures
    finally:
        server.stop()
