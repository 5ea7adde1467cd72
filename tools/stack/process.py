"""One server as a child process: free ports, a log file, readiness, and no life after its parent."""

import contextlib
import ctypes
import os
import pwd
import signal
import socket
import subprocess
import time
from pathlib import Path

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def free_port():
    with contextlib.closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Child:
    """A running server. `log` gets what it prints; `user` is who runs it when we are root."""

    def __init__(self, name, command, log, environment=None, user=None, cwd=None, log_mode="ab"):
        self.name = name
        self.command = [str(part) for part in command]
        self.log = Path(log)
        account = pwd.getpwnam(user) if user and os.geteuid() == 0 else None

        def prepare():
            # Set after the change of user: the kernel forgets it there.
            if account:
                os.initgroups(account.pw_name, account.pw_gid)
                os.setgid(account.pw_gid)
                os.setuid(account.pw_uid)
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

        with open(self.log, log_mode) as out:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                cwd=cwd,
                start_new_session=True,
                preexec_fn=prepare,
            )

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

    def stop(self, timeout_s=15, number=signal.SIGTERM):
        """Asks it to end, then makes it; its whole process group goes."""
        self.send(number)
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.returncode


def answers(port, host="127.0.0.1"):
    """True when something listens there."""
    try:
        with contextlib.closing(socket.create_connection((host, port), 0.5)):
            return True
    except OSError:
        return False
