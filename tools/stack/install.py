"""Finds the real servers of versions.toml, or installs them: Debian packages, Go modules, jars.

    python -m tools.stack.install NAME...     installs and prints each program's path
"""

import fcntl
import os
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
VERSIONS = tomllib.loads((HERE / "versions.toml").read_text())
NAMES = [name for kind in VERSIONS.values() for name in kind]


class InstallError(RuntimeError):
    """What is missing, and what to do about it."""


def cache():
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "vora" / "servers"


def say(text):
    print(f"==> {text}", file=sys.stderr, flush=True)


def ensure(name):
    """The path of a server's program (jars: their folder); builds or installs it when it is not there."""
    if name in VERSIONS["go"]:
        return from_go(name, VERSIONS["go"][name])
    if name in VERSIONS["debian"]:
        return from_debian(VERSIONS["debian"][name])
    if name in VERSIONS["maven"]:
        return from_maven(name, VERSIONS["maven"][name])
    raise InstallError(f"versions.toml knows no {name}")


def from_go(name, pin):
    folder = cache() / f"{name}-{pin['version']}"
    program = folder / name
    if program.exists():
        return program
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        raise InstallError(f"{name} is built by Go: install Go 1.26.8 or newer from go.dev")
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if program.exists():
            return program
        say(f"Building {name} {pin['version']} (once for this machine, some minutes)")
        started = time.monotonic()
        staging = folder / "staging"
        done = subprocess.run(
            [go, "install", "-trimpath", "-ldflags=-s -w", f"{pin['package']}@{pin['version']}"],
            env={**os.environ, "GOBIN": str(staging), "GOTOOLCHAIN": "local"},
            stdin=subprocess.DEVNULL,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if done.returncode != 0:
            raise InstallError(f"go install of {name} failed:\n{done.stdout[-2000:]}")
        built = staging / pin["package"].rsplit("/", 1)[-1]
        built.rename(program)
        shutil.rmtree(staging)
        say(f"{name} is built: {time.monotonic() - started:.0f} s")
    return program


POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>vora</groupId><artifactId>{name}</artifactId><version>1</version>
  <dependencies>{dependencies}</dependencies>
</project>
"""


def pom(name, jars):
    dependency = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"
    return POM.format(name=name, dependencies="".join(dependency.format(*jar.split(":")) for jar in jars))


def from_maven(name, pin):
    folder = cache() / f"{name}-{pin['jars'][0].rsplit(':', 1)[-1]}"
    jars = folder / "jars"
    if jars.exists():
        return jars
    ensure("java")
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if jars.exists():
            return jars
        say(f"Fetching {name} (once for this machine)")
        started = time.monotonic()
        staging = folder / "staging"
        shutil.rmtree(staging, ignore_errors=True)
        (folder / "pom.xml").write_text(pom(name, pin["jars"]))
        done = subprocess.run(
            [ensure("maven"), "-B", "-q", "-f", folder / "pom.xml", f"{pin['plugin']}:copy-dependencies"]
            + ["-DincludeScope=runtime", f"-DoutputDirectory={staging}"],
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if done.returncode != 0:
            raise InstallError(f"mvn could not fetch {name}:\n{done.stdout[-2000:]}")
        staging.rename(jars)
        say(f"{name} is there: {time.monotonic() - started:.0f} s")
    return jars


def from_debian(pin):
    program = Path(pin["program"])
    if not program.exists():
        install_packages(pin["packages"])
    if not program.exists():
        raise InstallError(f"{' '.join(pin['packages'])} brought no {program}")
    return program


def install_packages(packages):
    say(f"Installing Debian packages: {' '.join(packages)}")
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (
        ["apt-get", "update"],
        ["apt-get", "install", "-y", "--no-install-recommends", *packages],
    ):
        done = subprocess.run(
            [*as_root, *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if done.returncode != 0:
            raise InstallError(f"{' '.join(command[:2])} failed:\n{done.stdout[-2000:]}")


def main():
    try:
        for name in sys.argv[1:]:
            print(ensure(name), flush=True)
    except InstallError as error:
        print(f"vora: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
