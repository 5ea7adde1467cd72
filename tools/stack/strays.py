"""Processes of an earlier run on the same directory: found by where they work and what they are, and ended."""

import os
import signal
import time

PROGRAMS = {
    "postgres",
    "minio",
    "temporal-server",
    "temporal-ui",
    "varnishd",
    "nginx",
    "java",
    "ffmpeg",
    "ffprobe",
    "vora-event-engine",
    *(
        f"vora-{name}"
        for name in ("upload", "metadata", "workflow", "worker", "gateway", "analytics", "dashboard")
    ),
}


def _link(pid, name):
    try:
        return os.readlink(f"/proc/{pid}/{name}").removesuffix(" (deleted)")
    except OSError:
        return ""


def start_time(pid):
    """Tells a process from a later one with the same number; None when there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            text = f.read()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return None if fields[0] in ("Z", "X") else int(fields[19])


def find(directories):
    """{pid: program} of servers that work below one of the directories."""
    places = [os.path.realpath(directory) + "/" for directory in directories]
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        program = os.path.basename(_link(entry, "exe"))
        where = _link(entry, "cwd") + "/"
        # Below, not in it: that may be somebody's shell.
        inside = any(where.startswith(place) and where != place for place in places)
        if program in PROGRAMS and inside:
            if start_time(entry) is not None:
                found[int(entry)] = program
    return found


def end(directories, patience_s=20):
    """Ends them all, and returns what there was: {pid: program}. Raises TimeoutError."""
    first = left = find(directories)
    deadline = time.monotonic() + patience_s
    while left:
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes of an earlier run do not end: {left}")
        time.sleep(0.05)
        left = find(directories)
    return first
