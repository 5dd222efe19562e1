"""A PostgreSQL server of one's own, from Debian's package, on this machine alone."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

USER, GUARDED, PASSWORD = "photon", "guarded", "xyzzy-1999"
_NEEDED = ("psycopg", "duckdb_extension_postgres_scanner")


def programs() -> Path | None:
    """Where the server's programs are; None where there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    path = found[-1] if found else shutil.which("initdb")
    return Path(path).parent if path else None


def missing() -> str:
    """What this machine lacks for a server and its clients; nothing where it lacks nothing."""
    lacks = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    lacks += [] if programs() else ["PostgreSQL's programs (Debian: postgresql)"]
    lacks += ["setpriv"] if os.geteuid() == 0 and not shutil.which("setpriv") else []
    return ", ".join(lacks)


@dataclass
class Server:
    """One that runs, or is stopped."""

    folder: Path
    port: int
    as_user: list[str] = field(default_factory=list)

    def control(self, verb: str, *options: str) -> None:
        settings = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        subprocess.run(
            [*self.as_user, str(programs() / "pg_ctl"), verb, "-w", "-D", str(self.folder / "data"), *options]
            + (["-o", settings, "-l", str(self.folder / "log")] if verb in {"start", "restart"} else []),
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            cwd=self.folder,
            timeout=120,
        )

    def address(self, database: str, user: str = USER) -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def database(self) -> str:
        """Make an empty database that everybody may write to; return its name."""
        import psycopg  # noqa: PLC0415 - an optional part

        name = f"lake_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.address("postgres"), autocommit=True) as session:
            session.execute(f"CREATE DATABASE {name}")
        with psycopg.connect(self.address(name), autocommit=True) as session:
            session.execute(f"GRANT ALL ON SCHEMA public TO {GUARDED}")
        return name


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """Start a server, with one user who needs no password and one who does; stop it at the end."""
    import psycopg  # noqa: PLC0415 - an optional part

    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as name:
        folder, as_user = Path(name), []
        if os.geteuid() == 0:  # it does not run as root
            as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            shutil.chown(folder, "postgres", "postgres")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            server = Server(folder, free.getsockname()[1], as_user)
        make = [str(programs() / "initdb"), "-D", str(folder / "data"), "-A", "trust", "-U", USER, "--no-sync"]
        subprocess.run([*as_user, *make], check=True, stdout=subprocess.DEVNULL, cwd=folder, timeout=120)
        rules = folder / "data" / "pg_hba.conf"
        rules.write_text(f"host all {GUARDED} 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
        server.control("start")
        try:
            with psycopg.connect(server.address("postgres"), autocommit=True) as session:
                session.execute(f"CREATE ROLE {GUARDED} LOGIN PASSWORD '{PASSWORD}'")
            yield server
        finally:
            server.control("stop", "-m", "immediate")
