"""Which processes a stack has, what each needs, and in which order they stop."""

import os
import subprocess

from tools.stack import servers
from tools.stack.layout import binary, write_private
from tools.stack.process import Child, get_status
from tools.stack.service_config import SERVICES, ServiceConfig, assign, known_keys, toml
from tools.stack.supervise import Member

SCALABLE = ["upload", "metadata", "workflow", "worker", "gateway", "analytics"]
NEEDS = {
    "upload": ("minio",),
    "metadata": ("postgres",),
    "workflow": (),
    "worker": ("minio",),
    "gateway": ("minio",),
    "analytics": (),
    "dashboard": (),
}
# They connect by themselves and wait for it; it is only quicker not to begin before it.
LATER = {
    "metadata": ("temporal",),
    "workflow": ("temporal",),
    "worker": ("temporal",),
    "analytics": ("clickhouse",),
}
LISTENERS = {
    "upload": ("listen", "internal_listen", "admin_listen"),
    "metadata": ("listen", "internal_listen", "admin_listen"),
    "workflow": ("admin_listen",),
    "worker": ("admin_listen",),
    "gateway": ("listen", "admin_listen"),
    "analytics": ("listen", "admin_listen"),
    "dashboard": ("listen", "admin_listen"),
}


def instances(service, count):
    return [service if n == 1 else f"{service}-{n}" for n in range(1, count + 1)]


class Blueprint:
    """All members of one stack, from the user's wishes and what is kept in its directory."""

    def __init__(self, layout, listen, scale, kafka, wanted, library):
        self.layout = layout
        self.library = library  # of the event engine
        self.host, self.port = listen
        self.scale = scale
        self.with_kafka = kafka
        self.listeners = {}
        for service in SERVICES:
            for name in instances(service, scale.get(service, 1)):
                host = self.host if service == "upload" else "127.0.0.1"
                self.listeners[name] = {
                    f"server.{kind}": f"{host if kind == 'listen' else '127.0.0.1'}:"
                    f"{layout.port(f'{name}.{kind}')}"
                    for kind in LISTENERS[service]
                }
        self.version = vora_version()
        self.servers = servers.Servers(self)
        self.at = self.servers.addresses()
        self.public = self.servers.public_urls()
        self.config = ServiceConfig(layout, self.at, self.public)
        programs = {service: binary(f"vora-{service}") for service in SERVICES}
        self.known = {service: known_keys(program) for service, program in programs.items()}
        self.assigned = assign(wanted, self.known)
        # A user's public URLs are ours, too.
        for name in ("api", "upload", "play"):
            self.public[name] = wanted.get(f"public_urls.{name}", self.public[name])

    def names(self, service):
        return instances(service, self.scale.get(service, 1))

    def all(self, service, kind="listen"):
        """The addresses of all instances."""
        return [self.listeners[name][f"server.{kind}"] for name in self.names(service)]

    def members(self):
        return [
            *self.servers.members(),
            *(self._service(s, name) for s in SERVICES for name in self.names(s)),
        ]

    def _service(self, service, name):
        layout, listeners = self.layout, self.listeners[name]
        program = binary(f"vora-{service}")
        home = layout.home(name)
        keys = self.config.of(service, listeners)
        if service == "worker":
            keys["worker.scratch_dir"] = str(home / "scratch")
        if service == "analytics":
            keys["events.spool_dir"] = str(home / "spool")
        if service == "metadata":
            keys["metadata.grpc_listen"] = f"127.0.0.1:{layout.port(f'{name}.grpc')}"
        keys.update(self.assigned[service])
        for key in keys.keys() - self.known[service]:
            del keys[key]
        write_private(layout.config(name), toml(keys))
        environment = {k: v for k, v in os.environ.items() if not k.startswith("VORA_")}
        admin = listeners["server.admin_listen"]

        def launch():
            return Child(
                name,
                [program, "--config", layout.config(name)],
                layout.log(name),
                environment=environment,
                clean=True,
                cwd=home,
            )

        return Member(
            name=name,
            version=self.version,
            port=port_of(listeners.get("server.listen", admin)),
            launch=launch,
            ready=lambda: get_status(f"http://{admin}/readyz", 10) == 200,
            phase=servers.PHASE_SERVICE,
            needs=NEEDS[service],
            patient_needs=LATER.get(service, ()),
            start_s=300,
            stop_s=20,
            internal=listeners.get("server.internal_listen", ""),
            admin=admin,
        )

    def environment(self):
        """DIR/stack.env: where the stores are, and who may do everything there."""
        return self.servers.environment()


def port_of(address):
    return int(address.rsplit(":", 1)[1])


def vora_version():
    done = subprocess.run(
        [binary("vora"), "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    return done.stdout.split()[-1] if done.stdout.split() else "?"
