"""`./vora stack up`: the process in the foreground that all others are children of."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

from tools.stack import install, strays
from tools.stack.guard import Guard
from tools.stack.install import say
from tools.stack.layout import Layout, StackError, binary, is_free, write_private
from tools.stack.members import Blueprint
from tools.stack.process import get_json
from tools.stack.report import table
from tools.stack.service_config import wanted_by_user
from tools.stack.supervise import Supervisor

SERVERS = ["postgres", "minio", "temporal-server", "temporal-sql", "temporal-ui", "varnish", "nginx"]
ANSWER_S = 300


def install_all(kafka):
    """Every server's program, and the event engine's library: its path."""
    for name in SERVERS + (["java", "kafka"] if kafka else []):
        started = time.monotonic()
        install.ensure(name)
        if time.monotonic() - started > 1:
            say(f"{name} is installed ({time.monotonic() - started:.0f} s)")
    done = subprocess.run(
        [binary("vora"), "event-engine", "fetch"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise StackError(f"fetching the event engine failed: {done.stderr.strip()[-800:]}")
    return done.stdout.splitlines()[-1]


def run(options, flags):
    layout = Layout(options.data).open()
    wanted = wanted_by_user(layout.root / "vora.toml", flags)
    host, port = options.listen
    ended = strays.end([layout.root, *layout.outside()])
    if ended:
        say(f"ended {len(ended)} processes of an earlier run: {', '.join(sorted(set(ended.values())))}")
    if port == 0:
        port = layout.port("edge")
    elif not is_free(port, host):
        raise StackError(f"{host}:{port} is in use: choose another --listen")
    library = install_all(options.kafka)
    layout.make_keys(binary("vora"))
    plan = Blueprint(layout, (host, port), options.scale, options.kafka, wanted, library)
    write_private(layout.root / "stack.env", plan.environment())
    guard = Guard(keep_closed=[layout.lock.fileno()])
    try:
        return asyncio.run(serve(layout, plan, guard, options))
    finally:
        for name in ("run.json", "stack.json"):
            (layout.root / name).unlink(missing_ok=True)
        guard.close()


async def serve(layout, plan, guard, options):
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    supervisor = Supervisor(plan.members(), layout, guard, restarts=not options.no_supervise)

    def on_signal():
        if stop.is_set():
            supervisor.hurry()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, on_signal)
    supervisor.start()
    control = await start_control(layout, supervisor)
    watch = asyncio.create_task(watch_grants(layout, plan, supervisor))
    try:
        ready = asyncio.ensure_future(supervisor.wait_ready())
        stopped = asyncio.ensure_future(stop.wait())
        await asyncio.wait({ready, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if ready.done():
            ready.result()
            await asyncio.to_thread(welcome, layout, plan, supervisor, options)
        await stop.wait()
        ready.cancel()
        return 0
    finally:
        say("stopping")
        watch.cancel()
        control.close()
        await supervisor.stop()
        (layout.state / "control").unlink(missing_ok=True)
        say("stopped")


def welcome(layout, plan, supervisor, options):
    """What the user is to know, and the files by which others find us."""
    metadata = supervisor.members["metadata"]
    edge = f"{'127.0.0.1' if plan.host in ('0.0.0.0', '::') else plan.host}:{plan.port}"
    run_file = {
        "pid": os.getpid(),
        "http": edge,
        "admin": metadata.admin,
        "grpc": f"127.0.0.1:{layout.port_of('metadata.grpc')}",
    }
    write_private(layout.root / "run.json", json.dumps(run_file) + "\n")
    supervisor.write_state()
    link = studio_link(layout, f"http://{edge}")
    print(table([m.whole_entry() for m in supervisor.members.values()]))
    print(f"\n  Vora is ready ({time.monotonic() - supervisor.begun:.0f} s).\n")
    print(f"  Studio     {link}   (works once; `vora studio` prints another)")
    print(f"  API token  {layout.root}/api.token")
    print(f"  Stores     {layout.root}/stack.env")
    print(f"  Temporal   {plan.servers.ui.url}")
    print(f"  Data       {layout.root}\n")
    print(f"  Upload from a shell:  ./vora upload FILE --data {layout.root} --wait")
    print("  Stop with Ctrl-C.\n", flush=True)
    if not options.no_open and sys.stdout.isatty() and os.environ.get("DISPLAY"):
        if shutil.which("xdg-open"):
            subprocess.Popen(
                ["xdg-open", link],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )


def studio_link(layout, edge):
    token = (layout.root / "api.token").read_text().strip()
    request = urllib.request.Request(
        f"{edge}/session/links",
        data=b"{}",
        method="POST",
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    answer = get_json(request, 10) or {}
    return f"{edge}{answer.get('url', '/')}"


async def watch_grants(layout, plan, supervisor):
    """Varnish knows the keys of grants from its VCL: a rotation is handed on."""
    ring = layout.root / "keys" / "grants.json"
    known = None
    while True:
        with contextlib.suppress(OSError):
            now = ring.read_bytes()
            if known is not None and now != known and supervisor.members["varnish"].state == "up":
                plan.servers.reload_cache()
            known = now
        await asyncio.sleep(0.1)


# -- the door for `restart` -----------------------------------------------------------------------


def socket_path(directory):
    """A Unix socket's name has 107 bytes, a directory's may have more: by way of /proc it is short."""
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    return descriptor, f"/proc/self/fd/{descriptor}/control"


async def start_control(layout, supervisor):
    descriptor, path = socket_path(layout.state)
    try:
        (layout.state / "control").unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(path)
    finally:
        os.close(descriptor)

    async def answer(reader, writer):
        try:
            told = json.loads(await reader.readline())
            await supervisor.restart(told["name"])
            reply = {"ok": True, "pid": supervisor.members[told["name"]].pid}
        except StackError as error:
            reply = {"ok": False, "error": str(error)}
        except (ValueError, KeyError):
            reply = {"ok": False, "error": "this is no order"}
        with contextlib.suppress(OSError):
            writer.write(json.dumps(reply).encode() + b"\n")
            await writer.drain()
            writer.close()

    return await asyncio.start_unix_server(answer, sock=listening)


def ask(layout, order):
    descriptor, path = socket_path(layout.state)
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as s:
        s.settimeout(ANSWER_S)
        try:
            s.connect(path)
        except OSError:
            raise StackError("the stack is starting or stopping: try again") from None
        finally:
            os.close(descriptor)
        s.sendall(json.dumps(order).encode() + b"\n")
        text = s.makefile().readline()
    return json.loads(text) if text else {"ok": False, "error": "the stack has ended"}
