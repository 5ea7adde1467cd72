"""Temporal's protos as C++: one static library and its headers, built once for a machine and compiler.

    python -m tools.stack.temporal_protos where             prints the directory: include/, libtemporal_protos.a
    python -m tools.stack.temporal_protos build [LINK]      builds what is missing; LINK becomes a link to the library

The .proto files are those of the crate temporalio-protos that temporal-bridge/Cargo.lock pins; cargo fetches them.
They go into ~/.cache/vora/temporal-protos (or $XDG_CACHE_HOME/vora/...), not into the tree. Every preset shares the
library: it holds no sanitizer's code, and messages are too small for its speed to matter (CODE_SIZE: protobuf's
generic code instead of some 500,000 lines of its own, which would take five times as long to compile).
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BRIDGE = ROOT / "libs/durable/engine_temporal/temporal-bridge"
CRATE = "temporalio-protos"
# What Vora includes; what these import comes with them.
WANTED = [
    "temporal/api/workflowservice/v1/request_response.proto",
    "temporal/api/errordetails/v1/message.proto",
    "temporal/sdk/core/core_interface.proto",
]
# First come the system's own well-known types: the crate's set of those is incomplete.
SYSTEM = Path("/usr/include")
FLAGS = ["-std=c++20", "-O1", "-g0", "-w", "-fPIC"]
IMPORT = re.compile(r'^import\s+(?:public\s+|weak\s+)?"([^"]+)"', re.M)
# `namespace` and `export` are words of C++. Only package names change, no wire byte.
RESERVED = re.compile(r"temporal\.api\.(namespace|export)\.v1")
PACKAGE = re.compile(r"^(package\s+[\w.]+\s*;)", re.M)


class ProtosError(RuntimeError):
    """What is missing, and what to do about it."""


def compiler():
    return os.environ.get("VORA_CXX") or "clang++-19"


def version():
    lock = tomllib.loads((BRIDGE / "Cargo.lock").read_text())
    return next(p["version"] for p in lock["package"] if p["name"] == CRATE)


def where():
    """Named by all that shapes it: another compiler, protoc or recipe has another directory."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    tools = [
        output_of([compiler(), "--version"]).splitlines()[0],
        output_of(["protoc", "--version"]),
    ]
    recipe = hashlib.sha256("\n".join(tools).encode() + Path(__file__).read_bytes()).hexdigest()
    number = re.search(r"version (\d+)", tools[0])
    name = f"{version()}-clang{number[1] if number else ''}-{recipe[:8]}"
    return base / "vora" / "temporal-protos" / name


def output_of(command):
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        raise ProtosError(f"{command[0]} failed:\n{said[-2000:]}") from error


def crate():
    """The crate's sources in cargo's registry, fetched when they are not there."""
    registry = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo") / "registry/src"
    pattern = f"*/{CRATE}-{version()}/protos"
    if not any(registry.glob(pattern)):
        cargo = shutil.which("cargo") or shutil.which("cargo", path=Path.home() / ".cargo/bin")
        if cargo is None:
            raise ProtosError("Temporal's protos come by cargo: install Rust from rustup.rs")
        output_of([cargo, "fetch", "--locked", "--manifest-path", str(BRIDGE / "Cargo.toml")])
    found = sorted(registry.glob(pattern))
    if not found:
        raise ProtosError(f"cargo fetched no {CRATE} {version()} into {registry}")
    return found[-1]


def copy_patched(protos, into):
    """Copies the wanted protos and all they import; their names."""
    roots = [protos / "api_upstream", protos / "local"]
    names, todo = set(), list(WANTED)
    while todo:
        name = todo.pop()
        if name in names or (SYSTEM / name).exists():
            continue
        names.add(name)
        text = next(root / name for root in roots if (root / name).exists()).read_text()
        todo += IMPORT.findall(text)
        text = RESERVED.sub(r"temporal.api.\1_.v1", text)
        text = PACKAGE.sub(r"\1\noption optimize_for = CODE_SIZE;", text, count=1)
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        (into / name).write_text(text)
    return sorted(names)


def generate(work, names):
    (work / "include").mkdir()
    output_of(
        ["protoc", f"-I{SYSTEM}", f"-I{work / 'protos'}", f"--cpp_out={work / 'include'}", *names]
    )


def compile_one(work, source):
    out = work / "objects" / (str(source.relative_to(work / "include")).replace("/", "_") + ".o")
    output_of(
        [compiler(), *FLAGS, f"-I{work / 'include'}", "-c", str(source), "-o", str(out)]
    )
    return out


def compile_all(work):
    (work / "objects").mkdir()
    # The largest first: it would otherwise run alone at the end.
    sources = sorted(
        (work / "include").rglob("*.pb.cc"), key=lambda path: path.stat().st_size, reverse=True
    )
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        objects = list(pool.map(lambda source: compile_one(work, source), sources))
    output_of(["ar", "rcs", str(work / "libtemporal_protos.a"), *map(str, objects)])
    for source in sources:
        source.unlink()


def build(directory):
    directory.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{directory}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (directory / "libtemporal_protos.a").exists():
            return
        print("==> Building Temporal's protos (once for this machine)", file=sys.stderr, flush=True)
        started = time.monotonic()
        work = Path(f"{directory}.staging")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        generate(work, copy_patched(crate(), work / "protos"))
        compile_all(work)
        shutil.rmtree(work / "objects")
        shutil.rmtree(directory, ignore_errors=True)
        work.rename(directory)
        took = time.monotonic() - started
        print(f"==> Temporal's protos are built: {took:.0f} s", file=sys.stderr, flush=True)


def link_to(library, link):
    if not (link.is_symlink() and link.resolve() == library.resolve()):
        link.unlink(missing_ok=True)
        link.symlink_to(library)


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
            link_to(directory / "libtemporal_protos.a", Path(arguments[1]))
    except ProtosError as error:
        print(f"vora: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
