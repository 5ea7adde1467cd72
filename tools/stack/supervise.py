"""Starts the processes of a stack in order, starts again what dies, and stops them in order."""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tools.stack.install import say
from tools.stack.layout import StackError, write_private
from tools.stack.strays import start_time

POLL_S = 0.05
BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 5.0
# One that lived this long did not fail at its start.
GOOD_LIFE_S = 10.0
# Deaths before it was ever ready, after which the start of the stack has failed.
FALSE_STARTS_MAX = 4


@dataclass
class Member:
    """One process. `launch` starts it and returns a Child; the rest is looked at while it lives.

    `prepare` runs before the first launch, `settle` once it is ready for the first time: both may block, and run in
    a thread. `needs` are waited for, until they are settled; `patient_needs` at most `patience_s`.
    """

    name: str
    version: str
    port: int
    launch: Callable
    ready: Callable
    phase: int  # stopped from high to low
    needs: tuple = ()
    patient_needs: tuple = ()
    patience_s: float = 30
    start_s: float = 120
    stop_s: float = 15
    stop_signal: int = signal.SIGTERM
    prepare: Callable | None = None
    settle: Callable | None = None
    required: bool = True  # the stack is not up without it
    listed: bool = True  # in stack.json
    internal: str = ""
    admin: str = ""
    # What it is now.
    child: object = None
    state: str = "waiting"
    starts: int = 0
    is_settled: asyncio.Event = field(default_factory=asyncio.Event)
    again: asyncio.Event = field(default_factory=asyncio.Event)
    ready_now: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def pid(self):
        return self.child.pid if self.child else 0

    def entry(self):
        return {
            "name": self.name,
            "pid": self.pid,
            "port": self.port,
            "command": self.child.command if self.child else [],
            "log": str(self.child.log) if self.child else "",
        }

    def whole_entry(self):
        return {
            **self.entry(),
            "version": self.version,
            "state": self.state,
            "started": start_time(self.pid) if self.pid else None,
            "internal": self.internal,
            "admin": self.admin,
        }


async def ended(child):
    """Waits for a child's end, without a thread for each."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    try:
        descriptor = os.pidfd_open(child.pid)
    except ProcessLookupError:
        child.process.wait()
        return
    loop.add_reader(descriptor, lambda: done.done() or done.set_result(None))
    try:
        await done
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    child.process.wait()


class Supervisor:
    def __init__(self, members, layout, guard, restarts=True):
        self.members = {member.name: member for member in members}
        self.layout = layout
        self.guard = guard
        self.restarts = restarts
        self.stopping = False
        self.failure = asyncio.get_running_loop().create_future()
        self.tasks = []
        self.begun = time.monotonic()

    # -- start -----------------------------------------------------------------------------------

    def start(self):
        self.tasks = [asyncio.create_task(self._keep(m)) for m in self.members.values()]

    async def wait_ready(self):
        """Returns when all that is required is ready; raises StackError when that will not be."""
        required = [m for m in self.members.values() if m.required]
        everything = asyncio.gather(*(m.is_settled.wait() for m in required))
        done, _ = await asyncio.wait(
            {asyncio.ensure_future(everything), self.failure}, return_when=asyncio.FIRST_COMPLETED
        )
        if self.failure in done:
            everything.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await everything
            raise self.failure.exception() or StackError("stopped")

    def fail(self, member, why):
        if not member.required:
            say(f"{member.name}: {why}")
        elif not self.failure.done():
            self.failure.set_exception(StackError(f"{member.name}: {why}"))

    async def _keep(self, member):
        """One life after the other."""
        try:
            await self._wait_for_needs(member)
            if member.prepare:
                await asyncio.to_thread(member.prepare)
            backoff, false_starts = BACKOFF_FIRST_S, 0
            while not self.stopping:
                lived, was_ready = await self._live(member)
                if self.stopping:
                    return
                if not member.is_settled.is_set():
                    false_starts += 1
                    if false_starts == FALSE_STARTS_MAX:
                        self.fail(member, f"does not start\n{member.child.tail()}")
                elif not member.again.is_set():
                    said = "starting it again" if self.restarts else "it stays down (--no-supervise)"
                    say(f"{member.name} ended with {member.child.process.returncode}: {said}")
                if not self.restarts and member.is_settled.is_set():
                    await member.again.wait()
                if member.again.is_set() or (was_ready and lived > GOOD_LIFE_S):
                    backoff = BACKOFF_FIRST_S
                member.again.clear()
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, BACKOFF_MAX_S)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self.fail(member, str(error))

    async def _wait_for_needs(self, member):
        for name in member.needs:
            await self.members[name].is_settled.wait()
        for name in member.patient_needs:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.members[name].is_settled.wait(), member.patience_s)

    async def _live(self, member):
        """From launch to death; (seconds, whether it was ready)."""
        begun = time.monotonic()
        member.again.clear()
        member.child = member.launch()
        member.starts += 1
        member.state = "starting"
        self.guard.add(member.pid)
        self.write_state()
        end = asyncio.create_task(ended(member.child))
        was_ready = await self._until_ready(member, end, begun)
        if was_ready:
            member.state = "up"
            member.ready_now.set()
            if not member.is_settled.is_set():
                say(f"{member.name} is ready ({time.monotonic() - self.begun:.1f} s)")
                member.is_settled.set()
            self.write_state()
        await end
        member.ready_now.clear()
        member.state = "down"
        member.child.end_group()
        self.guard.remove(member.pid)
        self.write_state()
        return time.monotonic() - begun, was_ready

    async def _until_ready(self, member, end, begun):
        while not end.done():
            if await asyncio.to_thread(member.ready):
                if member.settle and not member.is_settled.is_set():
                    await asyncio.to_thread(member.settle)
                return True
            if time.monotonic() - begun > member.start_s and not member.is_settled.is_set():
                self.fail(member, f"not ready after {member.start_s:.0f} s\n{member.child.tail()}")
                begun = float("inf")
            await asyncio.wait({end}, timeout=POLL_S)
        return False

    # -- what it is told --------------------------------------------------------------------------

    async def restart(self, name, timeout_s=120):
        """Ends one in good order, and starts it again; dead ones are only started."""
        member = self.members[name]
        starts = member.starts
        member.again.set()
        await self._end(member)
        deadline = time.monotonic() + timeout_s
        while not (member.starts > starts and member.ready_now.is_set()):
            if time.monotonic() > deadline:
                raise StackError(f"{name} is not ready after {timeout_s} s\n{member.child.tail()}")
            await asyncio.sleep(POLL_S)

    async def _end(self, member):
        child = member.child
        if child is None or not child.running():
            return
        child.send(member.stop_signal)
        if child.process.stdin:
            with contextlib.suppress(OSError):
                child.process.stdin.close()
        deadline = time.monotonic() + member.stop_s
        while child.running():
            if time.monotonic() > deadline:
                say(f"{member.name} does not end: killed")
                child.send(signal.SIGKILL)
            await asyncio.sleep(0.02)
        child.end_group()

    def hurry(self):
        """A second signal: nobody is waited for any more."""
        for member in self.members.values():
            if member.child:
                member.child.send(signal.SIGKILL)

    async def stop(self):
        """Services first, then what stands before them, the stores last."""
        self.stopping = True
        for member in self.members.values():
            member.again.set()
        for phase in sorted({m.phase for m in self.members.values()}, reverse=True):
            await asyncio.gather(*(self._end(m) for m in self.members.values() if m.phase == phase))
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    # -- what others read -------------------------------------------------------------------------

    def write_state(self):
        all_members = [m for m in self.members.values() if m.child]
        write_private(
            self.layout.root / "stack.json",
            json.dumps([m.entry() for m in all_members if m.listed], indent=1) + "\n",
        )
        write_private(
            self.layout.state / "processes.json",
            json.dumps([m.whole_entry() for m in all_members], indent=1) + "\n",
        )
