"""What the boundary checks share: layers.json, the files of the tree, and how findings are told."""

import argparse
import fnmatch
import json
import os
import pathlib
import sys

SKIPPED_FOLDERS = {".git", "build", "node_modules", "__pycache__", ".pytest_cache", ".cache", "vora-data", "venv"}


class Layers:
    """layers.json, with the questions the checks ask of it."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        data = json.loads((self.root / "layers.json").read_text())
        self.modules = data.get("modules", {})
        self.test_patterns = data.get("tests", [])
        self.third_party_headers = data.get("third_party_headers", {})
        self.unreachable = data.get("unreachable", {})
        self.symbols = data.get("symbols", [])
        self.words = data.get("words", [])
        self.module_of_target = {t: name for name, m in self.modules.items() for t in m.get("targets", [])}

    def module_of(self, path):
        """The listed folder that holds this path most closely, or None."""
        folder = pathlib.PurePosixPath(path).parent
        for candidate in (folder, *folder.parents):
            if str(candidate) in self.modules:
                return str(candidate)
        return None

    def is_test(self, path):
        name = pathlib.PurePosixPath(path).name
        return any(fnmatch.fnmatch(path if "/" in p else name, p) for p in self.test_patterns)

    def third_party_of(self, header):
        """The dep:: name that brings <header>, or None for the standard library and the system."""
        matches = [p for p in self.third_party_headers if header.startswith(p)]
        return self.third_party_headers[max(matches, key=len)] if matches else None


def service_of(module):
    """"services/upload" for each of its parts, None for what is no service."""
    parts = module.split("/")
    return "/".join(parts[:2]) if parts[0] == "services" and len(parts) > 1 else None


def files_under(root, suffixes=None, folders=None):
    """Paths relative to root, sorted, without build products."""
    found = []
    for folder in folders or ["."]:
        for where, below, names in os.walk(pathlib.Path(root) / folder):
            below[:] = sorted(d for d in below if d not in SKIPPED_FOLDERS)
            for name in names:
                if suffixes is None or name.endswith(tuple(suffixes)):
                    found.append(pathlib.Path(where, name).relative_to(root).as_posix())
    return sorted(found)


def run(name, check, needs_build=False):
    """Entry point of a check: prints findings, exits 1 on any, 2 when it could not look."""
    parser = argparse.ArgumentParser(description=check.__doc__)
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--build", type=pathlib.Path, required=needs_build, help="build directory")
    arguments = parser.parse_args()
    try:
        findings = check(arguments.root, arguments.build)
    except (OSError, ValueError, KeyError) as failure:
        print(f"check_{name}: cannot look: {failure}", file=sys.stderr)
        return 2
    for finding in findings:
        print(finding)
    print(f"check_{name}: {len(findings)} finding(s)" if findings else f"check_{name}: ok")
    return 1 if findings else 0
