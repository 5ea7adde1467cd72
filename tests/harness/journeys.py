"""Videos and events on their way through a stack in which processes die, and what must hold afterwards: every
step is taken again until it is answered, and whatever was acknowledged is remembered."""

import contextlib
import hashlib
import random
import secrets
import subprocess
import threading
import time
import urllib.parse

import requests

from harness import hls
from harness.api import TusUpload, session
from harness.processes import descendants
from harness.wait import wait_until
from media import generated

CHUNK = 512 << 10
STEP_TIMEOUT_S = 120
READY_TIMEOUT_S = 180
# What a client is to expect while something is away. 409 and 423: its own request before is not over yet.
AWAY = (409, 423, 502, 503, 504)


class Clip:
    """A moving picture of a second or two, with so much noise behind it that sending it takes several requests."""

    def __init__(self, directory, number, seconds=1, padding=2 << 20, size="320x240"):
        self.name = f"clip-{number}"
        self.path = directory / f"{self.name}.mp4"
        generated.pattern(self.path, size, seconds, fps=20 + 5 * number, sound=2)
        with open(self.path, "ab") as f:
            f.write((padding + 8).to_bytes(4, "big") + b"free")
            f.write(random.Random(number).randbytes(padding))
        self.sha256 = hashlib.sha256(self.path.read_bytes()).hexdigest()


class Gated:
    """The body of a request that is on its way until the gate opens."""

    def __init__(self, data, gate, timeout_s=60):
        self.data, self.gate, self.timeout_s = data, gate, timeout_s
        self.position = 0
        self.half_sent = threading.Event()

    def __len__(self):
        return len(self.data)

    def read(self, count=-1):
        half = len(self.data) // 2
        if self.position < half:
            end = half
        else:
            self.half_sent.set()
            self.gate.wait(self.timeout_s)
            end = len(self.data)
        part = self.data[self.position : end if count < 0 else min(end, self.position + count)]
        self.position += len(part)
        return part


class Journey:
    """One video. `seen` are all (state, version) that it was found in, in order."""

    def __init__(self, platform, clip):
        self.platform = platform
        self.clip = clip
        self.video = None
        self.upload = None
        self.key = secrets.token_hex(8)
        self.seen = []
        self.refusals = {}  # status: how often

    def persist(self, step, good, timeout_s=STEP_TIMEOUT_S):
        """Takes a step until its answer is `good`; what is no sign of absence is a failure."""

        def once():
            try:
                answer = step()
            except requests.RequestException:
                return None
            if answer.status_code in good:
                return answer
            assert answer.status_code in AWAY, f"{answer.status_code}: {answer.text[:400]}"
            self.refusals[answer.status_code] = self.refusals.get(answer.status_code, 0) + 1
            return None

        said = f"one of {good}, after {self.refusals}"
        return wait_until(once, timeout_s, said, 0.1)

    def create(self):
        self.video = self.persist(
            lambda: self.platform.api.call(
                "POST",
                "/v1/videos",
                json={"title": self.clip.name},
                headers={"Idempotency-Key": self.key},
            ),
            (201,),
        ).json()
        self.upload = TusUpload(self.video["upload"]["url"], self.clip.path)
        return self

    def begin(self):
        """The upload's creation."""
        fields = {"Upload-Length": str(self.upload.length)}
        made = self.persist(
            lambda: self.upload.request("POST", self.upload.creation_url, fields), (201,)
        )
        self.upload.location = urllib.parse.urljoin(
            self.upload.creation_url, made.headers["Location"]
        )
        return self

    def send_half(self, gate=None):
        """Half of it is acknowledged; what comes next is on its way until the gate opens."""
        half = self.upload.length // 2 // CHUNK * CHUNK
        self.send(half)
        if gate:
            data = self.upload.read(half, self.upload.length - half)
            body = Gated(data, gate)
            thread = threading.Thread(target=self._send_gated, args=(half, body), daemon=True)
            thread.start()
            assert body.half_sent.wait(60), "the request is on its way"
            return thread

    def _send_gated(self, offset, body):
        with contextlib.suppress(requests.RequestException):
            self.upload.patch(offset, body)

    def send(self, end=None):
        """To the end, from wherever the server says that it is."""
        end = self.upload.length if end is None else end
        deadline = time.monotonic() + STEP_TIMEOUT_S
        while self.upload.acknowledged < end:
            assert time.monotonic() < deadline, f"stuck at {self.upload.acknowledged}"
            self.find_offset()
            with contextlib.suppress(requests.RequestException):
                while self.upload.acknowledged < end:
                    offset = self.upload.acknowledged
                    answer = self.upload.patch(
                        offset, self.upload.read(offset, min(CHUNK, end - offset))
                    )
                    if answer.status_code != 204:
                        assert answer.status_code in AWAY, (
                            f"{answer.status_code} {answer.text[:400]}"
                        )
                        time.sleep(0.1)
                        break
        return self

    def find_offset(self):
        told = self.persist(
            lambda: self.upload.request("HEAD", self.upload.location), (200, 204)
        ).headers["Upload-Offset"]
        acknowledged = self.upload.acknowledged
        assert int(told) >= acknowledged, f"{acknowledged} was acknowledged, now it is {told}"
        self.upload.acknowledged = int(told)

    def tell(self):
        body = {"upload_id": self.upload.upload_id}
        path = f"/v1/videos/{self.video['id']}/complete"
        self.persist(lambda: self.platform.api.call("POST", path, json=body), (202,))
        return self

    def look(self):
        path = f"/v1/videos/{self.video['id']}"
        video = self.persist(lambda: self.platform.api.call("GET", path), (200,)).json()
        state = (video["state"], video["version"])
        if state not in self.seen[-1:]:
            self.seen.append(state)
        return video

    def wait_state(self, *states, timeout_s=READY_TIMEOUT_S):
        def reached():
            video = self.look()
            if video["state"] in ("READY", "FAILED") and video["state"] not in states:
                raise AssertionError(f"{video['state']}: {video['error']}")
            return video if video["state"] in states else None

        return wait_until(
            reached, timeout_s, lambda: f"{self.video['id']} is in {states}: {self.seen}", 0.05
        )

    def whole_way(self):
        return self.create().begin().send().tell()


def decoded(platform, video_id, directory):
    """{rendition: [hash of each decoded picture and block of sound]}, as a player would get them."""
    http = session()
    url = wait_until(
        lambda: playback(platform, video_id), STEP_TIMEOUT_S, "a playback link is given", 0.1
    )

    def fetch(address):
        def once():
            try:
                answer = http.get(address, timeout=30)
            except requests.RequestException:
                return None
            assert answer.status_code in (200, *AWAY), f"{answer.status_code}: {answer.text[:300]}"
            return answer if answer.status_code == 200 else None

        return wait_until(once, STEP_TIMEOUT_S, f"{address} is served", 0.1)

    found = {}
    for variant in hls.parse_master(fetch(url).text, url):
        _, segments = hls.parse_media(fetch(variant.url).text)
        path = directory / f"{video_id}-{variant.name}.ts"
        parts = [fetch(urllib.parse.urljoin(variant.url, s.uri)).content for s in segments]
        path.write_bytes(b"".join(parts))
        command = ["ffmpeg", "-nostdin", "-v", "error", "-xerror", "-i", str(path)]
        command += ["-fps_mode", "passthrough", "-f", "framemd5", "-"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0 and not done.stderr.strip(), done.stderr[-600:]
        rows = [line for line in done.stdout.splitlines() if not line.startswith("#")]
        assert rows, "nothing was decoded"
        # Stream, times and contents.
        found[variant.name] = rows
        path.unlink()
    return found


def playback(platform, video_id):
    try:
        answer = platform.api.call("POST", f"/v1/videos/{video_id}/playback", json={})
    except requests.RequestException:
        return None
    assert answer.status_code in (201, *AWAY), f"{answer.status_code}: {answer.text[:300]}"
    return answer.json()["manifest_url"] if answer.status_code == 201 else None


def different(found, expected):
    """Where two results of decoded() begin to differ."""
    for name in expected.keys() | found.keys():
        mine, theirs = found.get(name, []), expected.get(name, [])
        rows = [n for n, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b]
        if rows or len(mine) != len(theirs):
            first = rows[0] if rows else min(len(mine), len(theirs))
            pair = f"{mine[first : first + 1]} instead of {theirs[first : first + 1]}"
            return f"{name}: {len(mine)} for {len(theirs)}, {len(rows)} differ: {pair}"
    return "they are the same"


class Undisturbed:
    """What comes of each clip when nothing dies."""

    def __init__(self, platform, clips, directory):
        self.directory = directory
        self.frames = {}
        self.version = None
        journeys = [Journey(platform, clip).whole_way() for clip in clips]
        for journey in journeys:
            ready = journey.wait_state("READY")
            self.frames[journey.clip.name] = decoded(platform, ready["id"], directory)
            # Each change of state makes it one more.
            assert self.version in (None, ready["version"]), "the same story, another number"
            self.version = ready["version"]

    def check(self, platform, journey):
        """A video that was READY at last: as if nothing had happened."""
        video = journey.look()
        states = [state for state, _ in journey.seen]
        assert states == sorted(states, key=["CREATED", "PROCESSING", "READY"].index), journey.seen
        assert (video["state"], video["generation"]) == ("READY", 1)
        assert video["version"] == self.version, f"a state changed twice: {journey.seen}"
        body = platform.raw(f"{journey.upload.upload_id}/original.mp4")
        assert hashlib.sha256(body).hexdigest() == journey.clip.sha256, "the source is another"
        frames = decoded(platform, video["id"], self.directory)
        assert frames == self.frames[journey.clip.name], different(
            frames, self.frames[journey.clip.name]
        )
        # READY is its last step but one, and lists of runs are a moment late.
        wait_until(
            lambda: platform.runs(video["id"]) == ["COMPLETED"],
            60,
            lambda: f"one run, which is over: {platform.runs(video['id'])}",
            0.1,
        )


class Events:
    """Batches of playback events, each sent once. Acknowledged ones count once; of the others nobody knows."""

    SIZE = 5

    def __init__(self, platform, interval_s=0.05):
        self.platform = platform
        self.session = f"s-{secrets.token_hex(8)}"
        self.interval_s = interval_s
        self.acknowledged = set()
        self.unknown = set()
        self.sent = 0
        self.trouble = None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.over.set()
        self.thread.join(60)

    def _run(self):
        http = session()
        while not self.over.wait(self.interval_s):
            self.post(http)

    def post(self, http):
        numbers = range(self.sent, self.sent + self.SIZE)
        self.sent += self.SIZE
        events = [
            {
                "event_type": "heartbeat",
                "video_id": "v",
                "session_id": self.session,
                "seq": n,
                "value": 1,
            }
            for n in numbers
        ]
        try:
            answer = http.post(
                self.platform.url + "/v1/events", json={"events": events}, timeout=30
            )
            if answer.status_code == 204:
                self.acknowledged.update(numbers)
                return
            if answer.status_code not in AWAY:
                self.trouble = f"{answer.status_code}: {answer.text[:300]}"
        except requests.RequestException:
            pass
        self.unknown.update(numbers)

    def counted(self):
        """{seq: how often it is stored}"""
        rows = self.platform.ask_events(
            "SELECT seq, count() FROM vora.PlaybackEvents"
            f" WHERE session_id = '{self.session}' GROUP BY seq FORMAT TabSeparated"
        )
        return {int(seq): int(count) for seq, count in rows}

    def check(self, timeout_s=60):
        """After the end: each that was acknowledged is there once, and none is there twice."""
        assert self.over.is_set() and self.trouble is None, self.trouble
        assert self.acknowledged, "none was acknowledged"
        wait_until(
            lambda: not self.acknowledged - self.counted().keys(),
            timeout_s,
            lambda: f"missing: {sorted(self.acknowledged - self.counted().keys())[:20]}",
            0.2,
        )
        counted = self.counted()
        assert set(counted.values()) == {1}, {n: c for n, c in counted.items() if c != 1}
        assert counted.keys() <= self.acknowledged | self.unknown


def kill_among(platform, name, clips):
    """Two videos, one of which is being encoded and one half uploaded at the moment in which `name` dies; then both go
    on. Returns them when both are READY and everything runs again."""
    processed, uploaded = (Journey(platform, clip) for clip in clips)
    gate = threading.Event()
    uploaded.create().begin()
    sending = uploaded.send_half(gate)
    processed.whole_way()
    # Of the worker nothing but an encode that is lost with it costs anything.
    encoding = lambda: "ffmpeg" in descendants(platform.pid("worker")).values()  # noqa: E731
    wait_until(
        lambda: processed.look()["state"] == "READY" or encoding(), 60, "it is being encoded", 0.01
    )
    pid = platform.kill(name)
    gate.set()
    sending.join(60)
    uploaded.send().tell()
    for journey in (processed, uploaded):
        journey.wait_state("READY")
    platform.wait_back(name, pid)
    return processed, uploaded
