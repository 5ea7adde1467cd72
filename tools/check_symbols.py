#!/usr/bin/env python3
"""Looks into the built archives and executables for symbols that layers.json bans there."""

import re
import shutil
import subprocess
import sys

from boundaries import Layers, run


def symbols_of(binary):
    """(member, demangled name) of every symbol, defined or needed."""
    tool = next((t for t in ("llvm-nm-19", "llvm-nm", "nm") if shutil.which(t)), None)
    if tool is None:
        raise OSError("neither llvm-nm nor nm is installed")
    listed = subprocess.run([tool, "-A", "-C", "-P", str(binary)], capture_output=True, text=True,
                            errors="replace", timeout=120)
    if listed.returncode != 0:
        raise OSError(f"{tool} {binary}: {listed.stderr.strip()}")
    found = []
    for line in listed.stdout.splitlines():
        place, separator, rest = line.partition(": ")
        if separator:
            # "NAME TYPE [VALUE [SIZE]]"; a demangled name holds spaces itself.
            name = re.sub(r" [A-Za-z?-](?: +[0-9a-f]*){0,2} *$", "", rest)
            found.append((place[place.rfind("[") + 1:].rstrip("]") if "[" in place else binary.name, name))
    if not found:
        raise ValueError(f"{binary} holds no symbols at all")
    return found


def check(root, build):
    """Findings of every rule under "symbols"; a rule whose binaries are not there is a finding too."""
    layers = Layers(root)
    findings = []
    files = [p for p in sorted(build.rglob("*")) if p.is_file() and not p.is_symlink()
             and "CMakeFiles" not in p.parts]
    for rule in layers.symbols:
        banned = [re.compile(b) for b in rule["banned"]]
        binaries = [p for p in files if any(p.match(b) for b in rule["binaries"])]
        if not binaries:
            findings.append(f"{rule['rule']}: none of {', '.join(rule['binaries'])} is in {build}")
        for binary in binaries:
            seen = set()
            for member, name in symbols_of(binary):
                plain = name.split("@")[0]
                if any(b.search(plain) for b in banned) and (member, plain) not in seen:
                    seen.add((member, plain))
                    findings.append(f"{binary.relative_to(build)}({member}): {plain}: {rule['rule']}")
    return findings


if __name__ == "__main__":
    sys.exit(run("symbols", check, needs_build=True))
