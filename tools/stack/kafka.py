"""Apache Kafka: one broker that is its own controller (KRaft), on one directory."""

import socket
import struct
import subprocess
from pathlib import Path

from tools.stack import install
from tools.stack.process import Child, free_port

# Small and quick to start: what a test needs. A broker of a real cluster has its own configuration.
JVM = ["-Xms96m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]

CONFIGURATION = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=CLIENTS://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=CLIENTS://127.0.0.1:{port}
listener.security.protocol.map=CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=CLIENTS
log.dirs={data}
num.partitions={partitions}
auto.create.topics.enable=true
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
num.network.threads=1
num.io.threads=2
log.cleaner.enable=false
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""

# The cluster's id is 16 bytes in base64; one is as good as another.
CLUSTER = "dm9yYS10ZXN0cy1rYWZrYQ"


class Kafka:
    """Topics are made when they are first named, with `partitions`; all survives kill() and start()."""

    def __init__(self, directory, port=None, partitions=3, controller_port=None):
        self.directory = Path(directory)
        self.port = port or free_port()
        self.controller_port = controller_port or free_port()
        self.partitions = partitions
        self.log = self.directory / "kafka.log"
        self.child = None

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    def _java(self):
        return [install.ensure("java"), *JVM, "-cp", f"{install.ensure('kafka')}/*"]

    def prepare(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        configuration = self.directory / "server.properties"
        data = self.directory / "data"
        configuration.write_text(
            CONFIGURATION.format(
                port=self.port,
                controller=self.controller_port,
                data=data,
                partitions=self.partitions,
            )
        )
        if not data.exists():
            self._format(self._java(), configuration)

    def launch(self):
        configuration = self.directory / "server.properties"
        self.child = Child(
            "kafka",
            [*self._java(), "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "kafka.Kafka", configuration],
            self.log,
            cwd=self.directory,
        )
        return self.child

    def start(self):
        self.prepare()
        self.launch().wait_until(self.ready)
        return self

    def _format(self, java, configuration):
        done = subprocess.run(
            [*map(str, java), "kafka.tools.StorageTool", "format"]
            + ["-t", CLUSTER, "-c", str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        if done.returncode != 0:
            raise RuntimeError(f"formatting Kafka's directory failed:\n{done.stdout[-2000:]}")

    def ready(self):
        """Whether the broker lists itself: it listens before it knows that it is one."""
        try:
            return self._brokers() > 0
        except (OSError, struct.error):
            return False

    def _brokers(self):
        """Metadata request, version 1, of no topic: the number of brokers in the answer."""
        request = struct.pack(">hhih", 3, 1, 1, -1) + struct.pack(">i", 0)
        with socket.create_connection(("127.0.0.1", self.port), 2) as s:
            s.settimeout(5)
            s.sendall(struct.pack(">i", len(request)) + request)
            answer = b""
            while len(answer) < 12:
                more = s.recv(4096)
                if not more:
                    raise OSError("closed")
                answer += more
        return struct.unpack_from(">i", answer, 8)[0]

    def kill(self):
        self.child.kill()

    def stop(self):
        if self.child:
            self.child.stop()

    def environment(self):
        return {"VORA_TEST_KAFKA": self.bootstrap}
