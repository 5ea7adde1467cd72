#!/usr/bin/env python3
"""What clang-format does not see: lengths, banned words, TODO without an issue, machine-bound text."""

import re
import sys

from boundaries import Layers, files_under, run

LINE_MAX = 100
FILE_MAX = 600  # about 500
TEST_FILE_MAX = 800
FUNCTION_MAX = 70
CODE = (".hpp", ".cpp")
TEXT = CODE + (".md", ".txt", ".py", ".ts", ".mjs", ".json", ".cmake", ".sh", ".toml", ".html", ".css", ".yml")
CODE_FOLDERS = ["libs", "contracts", "services", "cli"]

TODO = re.compile(r"\b(TODO|FIXME|XXX)\b(?!\s*\(?#\d+)")
USING_NAMESPACE = re.compile(r"^\s*using\s+namespace\s+(?!std::(chrono_)?[a-z_]*literals\s*;)")
UNBREAKABLE = re.compile(r'R"|https?://')  # raw strings and addresses
DETACHED = re.compile(r"\bdetached\b")
# Written in pieces, so that this file does not hold what it bans.
HOSTS = [".".join(parts) for parts in (
    ("registry", "npmjs", "org"), ("registry", "yarnpkg", "com"), ("pypi", "org"),
    ("files", "pythonhosted", "org"), ("proxy", "golang", "org"), ("sum", "golang", "org"),
    ("index", "crates", "io"), ("static", "crates", "io"), ("registry-1", "docker", "io"),
    ("deb", "debian", "org"))]
HOST = re.compile("|".join(re.escape(h) for h in HOSTS))
MACHINE_PATH = re.compile("(?<![\\w.])/(" + "|".join(("wo" + "rk/", "ro" + "ot/", "ho" + "me/[a-z]")) + ")")


def without_comments(line):
    return line.split("//", 1)[0]


NO_FUNCTION = re.compile(
    r"\s*(//|\}|(namespace|class|struct|union|enum|extern|public|private|protected|if|else|for|while|do|switch|"
    r"case|try|catch)\b)")


def functions(lines):
    """(first line, length) of each function body, by the layout that clang-format gives: functions of a
    namespace begin in the first column, methods within a class in the fifth."""
    for indent in ("", "    "):
        start = None
        for number, line in enumerate(lines, 1):
            if start is not None:
                if line.startswith(indent + "}"):
                    yield start, number - start + 1
                    start = None
            elif line.rstrip().endswith("{") and begins_function(lines, number, indent):
                start = number


def begins_function(lines, number, indent):
    """Whether the body that this line opens belongs to a function whose signature begins at `indent`."""
    line = lines[number - 1]
    if NO_FUNCTION.match(line):
        return False
    if line.startswith(indent) and line[len(indent):len(indent) + 1].strip():
        return True
    # The tail of a signature broken over lines; within functions other things look like it.
    before = lines[number - 2].rstrip() if number > 1 else ""
    return indent == "" and before.endswith((",", "(")) and ")" in line


def check_code(path, lines, is_test):
    findings = []
    limit = TEST_FILE_MAX if is_test else FILE_MAX
    if len(lines) > limit:
        findings.append(f"{path}:{limit + 1}: {len(lines)} lines: at most {limit} in a file")
    if path.endswith(".hpp") and not any(line.strip() == "#pragma once" for line in lines[:3]):
        findings.append(f"{path}:1: a header starts with #pragma once")
    for number, line in enumerate(lines, 1):
        code = without_comments(line)
        if len(line) > LINE_MAX and not UNBREAKABLE.search(line):
            findings.append(f"{path}:{number}: {len(line)} characters: at most {LINE_MAX} in a line")
        if USING_NAMESPACE.match(code):
            findings.append(f"{path}:{number}: no using namespace")
        if DETACHED.search(code):
            findings.append(f"{path}:{number}: nothing is detached: spawn it in a task_group")
    if not is_test:
        for start, length in functions(lines):
            if length > FUNCTION_MAX:
                findings.append(f"{path}:{start}: a function of {length} lines: at most {FUNCTION_MAX}")
    return findings


def check_text(path, lines):
    findings = []
    for number, line in enumerate(lines, 1):
        if not path.endswith(".md") and "tools/check_" not in path and TODO.search(line):
            findings.append(f"{path}:{number}: TODO needs an issue number: TODO(#12)")
        if HOST.search(line):
            findings.append(f"{path}:{number}: the name of a package registry")
        if MACHINE_PATH.search(line):
            findings.append(f"{path}:{number}: a path of one machine")
    return findings


def check_words(layers):
    findings = []
    for rule in layers.words:
        folder = layers.root / rule["folder"]
        if not folder.is_dir():
            findings.append(f"{rule['folder']}: not there, but layers.json has words for it")
            continue
        banned = re.compile("|".join(rule["banned"]), re.IGNORECASE)
        for path in files_under(layers.root, None, [rule["folder"]]):
            if banned.search(path[len(rule["folder"]):]):
                findings.append(f"{path}: the name: {rule['rule']}")
            for number, line in enumerate((layers.root / path).read_text(errors="replace").splitlines(), 1):
                found = banned.search(line)
                if found:
                    findings.append(f"{path}:{number}: \"{found.group()}\": {rule['rule']}")
    return findings


def check(root, build=None):
    """Findings over every text file of the tree, and over the code."""
    layers = Layers(root)
    findings = check_words(layers)
    code_folders = tuple(f + "/" for f in CODE_FOLDERS)
    for path in files_under(layers.root, TEXT):
        lines = (layers.root / path).read_text(errors="replace").splitlines()
        findings += check_text(path, lines)
        if path.endswith(CODE) and path.startswith(code_folders):
            findings += check_code(path, lines, layers.is_test(path))
    return findings


if __name__ == "__main__":
    sys.exit(run("style", check))
