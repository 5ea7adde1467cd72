"""The long form of tests/e2e/real/test_stack_kill.py: every process of a stack killed at every named moment, for several
seeds, among ten videos each; then every named point of the services' own (docs/testing.md). Writes
docs/kill-matrix-real.md.

    python3 -m tools.kill_matrix [--seeds 3] [--videos 10] [--only worker,minio] [--report FILE]
"""

import argparse
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from harness.journeys import Clip, Events, Journey, Undisturbed  # noqa: E402
from harness.platform import PROCESSES, SAME_PICTURES, started  # noqa: E402
from harness.wait import wait_until  # noqa: E402

MOMENTS = {
    "sending": "while the first upload is half sent",
    "encoding": "while the first video is being encoded",
    "ready": "when half of the videos are READY",
    "told": "right after the first completion was acknowledged",
    "again": "while sending, and again as soon as it is back",
}
# Point, and the service that has it. The kill comes from within, at exactly that place.
POINTS = (
    ("upload", "upload.part_durable"),
    ("upload", "upload.part_durable:3"),
    ("upload", "upload.before_hook"),
    ("upload", "upload.after_hook"),
    ("metadata", "metadata.after_processing"),
    ("metadata", "metadata.before_ready"),
    ("worker", "worker.mid_probe"),
    ("worker", "worker.mid_encode"),
    ("worker", "worker.before_publish"),
    ("analytics", "analytics.appended"),
    ("analytics", "analytics.planned"),
    ("analytics", "analytics.before_insert"),
    ("analytics", "analytics.after_insert"),
    ("analytics", "analytics.before_ack"),
    ("analytics", "analytics.acked"),
)


class Round:
    """Some videos at once, and what happens to them."""

    def __init__(self, platform, clips, count, dice):
        self.journeys = [Journey(platform, clips[n % len(clips)]) for n in range(count)]
        self.platform = platform
        self.dice = dice
        self.half_sent = threading.Event()
        self.told = threading.Event()
        self.over = threading.Event()

    def travel(self, journey):
        journey.create().begin()
        journey.send(journey.upload.length // 2)
        self.half_sent.set()
        journey.send().tell()
        self.told.set()
        return journey.wait_state("READY")

    def wait_for(self, moment):
        if moment in ("sending", "again"):
            assert self.half_sent.wait(120)
        elif moment == "told":
            assert self.told.wait(120)
        elif moment == "encoding":
            wait_until(
                lambda: any(self.stage(j) == "encoding" for j in self.journeys), 120, moment, 0.02
            )
        else:
            half = (len(self.journeys) + 1) // 2
            wait_until(lambda: self.ready() >= half, 300, moment)
        # Not always at the same place.
        time.sleep(self.dice.uniform(0, 0.3))

    def stage(self, journey):
        if not journey.video:
            return None
        video = journey.platform.api.get(journey.video["id"])
        # What ends in no time is never seen at work.
        done = video["state"] == "READY"
        return "encoding" if done else (video.get("progress") or {}).get("stage")

    def ready(self):
        return sum(1 for j in self.journeys if j.seen and j.seen[-1][0] == "READY")

    def run(self, kill):
        """All videos to READY, `kill` in the middle of it; returns how many seconds that took."""
        began = time.monotonic()
        with ThreadPoolExecutor(len(self.journeys) + 1) as pool:
            travels = [pool.submit(self.travel, journey) for journey in self.journeys]
            killing = pool.submit(kill, self)
            for travel in travels:
                travel.result()
            killing.result()
        return time.monotonic() - began


def kill_from_outside(name, moment):
    def kill(round_):
        platform = round_.platform
        for _ in range(2 if moment == "again" else 1):
            round_.wait_for(moment)
            platform.wait_back(name, platform.kill(name), 120)

    return kill


def kill_from_within(name, point):
    """The service is put in place of the supervised one, armed; after its death the stack starts its own again."""

    def kill(round_):
        assert round_.armed.wait(180) is not None, f"{point} was not reached"
        stack(round_.platform, "restart", name)

    return kill


class Armed:
    """One service with a fault point, on a stack that leaves the dead alone."""

    def __init__(self, platform, name, point):
        entry = platform.entries()[name]
        pid = platform.kill(name)
        wait_until(
            lambda: platform.entries()[name]["state"] == "down", 60, f"{name} {pid} is seen dead"
        )
        environment = {k: v for k, v in os.environ.items() if not k.startswith("VORA_")}
        environment["VORA_FAULT_POINT"] = point
        with open(entry["log"], "ab") as out:
            self.process = subprocess.Popen(
                entry["command"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=platform.directory / name,
                env=environment,
                start_new_session=True,
            )
        wait_until(
            lambda: self.process.poll() is not None or platform.readiness(entry["admin"]) == 200,
            60,
            f"{name} is ready",
        )

    def wait(self, timeout_s):
        try:
            return self.process.wait(timeout_s) == -signal.SIGKILL or None
        except subprocess.TimeoutExpired:
            return None

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)


def stack(platform, *words):
    command = [sys.executable, "-m", "tools.stack.stack", *words, "--data", str(platform.directory)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def check(platform, undisturbed, round_, events):
    for journey in round_.journeys:
        undisturbed.check(platform, journey)
    platform.wait_all_up(180)
    events.check(120)


class Matrix:
    def __init__(self, options, directory):
        self.options = options
        self.directory = directory
        self.clips = [Clip(directory, number) for number in (1, 2, 3)]
        self.cells = {}  # (name, moment or point): [seconds or trouble]
        self.videos = 0
        self.events = 0

    def one(self, platform, undisturbed, kill, seed, armed=None):
        round_ = Round(platform, self.clips, self.options.videos, random.Random(seed))
        round_.armed = armed
        try:
            with Events(platform) as events:
                took = round_.run(kill)
            check(platform, undisturbed, round_, events)
        except Exception as trouble:  # noqa: BLE001  the others are to be tried, too
            return f"FAILED: {trouble}"
        self.videos += len(round_.journeys)
        self.events += len(events.acknowledged)
        return took

    def note(self, name, moment, outcomes):
        self.cells[name, moment] = outcomes
        print(f"{name:12} {moment:26} {shown(outcomes)}", flush=True)
        # A matrix takes long, and what is known is worth having when it is broken off.
        pathlib.Path(self.options.report).write_text(self.report())

    def from_outside(self, names):
        with started(SAME_PICTURES) as platform:
            undisturbed = Undisturbed(platform, self.clips, self.directory)
            self.note("nothing", "-", [self.one(platform, undisturbed, lambda _: None, "calm")])
            for moment in MOMENTS:
                for name in names:
                    seeds = [f"{name}-{moment}-{n}" for n in range(self.options.seeds)]
                    kill = kill_from_outside(name, moment)
                    self.note(
                        name,
                        moment,
                        [self.one(platform, undisturbed, kill, seed) for seed in seeds],
                    )

    def from_within(self, names):
        points = [(name, point) for name, point in POINTS if name in names]
        if not points:
            return
        with started("--no-supervise", SAME_PICTURES) as platform:
            undisturbed = Undisturbed(platform, self.clips, self.directory)
            for name, point in points:
                armed = Armed(platform, name, point)
                try:
                    kill = kill_from_within(name, point)
                    outcome = self.one(platform, undisturbed, kill, point, armed)
                finally:
                    armed.end()
                    stack(platform, "restart", name)
                self.note(name, point, [outcome])

    def good(self):
        return not any(isinstance(o, str) for outcomes in self.cells.values() for o in outcomes)

    def report(self):
        seeds, videos = self.options.seeds, self.options.videos
        rounds = sum(len(outcomes) for outcomes in self.cells.values())
        calm = shown(self.cells.get(("nothing", "-"), []))
        lines = [
            "# Kills on the real systems",
            "",
            f"Written by `python3 -m tools.kill_matrix --seeds {seeds} --videos {videos}`. Each round sends {videos}",
            "videos of a second through a whole stack at once, playback events beside them, and kills one process",
            "with SIGKILL. Shown are the seconds from the first creation to the last READY, of each seed; undisturbed",
            f"it is {calm}. A round counts when every video is READY with one workflow, its source is byte for byte",
            "the client's, its decoded pictures and sound are those of an undisturbed run, its version says that no",
            "state changed twice, every acknowledged event is stored once and none twice, and every process runs and",
            "is ready again.",
            "",
            f"{rounds} rounds; {self.videos} videos and {self.events} acknowledged events went through good ones.",
            "",
            "| killed | " + " | ".join(MOMENTS) + " |",
            "|---|" + "---|" * len(MOMENTS),
        ]
        for name in PROCESSES:
            found = [self.cells.get((name, moment), []) for moment in MOMENTS]
            if any(found):
                lines.append(
                    f"| {name} | " + " | ".join(shown(each) or "-" for each in found) + " |"
                )
        lines += ["", *(f"- *{moment}*: {meaning}." for moment, meaning in MOMENTS.items())]
        lines += ["", "Up to 0.3 s later, by the seed. What stands as `-` was not run.", ""]
        points = [point for name, point in POINTS if (name, point) in self.cells]
        if points:
            lines += [
                "A service that kills itself at a named point (`docs/testing.md`):",
                "",
                "| point | seconds |",
                "|---|---|",
                *(f"| `{p}` | {shown(self.cells[n, p])} |" for n, p in POINTS if p in points),
                "",
            ]
        return "\n".join(lines)


def shown(outcomes):
    return ", ".join(o.splitlines()[0] if isinstance(o, str) else f"{o:.1f}" for o in outcomes)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--videos", type=int, default=10)
    parser.add_argument("--only", default=",".join(PROCESSES), help="names of processes")
    parser.add_argument("--report", default=str(ROOT / "docs" / "kill-matrix-real.md"))
    options = parser.parse_args()
    names = options.only.split(",")
    for name in names:
        if name not in PROCESSES:
            parser.error(f"{name} is none of {', '.join(PROCESSES)}")
    with tempfile.TemporaryDirectory(prefix="vora-matrix-") as directory:
        matrix = Matrix(options, pathlib.Path(directory))
        matrix.from_outside(names)
        matrix.from_within(names)
    return 0 if matrix.good() else 1


if __name__ == "__main__":
    sys.exit(main())
