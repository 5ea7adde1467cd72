"""Runs a command with real servers beside it, in a directory that goes with them.

    python -m tools.stack.with_servers postgres minio -- build/debug/test/blob_s3_test

The command finds them by environment: VORA_TEST_POSTGRES (a DSN), VORA_TEST_S3_URL, _ACCESS_KEY and
_SECRET_KEY, VORA_TEST_TEMPORAL and VORA_TEST_KAFKA (host:port). Tests make databases, buckets, task queues and
topics of their own there.
"""

import contextlib
import os
import subprocess
import sys
import tempfile

from tools.stack.kafka import Kafka
from tools.stack.minio import Minio
from tools.stack.postgres import Postgres
from tools.stack.temporal import TemporalDev

KINDS = {"postgres": Postgres, "minio": Minio, "temporal": TemporalDev, "kafka": Kafka}


@contextlib.contextmanager
def servers(names):
    """Starts them all; yields the environment variables that name them."""
    with tempfile.TemporaryDirectory(prefix="vora-servers-", ignore_cleanup_errors=True) as base:
        # The servers that have a system user of their own must get through.
        subprocess.run(["chmod", "711", base], check=True)
        environment = {}
        with contextlib.ExitStack() as started:
            for name in names:
                server = KINDS[name](f"{base}/{name}")
                started.callback(server.stop)
                environment.update(server.start().environment())
            yield environment


def main():
    arguments = sys.argv[1:]
    if "--" not in arguments or not set(arguments[: arguments.index("--")]) <= set(KINDS):
        print(__doc__, file=sys.stderr)
        return 2
    split = arguments.index("--")
    with servers(arguments[:split]) as environment:
        return subprocess.run(arguments[split + 1 :], env={**os.environ, **environment}).returncode


if __name__ == "__main__":
    sys.exit(main())
