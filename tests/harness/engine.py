"""The event engine by itself, as a child of the test: its HTTP interface, or the events a stopped server left."""

import os
import pathlib
import secrets
import subprocess

import requests

from harness.server import binary

VERSION = "26.7.3-stable.1"


def library():
    """Where `vora event-engine fetch` (part of ./vora test) puts it."""
    given = os.environ.get("VORA_CHDB_LIBRARY")
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = pathlib.Path(given or f"{cache}/vora/event-engine/{VERSION}/libchdb.so")
    assert path.exists(), f"no {path}: run `vora event-engine fetch`"
    return str(path)


class Engine:
    """`with Engine(path) as engine:`; nobody else may have the path open."""

    def __init__(self, path):
        self.path = str(path)
        self.key = secrets.token_hex(32)
        self.process = None
        self.url = ""

    def __enter__(self):
        program = pathlib.Path(binary()).with_name("vora-event-engine")
        self.process = subprocess.Popen(
            [
                str(program),
                f"--library={library()}",
                f"--path={self.path}",
                f"--parent={os.getpid()}",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.process.stdin.write(f"{self.key}\n".encode())
        self.process.stdin.flush()
        self.url = self.process.stdout.readline().decode().strip()
        assert self.url, f"the engine ended with {self.process.wait(10)}"
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        finally:
            self.process.kill()
            self.process.stdout.close()

    @property
    def address(self):
        host, port = self.url.split("://", 1)[1].rsplit(":", 1)
        return host, int(port)

    def ask(self, sql, expect=200, **parameters):
        answer = requests.post(
            self.url,
            data=sql.encode(),
            params=parameters,
            headers={"X-ClickHouse-Key": self.key},
            timeout=60,
        )
        assert answer.status_code == expect, answer.text
        return answer.text

    def rows(self, sql, **parameters):
        text = self.ask(sql + " FORMAT TabSeparated", **parameters)
        return [tuple(line.split("\t")) for line in text.splitlines()]
