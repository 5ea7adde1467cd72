"""ClickHouse as Vora brings it along: vora-event-engine by itself, with one account that writes and one that reads."""

from pathlib import Path

from tools.stack.layout import write_private
from tools.stack.process import Child, get_status


class EventEngine:
    """`accounts`: {name: (password, "read" or "write")}."""

    def __init__(self, directory, program, library, port, accounts):
        self.directory = Path(directory)
        self.program = program
        self.library = library
        self.port = port
        self.accounts = accounts
        self.log = self.directory / "clickhouse.log"
        self.child = None

    @property
    def version(self):
        """Of the library: it lies in a directory with that name."""
        return Path(self.library).parent.name.split("-")[0]

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def launch(self):
        data = self.directory / "data"
        data.mkdir(parents=True, exist_ok=True)
        users = self.directory / "users"
        lines = [f"{name} {password} {right}\n" for name, (password, right) in self.accounts.items()]
        write_private(users, "".join(lines))
        command = [self.program, f"--library={self.library}", f"--path={data}"]
        command += [f"--users={users}", f"--listen={self.address}"]
        self.child = Child("clickhouse", command, self.log, cwd=self.directory)
        return self.child

    def ready(self):
        # 403 is an answer, too: who may ask is the services' business.
        return get_status(f"http://{self.address}/ping", 5) in (200, 401, 403)
