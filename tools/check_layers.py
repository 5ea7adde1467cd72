#!/usr/bin/env python3
"""Holds every #include and every CMake link edge against layers.json."""

import collections
import re
import sys

from boundaries import Layers, files_under, run, service_of

FOLDERS = ["libs", "contracts", "services", "cli", "bench"]
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')


def may_use(layers, module, included):
    """Whether product code of `module` may include the file `included`."""
    target = layers.module_of(included)
    uses = layers.modules[module]["uses"]
    return target == module or target in uses or included in uses


def test_may_use(module, target):
    own = service_of(module)
    other = service_of(target)
    return other is None or other == own or own == "services/all"


def check_project_include(layers, path, module, included):
    if not (layers.root / included).is_file():
        return "there is no such file (the path is written in full, from the root)"
    target = layers.module_of(included)
    if target is None:
        return "its folder is not in layers.json"
    if layers.is_test(path):
        return None if test_may_use(module, target) else f"a test of {module} may not use {target}"
    if layers.is_test(included):
        return "product code may not use what is made for tests"
    return None if may_use(layers, module, included) else f"{module} may not use {target}"


def check_third_party_include(layers, path, module, header):
    library = layers.third_party_of(header)
    if library is None or layers.is_test(path) or library in layers.modules[module]["third_party"]:
        return None
    return f"{module} may not use {library}"


def check_includes(layers):
    findings = []
    present = [f for f in FOLDERS if (layers.root / f).is_dir()]
    for path in files_under(layers.root, (".hpp", ".cpp", ".h"), present):
        module = layers.module_of(path)
        if module is None:
            findings.append(f"{path}: its folder is not in layers.json")
            continue
        text = (layers.root / path).read_text(errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            found = INCLUDE.match(line)
            if not found:
                continue
            ours, theirs = found.groups()
            why = (check_project_include(layers, path, module, ours) if ours
                   else check_third_party_include(layers, path, module, theirs))
            if why:
                findings.append(f"{path}:{number}: {ours or theirs}: {why}")
    return findings


def read_edges(build):
    """(folder, target, dep) of every line that VoraModule.cmake wrote."""
    text = (build / "link_edges.txt").read_text()
    edges = [tuple(line.split()) for line in text.splitlines() if line.strip()]
    for edge in edges:
        if len(edge) != 3:
            raise ValueError(f"link_edges.txt: not an edge: {' '.join(edge)}")
    if not edges:
        raise ValueError("link_edges.txt holds no edges")
    return edges


def check_edge(layers, folder, target, dep):
    module = layers.module_of_target.get(target)
    if module is None:
        return f"{folder}: target {target} is not in layers.json"
    if not (folder + "/").startswith(module + "/") and not (module + "/").startswith(folder + "/"):
        return f"{folder}: target {target} belongs to {module} by layers.json"
    if dep.startswith("dep::"):
        if dep[5:] not in layers.modules[module]["third_party"]:
            return f"{folder}: {target} links {dep}: {module} may not use it"
        return None
    other = layers.module_of_target.get(dep)
    if other is None:
        return f"{folder}: {target} links {dep}, which is not in layers.json"
    if other != module and other not in layers.modules[module]["uses"]:
        return f"{folder}: {target} links {dep}: {module} may not use {other}"
    return None


def check_reach(layers, edges):
    """The transitive closure: what a module gets by way of others counts too."""
    links = collections.defaultdict(set)
    for _, target, dep in edges:
        links[target].add(dep)
    findings = []
    for banned_for, banned in layers.unreachable.items():
        for start in sorted(t for t, m in layers.module_of_target.items()
                            if banned_for in (m, t) or m.startswith(banned_for + "/")):
            way = {start: start}
            queue = [start]
            while queue:
                here = queue.pop(0)
                for dep in sorted(links[here]):
                    if dep not in way:
                        way[dep] = f"{way[here]} -> {dep}"
                        queue.append(dep)
            for reached, path in way.items():
                place = layers.module_of_target.get(reached, reached)
                if any(place == b or place.startswith(b + "/") for b in banned):
                    findings.append(f"{banned_for}: must not reach {place}: {path}")
    return findings


def check(root, build=None):
    """Findings of the include check, and with a build directory of the link check."""
    layers = Layers(root)
    findings = check_includes(layers)
    if build is not None:
        edges = read_edges(build)
        findings += [f for f in (check_edge(layers, *edge) for edge in edges) if f]
        findings += check_reach(layers, edges)
    return findings


if __name__ == "__main__":
    sys.exit(run("layers", check))
