#!/usr/bin/env python3
"""Makes Varnish's VCL out of default.vcl and the ring of grant keys, and keeps a varnishd up to date.

    vora_vcl.py --grants FILE --gateway HOST:PORT --purge-secret-file FILE [...]          prints the VCL
    vora_vcl.py ... --output FILE                                                  writes it, mode 0640
    vora_vcl.py ... --output FILE --watch --varnish-name DIR     and loads it anew whenever a key changes

Python's standard library only. The output holds keys: it is for varnishd and nobody else.
"""

import argparse
import ipaddress
import json
import os
import re
import secrets
import subprocess
import sys
import time
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parent / "default.vcl"
KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
KEY = re.compile(r"[0-9a-f]{64,128}")
SECRET = re.compile(r"[A-Za-z0-9_.~+/=-]{16,256}")
ADDRESS = re.compile(r"([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]):([0-9]{1,5})")
DURATION = re.compile(r"[0-9]+(\.[0-9]+)?(ms|s|m|h|d)")


class BadInput(ValueError):
    """What is wrong with what the VCL is to be made of."""


def text_of(value, pattern, what):
    """Nothing gets into the VCL that could be anything but the text it is meant to be."""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise BadInput(f"this is no {what}")
    return value


def read_keys(path):
    """The ring of libs/auth/key_file.hpp: {key id: key}."""
    try:
        keys = json.loads(Path(path).read_text())["keys"]
        pairs = sorted(keys.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{path} holds no grant keys: {error}") from None
    if not pairs:
        raise BadInput(f"{path} holds no grant keys")
    return {text_of(k, KEY_ID, "key id"): text_of(v, KEY, "grant key") for k, v in pairs}


def backends(addresses, timeouts):
    lines = []
    for number, address in enumerate(addresses):
        text_of(address, ADDRESS, f"HOST:PORT ({address})")
        host, port = address.rsplit(":", 1)
        lines += [
            f"backend gateway_{number} {{",
            f'    .host = "{host.strip("[]")}";',
            f'    .port = "{port}";',
            f"    .connect_timeout = {timeouts['connect']};",
            f"    .first_byte_timeout = {timeouts['first_byte']};",
            f"    .between_bytes_timeout = {timeouts['between_bytes']};",
            "    # A path that is none: only whether the gateway answers counts.",
            "    .probe = {",
            '        .request = "GET /play/probe HTTP/1.1" "Host: gateway" "Connection: close";',
            "        .expected_response = 404;",
            "        .interval = 1s;",
            "        .timeout = 2s;",
            "        .window = 5;",
            "        .threshold = 3;",
            "        .initial = 3;",
            "    }",
            "}",
        ]
    if len(addresses) > 1:
        lines = ["import directors;"] + lines
        lines += ["sub vcl_init {", "    new gateways = directors.round_robin();"]
        lines += [f"    gateways.add_backend(gateway_{n});" for n in range(len(addresses))]
        lines += ["}"]
    return "\n".join(lines)


def key_checks(keys, blind):
    lines = []
    for key_id, key in keys.items():
        lines += [
            f'    if (var.get("kid") == "{key_id}") {{',
            '        var.set("verdict", "bad");',
            f'        if (digest.hmac_sha256("{blind}", digest.hmac_sha256("{key}", var.get("text")))'
            ' == var.get("given")) {',
            '            var.set("verdict", "good");',
            "        }",
            "    }",
        ]
    return "\n".join(lines)


def purgers(addresses):
    lines = []
    for address in addresses:
        try:
            network = ipaddress.ip_network(address, strict=False)
        except ValueError:
            raise BadInput(f"--purge-from {address} is no address") from None
        lines.append(f'    "{network.network_address}"/{network.prefixlen};')
    return "\n".join(lines)


TIMEOUTS = {"connect": "0.5s", "first_byte": "5s", "between_bytes": "12s", "grace": "1d"}


def render(keys, gateways, purge_secret, purge_from=("127.0.0.1", "::1"), **timeouts):
    """The VCL's text. first_byte is more than gateway.store_deadline_ms: its own 504 says more."""
    times = {**TIMEOUTS, **{k: text_of(v, DURATION, f"duration ({k})") for k, v in timeouts.items()}}
    blind = secrets.token_hex(32)
    values = {
        "BACKENDS": backends(gateways, times),
        "BACKEND": "gateways.backend()" if len(gateways) > 1 else "gateway_0",
        "PURGERS": purgers(purge_from),
        "KEYS": key_checks(keys, blind),
        "BLIND": blind,
        "PURGE_SECRET": text_of(purge_secret, SECRET, "purge secret of 16 plain characters or more"),
        "GRACE": times["grace"],
    }
    return re.sub(r"@([A-Z_]+)@", lambda m: values[m.group(1)], TEMPLATE.read_text())


def write_private(path, text):
    """Replaces the file in one step."""
    path = Path(path)
    fresh = path.with_name(path.name + ".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640), "w") as out:
        out.write(text)
    fresh.rename(path)


def varnishadm(instance, *command):
    done = subprocess.run(
        ["varnishadm", "-n", str(instance), *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode != 0:
        raise RuntimeError(f"varnishadm {command[0]}: {(done.stdout + done.stderr).strip()}")
    return done.stdout


def load(instance, path):
    """Loads a VCL beside the running one, switches over, lets the old one go. No request is lost."""
    name = f"vora_{time.time_ns()}"
    varnishadm(instance, "vcl.load", name, str(path))
    varnishadm(instance, "vcl.use", name)
    for line in varnishadm(instance, "vcl.list").splitlines():
        fields = line.split()
        if len(fields) > 3 and fields[0] == "available" and fields[-1] != name:
            varnishadm(instance, "vcl.discard", fields[-1])


def watch(instance, output, ring, make, interval_s=0.1):
    """Loads the VCL anew when the ring has changed; what fails is tried again."""
    loaded = read_keys(ring)
    while True:
        time.sleep(interval_s)
        try:
            keys = read_keys(ring)
            if keys != loaded:
                write_private(output, make(keys))
                load(instance, output)
                loaded = keys
                print(f"keys: {' '.join(keys)}", file=sys.stderr, flush=True)
        except (BadInput, RuntimeError, subprocess.TimeoutExpired) as error:
            print(f"vora_vcl: {error}", file=sys.stderr, flush=True)
            time.sleep(1)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--grants", required=True, help="the ring, keys/grants.json of the data directory")
    p.add_argument("--gateway", required=True, action="append", help="HOST:PORT, may be given again")
    p.add_argument("--purge-secret-file", required=True, help="holds cache.purge_secret")
    p.add_argument("--purge-from", action="append", help="address or network of a gateway")
    for name, value in TIMEOUTS.items():
        p.add_argument(f"--{name.replace('_', '-')}", default=value, help=f"default {value}")
    p.add_argument("--output")
    p.add_argument("--watch", action="store_true")
    p.add_argument("--varnish-name", help="varnishd's -n")
    o = p.parse_args()
    if o.watch and not (o.output and o.varnish_name):
        p.error("--watch needs --output and --varnish-name")

    def make(keys):
        secret = Path(o.purge_secret_file).read_text().strip()
        times = {name: getattr(o, name) for name in TIMEOUTS}
        return render(keys, o.gateway, secret, o.purge_from or ("127.0.0.1", "::1"), **times)

    try:
        text = make(read_keys(o.grants))
    except (BadInput, OSError) as error:
        print(f"vora_vcl: {error}", file=sys.stderr)
        return 1
    if not o.output:
        print(text, end="")
        return 0
    write_private(o.output, text)
    if o.watch:
        load(o.varnish_name, o.output)
        watch(o.varnish_name, o.output, o.grants, make)
    return 0


if __name__ == "__main__":
    sys.exit(main())
