"""The configuration files of the services: each has what it may have, and nothing else."""

import json
import re
import subprocess
import tomllib

from tools.stack.layout import StackError

SERVICES = ["upload", "metadata", "workflow", "worker", "gateway", "analytics", "dashboard"]


def toml(keys):
    """{"section.key": value} as a file."""
    sections = {}
    for key, value in keys.items():
        section, name = key.split(".", 1)
        sections.setdefault(section, {})[name] = value
    lines = []
    for section, values in sections.items():
        lines.append(f"[{section}]")
        # JSON's strings, numbers and booleans are TOML's.
        lines += [f"{name} = {json.dumps(value)}" for name, value in values.items()]
        lines.append("")
    return "\n".join(lines)


def flatten(table, prefix=""):
    flat = {}
    for key, value in table.items():
        if isinstance(value, dict):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


def typed(text):
    """A flag's text as TOML's value: numbers and booleans are what they look like."""
    if re.fullmatch(r"-?[0-9]+", text):
        return int(text)
    if re.fullmatch(r"-?[0-9]+\.[0-9]+", text):
        return float(text)
    return {"true": True, "false": False}.get(text, text)


def known_keys(program):
    """What a service's --help lists."""
    done = subprocess.run(
        [str(program), "--help"], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise StackError(f"{program} --help failed: {done.stderr[-500:]}")
    return set(re.findall(r"^  ([a-z0-9_]+\.[a-z0-9_]+) = ", done.stdout, re.M))


def wanted_by_user(file, flags):
    """{key: value} of DIR/vora.toml, and of `--section.key=value`, which wins."""
    wanted = {}
    if file.exists():
        try:
            wanted = flatten(tomllib.loads(file.read_text()))
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise StackError(f"{file}: {error}") from None
    for flag in flags:
        found = re.fullmatch(r"--([a-z0-9_]+\.[a-z0-9_]+)=(.*)", flag)
        if not found:
            raise StackError(f"{flag} is no --section.key=value (./vora stack up --help)")
        wanted[found[1]] = typed(found[2])
    return wanted


def assign(wanted, keys_of):
    """{service: {key: value}}; a key that no service has is a mistake."""
    assigned = {service: {} for service in keys_of}
    for key, value in wanted.items():
        having = [service for service, keys in keys_of.items() if key in keys]
        if not having:
            raise StackError(f'no service has the key "{key}" (build/bin/vora-NAME --help lists them)')
        for service in having:
            assigned[service][key] = value
    return assigned


class ServiceConfig:
    """`at` names addresses (HOST:PORT): metadata, metadata.internal, upload.internal, minio, temporal, clickhouse..."""

    def __init__(self, layout, at, public):
        self.layout = layout
        self.at = at
        self.public = public  # {"api": URL, "upload": URL, "play": URL}

    def of(self, service, listeners):
        """The keys of one instance; `listeners`: {"server.listen": ..., ...}."""
        keys = {**listeners, **getattr(self, f"_{service}")()}
        if "server.listen" in listeners and service != "upload":
            keys["server.trusted_proxies"] = "127.0.0.1"
        return keys

    def _s3(self, user):
        return {
            "s3.endpoint": f"http://{self.at['minio']}",
            "s3.access_key": f"vora-{user}",
            "s3.secret_key": self.layout.secret(f"minio-{user}"),
        }

    def _engine(self):
        return {"workflow.engine": f"temporal://{self.at['temporal']}/vora"}

    def _events(self, user):
        key = self.layout.secret(f"clickhouse-{user}")
        return {"events.engine": f"http://{user}:{key}@{self.at['clickhouse']}"}

    def _key_files(self, *names):
        files = {
            "grants_file": "grants.json",
            "issuer_file": "issuer.pem",
            "issuer_public_file": "issuer.pub.pem",
        }
        return {f"keys.{name}": str(self.layout.root / "keys" / files[name]) for name in names}

    def _secrets(self, *names):
        return {f"secrets.{name}": self.layout.secret(name) for name in names}

    def _public_urls(self):
        return {f"public_urls.{name}": url for name, url in self.public.items() if url}

    def _upload(self):
        return {
            "store.raw": "s3:bucket-raw",
            **self._s3("upload"),
            "upload.hook_url": f"http://{self.at['metadata.internal']}/internal/hooks/upload",
            "public_urls.upload": self.public["upload"],
            **self._secrets("internal", "hook"),
            **self._key_files("grants_file", "issuer_public_file"),
        }

    def _metadata(self):
        database = f"postgresql://vora:{self.layout.secret('postgres-vora')}@{self.at['postgres']}/vora"
        return {
            "metadata.database": database,
            **self._engine(),
            "services.upload_url": f"http://{self.at['upload.internal']}",
            **self._public_urls(),
            **self._secrets("internal", "hook"),
            **self._key_files("grants_file", "issuer_public_file"),
        }

    def _workflow(self):
        return self._engine()

    def _worker(self):
        return {
            **self._engine(),
            "store.raw": "s3:bucket-raw",
            "store.processed": "s3:bucket-processed",
            **self._s3("worker"),
        }

    def _gateway(self):
        return {
            "services.metadata_url": f"http://{self.at['metadata.internal']}",
            "store.processed": "s3:bucket-processed",
            **self._s3("gateway"),
            **self._secrets("internal"),
            **self._key_files("grants_file"),
            "cache.purge_urls": f"http://{self.at['varnish']}",
            "cache.purge_secret": self.layout.secret("purge"),
        }

    def _analytics(self):
        kafka = {}
        if "kafka" in self.at:
            kafka = {"events.spill": "kafka", "events.kafka_brokers": self.at["kafka"]}
        return {**self._events("writer"), **kafka}

    def _dashboard(self):
        return {
            "services.metadata_url": f"http://{self.at['metadata.internal']}",
            **self._events("reader"),
            **self._public_urls(),
            **self._key_files("issuer_file"),
        }
