"""What an operator does at a shell: the verbs that look at a data directory, and the faults they are to name."""

import contextlib
import json
import os
import stat
import subprocess

import pytest

from harness.server import binary, clean_environment

TIMEOUT_S = 60


def vora_cli(*words, environment=None):
    return subprocess.run(
        [binary(), *map(str, words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        env=clean_environment(**(environment or {})),
    )


def doctor(data, *flags, listen="127.0.0.1:0", environment=None):
    """The problems by code. Checks that the exit code agrees, and that each is told in full."""
    # The default port may be taken on this machine: any free one is asked for.
    words = ("doctor", "--data", data, "--listen", listen, "--json", *flags)
    done = vora_cli(*words, environment=environment)
    assert done.returncode in (0, 1), done.stderr
    problems = json.loads(done.stdout)["problems"]
    assert done.returncode == (1 if problems else 0)
    for p in problems:
        assert all(p[part] for part in ("check", "code", "what", "why", "remedy")), p
        assert "\n" not in p["what"] + p["why"] + p["remedy"]
    return {p["code"]: p for p in problems}


def fsck(data, *flags):
    """(exit code, the report)."""
    done = vora_cli("fsck", "--data", data, "--json", *flags)
    assert done.returncode in (0, 1), f"{done.returncode}: {done.stderr}"
    return done.returncode, json.loads(done.stdout)


def need_root():
    if os.geteuid() != 0:
        pytest.skip("this needs root")


def mount(*words):
    need_root()
    done = subprocess.run(["mount", *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"this machine lets nobody mount: {done.stderr.strip()}")


@contextlib.contextmanager
def small_disk(path, mebibytes):
    """A file system of its own with so much room."""
    path.mkdir(parents=True, exist_ok=True)
    mount("-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0700", "tmpfs", path)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=True)


@contextlib.contextmanager
def read_only(path):
    mount("--bind", path, path)
    try:
        mount("-o", "remount,ro,bind", path)
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def fill(path, leave_bytes):
    """Takes room on the disk of `path` until so much is left there."""
    state = os.statvfs(path.parent)
    size = state.f_bavail * state.f_frsize - leave_bytes
    assert size > 0
    with open(path, "wb") as f:
        os.posix_fallocate(f.fileno(), 0, size)
    return path


def program(path, text):
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path
