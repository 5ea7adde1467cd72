"""Temporal's core library as one static library, built by cargo once for a machine.

    python -m tools.stack.temporal_bridge where             prints the directory: libtemporal_bridge.a
    python -m tools.stack.temporal_bridge build [LINK]      builds what is missing; LINK becomes a link to the library

The crate is libs/durable/engine_temporal/temporal-bridge. The library goes into ~/.cache/vora/temporal-bridge (or
$XDG_CACHE_HOME/vora/...), in a directory named by all that shapes it, so that every preset and every clone of the
repository shares it. The crates it is made of stay compiled beside it.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tools.stack.temporal_protos import BRIDGE, SYSTEM, ProtosError, link_to, output_of

LIBRARY = "libtemporal_bridge.a"


def cargo():
    found = shutil.which("cargo") or shutil.which("cargo", path=Path.home() / ".cargo/bin")
    if found is None:
        raise ProtosError("Temporal's core library is built by cargo: install Rust from rustup.rs")
    return found


def cache():
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "vora" / "temporal-bridge"


def where():
    digest = hashlib.sha256(output_of([cargo(), "--version"]).encode())
    for path in [BRIDGE / "Cargo.toml", BRIDGE / "Cargo.lock", *sorted(BRIDGE.glob("src/*.rs"))]:
        digest.update(path.read_bytes())
    return cache() / digest.hexdigest()[:16]


def build(directory):
    directory.parent.mkdir(parents=True, exist_ok=True)
    with open(cache() / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (directory / LIBRARY).exists():
            return
        print("==> Building Temporal's core library (once for this machine, some minutes)", file=sys.stderr, flush=True)
        started = time.monotonic()
        target = cache() / "target"
        # PROTOC_INCLUDE: the crates' own set of well-known types is incomplete.
        done = subprocess.run(
            [cargo(), "build", "--release", "--locked", "--manifest-path", str(BRIDGE / "Cargo.toml")],
            env={**os.environ, "CARGO_TARGET_DIR": str(target), "PROTOC_INCLUDE": str(SYSTEM)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        if done.returncode != 0:
            raise ProtosError(f"cargo build of temporal-bridge failed:\n{done.stdout[-4000:]}")
        staging = Path(f"{directory}.staging")
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        shutil.copy(target / "release" / LIBRARY, staging / LIBRARY)
        shutil.rmtree(directory, ignore_errors=True)
        staging.rename(directory)
        took = time.monotonic() - started
        print(f"==> Temporal's core library is built: {took:.0f} s", file=sys.stderr, flush=True)


def main():
    arguments = sys.argv[1:]
    if arguments[:1] not in (["where"], ["build"]):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        directory = where()
        if arguments[0] == "where":
            print(directory)
            return 0
        build(directory)
        if len(arguments) > 1:
            link_to(directory / LIBRARY, Path(arguments[1]))
    except ProtosError as error:
        print(f"vora: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
