"""One server as a child process: free ports, a log file, readiness, and no life after its parent."""

import contextlib
import ctypes
import http.client
import json
import os
import pwd
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


# No proxy of the environment stands before a server on this machine.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get_json(request, timeout=5):
    """The JSON that a URL (or a Request) answers; None when it does not."""
    try:
        with OPENER.open(request, timeout=timeout) as answer:
            return json.loads(answer.read() or b"null")
    except (OSError, ValueError, http.client.HTTPException):
        return None


def get_status(url, timeout=5):
    """The status of the answer; 0 when there is none."""
    try:
        with OPENER.open(url, timeout=timeout) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except (OSError, ValueError, http.client.HTTPException):
        return 0


def free_port():
    with contextlib.closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Child:
    """A running server. `log` gets what it prints; `user` is who runs it when we are root.

    `environment` is added to ours, unless `clean`: then it is all there is. `input` is what it reads first; its
    standard input stays open then, for as long as we live.
    """

    def __init__(
        self,
        name,
        command,
        log,
        environment=None,
        user=None,
        cwd=None,
        log_mode="ab",
        clean=False,
        input=None,
    ):
        self.name = name
        self.command = [str(part) for part in command]
        self.log = Path(log)
        account = {}
        if user and os.geteuid() == 0:
            entry = pwd.getpwnam(user)
            groups = os.getgrouplist(user, entry.pw_gid)
            account = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": groups}

        def prepare():
            # Runs after the change of user, at which the kernel forgets it.
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

        with open(self.log, log_mode) as out:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**({} if clean else os.environ), **(environment or {})},
                cwd=cwd,
                start_new_session=True,
                preexec_fn=prepare,
                **account,
            )
        if input is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.write(input)
                self.process.stdin.flush()

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process.poll() is None

    def wait_until(self, ready, timeout_s=60):
        """Asks `ready()` until it is true; raises with the log's end when the process ends or time is up."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            if not self.running():
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}\n{self.tail()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} is not ready after {timeout_s} s\n{self.tail()}")
            time.sleep(0.05)

    def tail(self, lines=20):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def send(self, number):
        if self.running():
            self.process.send_signal(number)

    def kill(self):
        """SIGKILL of this one process, and its end seen."""
        self.send(signal.SIGKILL)
        self.process.wait(30)

    def end_group(self):
        """What a dead process has left: workers that do not notice."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def stop(self, timeout_s=15, number=signal.SIGTERM):
        """Asks it to end, then makes it; its whole process group goes."""
        self.send(number)
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
        self.end_group()
        return self.process.returncode


def answers(port, host="127.0.0.1"):
    """True when something listens there."""
    try:
        with contextlib.closing(socket.create_connection((host, port), 0.5)):
            return True
    except OSError:
        return False
