"""Vora on the real systems, on this machine: `./vora stack up|status|logs|restart|stop`."""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from tools.stack import foreground
from tools.stack.install import InstallError
from tools.stack.layout import Layout, StackError, read_json
from tools.stack.members import SCALABLE
from tools.stack.report import table

STOP_PATIENCE_S = 180


def parse_listen(text):
    host, _, port = text.rpartition(":")
    try:
        number = int(port)
    except ValueError:
        number = -1
    if not host or not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not HOST:PORT")
    return host.strip("[]"), number


def parse_scale(text):
    scale = {}
    for part in filter(None, text.split(",")):
        name, _, count = part.partition("=")
        if name not in SCALABLE:
            raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(SCALABLE)}")
        if not count.isdigit() or not 1 <= int(count) <= 16:
            raise argparse.ArgumentTypeError(f"{part}: 1 to 16 instances")
        scale[name] = int(count)
    return scale


def parser():
    p = argparse.ArgumentParser(
        prog="./vora stack",
        description="Vora on the real systems: PostgreSQL, MinIO, Temporal, ClickHouse, Varnish, nginx, and "
        "every service as a process of its own. docs/stack.md says more.",
        allow_abbrev=False,
    )
    verbs = p.add_subparsers(dest="verb", required=True, metavar="up|status|logs|restart|stop")

    def add(name, help_text, **more):
        verb = verbs.add_parser(name, help=help_text, description=help_text, allow_abbrev=False, **more)
        verb.add_argument(
            "--data", default="./vora-data", metavar="DIR", help="where everything is kept (%(default)s)"
        )
        return verb

    up = add(
        "up",
        "install what is missing, start everything, stay in the foreground",
        epilog="--section.key=value sets a key of every service that has it (as in DIR/vora.toml).",
    )
    up.add_argument(
        "--listen",
        type=parse_listen,
        default=("127.0.0.1", 8080),
        metavar="HOST:PORT",
        help="address of the edge (127.0.0.1:8080); all other ports are free ones",
    )
    up.add_argument("--no-open", action="store_true", help="do not open a browser")
    up.add_argument("--no-supervise", action="store_true", help="do not start again what dies")
    up.add_argument("--kafka", action="store_true", help="events go through Kafka instead of the disk")
    up.add_argument(
        "--scale",
        type=parse_scale,
        default={},
        metavar="NAME=N,...",
        help=f"so many instances of {', '.join(SCALABLE)}",
    )
    add("status", "what runs; exit code 1 when something is down").add_argument(
        "--json", action="store_true", help="stack.json instead of a table"
    )
    logs = add("logs", "the log of one process")
    logs.add_argument("name", metavar="NAME")
    logs.add_argument("-f", "--follow", action="store_true", help="go on with what is added")
    logs.add_argument("-n", "--lines", type=int, default=100, help="so many from the end (%(default)s)")
    restart = add("restart", "end one process in good order and start it again")
    restart.add_argument("name", metavar="NAME")
    add("stop", "stop the stack and wait for its end")
    return p


# -- verbs that talk to one that runs -------------------------------------------------------------


def running(layout):
    """The pid of the stack's foreground process."""
    pid = layout.holder()
    if pid is None:
        raise StackError(f"no stack runs in {layout.root}: ./vora stack up --data {layout.root}")
    return pid


def processes(layout):
    return read_json(layout.state / "processes.json", [])


def find(layout, name):
    entries = {entry["name"]: entry for entry in processes(layout)}
    if name not in entries:
        known = ", ".join(entries) or "nothing: no stack was ever started there"
        raise StackError(f"there is no {name} in {layout.root}; there is {known}")
    return entries[name]


def run_status(layout, options):
    running(layout)
    entries = processes(layout)
    if options.json:
        print(json.dumps(read_json(layout.root / "stack.json", []), indent=1))
    else:
        print(table(entries))
    down = [entry["name"] for entry in entries if entry["state"] != "up"]
    if down:
        print(f"not up: {', '.join(down)}", file=sys.stderr)
    return 1 if down or not entries else 0


def run_logs(layout, options):
    path = Path(find(layout, options.name)["log"])
    try:
        command = ["tail", "-n", str(options.lines), *(["-F"] if options.follow else []), str(path)]
        return subprocess.run(command, stdin=subprocess.DEVNULL).returncode
    except KeyboardInterrupt:
        return 0


def run_restart(layout, options):
    running(layout)
    find(layout, options.name)
    answer = foreground.ask(layout, {"verb": "restart", "name": options.name})
    if not answer.get("ok"):
        raise StackError(answer.get("error", "no answer"))
    print(f"{options.name} runs again (pid {answer['pid']})")
    return 0


def run_stop(layout, options):
    pid = running(layout)
    os.kill(pid, 15)
    deadline = time.monotonic() + STOP_PATIENCE_S
    while layout.holder() == pid:
        if time.monotonic() > deadline:
            raise StackError(f"the stack (pid {pid}) has not ended after {STOP_PATIENCE_S} s")
        time.sleep(0.05)
    print("stopped")
    return 0


VERBS = {"status": run_status, "logs": run_logs, "restart": run_restart, "stop": run_stop}


def main(arguments=None):
    p = parser()
    options, rest = p.parse_known_args(arguments)
    if rest and options.verb != "up":
        p.error(f"{rest[0]} means nothing here")
    try:
        if options.verb == "up":
            return foreground.run(options, rest)
        return VERBS[options.verb](Layout(options.data).known(), options)
    except (StackError, InstallError) as error:
        print(f"vora: {error}", file=sys.stderr)
        return 1
    except (ConnectionError, socket.timeout) as error:
        print(f"vora: the stack does not answer: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
