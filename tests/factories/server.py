"""The services on loopback: TAP with jobs, csccli, Sesame and ADS, real HTTP, with faults that can be switched on.

Queries are run by DuckDB on the five tables of the catalog, so that what comes back is what was asked for. As the
real TAP service, this one knows no ADQL geometry.
"""

from __future__ import annotations

import contextlib
import email
import email.policy
import io
import itertools
import json
import math
import random
import re
import threading
import time
import urllib.parse
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from astropy.io import votable
from factories.sky_database import REFUSALS, Refusal, SkyDatabase, as_tsv, as_votable
from factories.survey import FILETYPES, Streamed, Survey

TOKEN = "a-token-of-the-tests-1234567890"  # noqa: S105 - opens nothing but this server


@dataclass
class Fault:
    """What goes wrong: `kind`, for which paths, for which share of the requests, how often at most.

    kinds: 500, 503, 429, 401, reset, stall, truncate, html, query_error, wrong_columns, flip, drip.
    """

    kind: str
    path: str = "."
    share: float = 1.0
    times: int | None = None
    retry_after: str | None = None


@dataclass
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    values: dict[str, str]
    headers: dict[str, str]
    at: float


class Server:
    """The services; use as a context. `url` is their root."""

    def __init__(self, survey: Survey, *, ranges: bool = True, seed: int = 1) -> None:
        self.survey, self.ranges = survey, ranges
        self.faults: list[Fault] = []
        self.seen: list[Seen] = []
        self.injected: list[str] = []
        self.quota: int | None = None
        self.reset_s = 3600.0
        self.spoilers: set[str] = set()
        self.page = 2000
        self.delay_s = 0.0
        self.uploads = True
        self.stopping = threading.Event()
        self._random = random.Random(seed)  # noqa: S311 - the same faults every time
        self._lock = threading.Lock()
        self._jobs: dict[str, dict] = {}
        self._numbers = itertools.count(1)
        self.sky = SkyDatabase()
        self.reload()

    def reload(self) -> None:
        """Take over what changed in the survey."""
        self.sky.load(self.survey)

    def __enter__(self) -> Self:
        server = self

        class Handler(_Handler):
            services = server

        self._http = _Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self.sky.close()

    @property
    def environment(self) -> dict[str, str]:
        """What points photonlake at this server, in haste."""
        hurry = {
            "REQUESTS_PER_S": "2000",
            "BACKOFF_S": "0.01",
            "READ_S": "1.5",
            "CONNECT_S": "5",
            "LONGEST_WAIT_S": "5",
        }
        return {
            "PHOTONLAKE_CSC_URL": f"{self.url}/csccli",
            "PHOTONLAKE_TAP_URL": f"{self.url}/tap",
            "PHOTONLAKE_ADS_URL": f"{self.url}/v1",
            "PHOTONLAKE_SESAME_URL": f"{self.url}/sesame/",
            "ADS_DEV_KEY": TOKEN,
            "NO_PROXY": "*",
            **{f"PHOTONLAKE_HTTP_{k}": v for k, v in hurry.items()},
        }

    def requests(self, path: str) -> list[Seen]:
        """Requests whose path holds a text."""
        return [s for s in self.seen if path in s.path]

    def fault_for(self, path: str) -> Fault | None:
        with self._lock:
            for fault in self.faults:
                if fault.times == 0 or not re.search(fault.path, path) or self._random.random() >= fault.share:
                    continue
                if fault.times is not None:
                    fault.times -= 1
                self.injected.append(f"{fault.kind} {path}")
                return fault
        return None


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_) -> None:
        """Clients that hang up are what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    services: Server

    def log_message(self, *_) -> None:
        pass

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def do_DELETE(self) -> None:
        self._handle("DELETE")

    def _handle(self, method: str) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
            path, _, query = self.path.partition("?")
            values = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.upload = None
            kind = self.headers.get("Content-Type", "")
            if kind.startswith("multipart/"):
                values |= self._multipart(kind, body)
            elif body:
                values |= dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True))
            s = self.services
            headers = {k.lower(): v for k, v in self.headers.items()}
            s.seen.append(Seen(method, path, values, headers, time.monotonic()))
            if s.delay_s:
                s.stopping.wait(s.delay_s)
            self.fault = s.fault_for(f"{path} {values.get('filename', '')} {values.get('q', '')}".strip())
            if self._fails_at_once():
                return
            if path.startswith("/tap/"):
                self._tap(method, path.removeprefix("/tap/"), values)
            elif path.startswith("/csccli/"):
                self._csccli(path.removeprefix("/csccli/"), values)
            elif path == "/v1/search/query":
                self._ads(values)
            elif path.startswith("/sesame"):
                self._sesame(urllib.parse.unquote(query or path))
            else:
                self._send(404, b"no such service")

    def _multipart(self, kind: str, body: bytes) -> dict[str, str]:
        message = email.message_from_bytes(
            b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body, policy=email.policy.HTTP
        )
        values = {}
        for part in message.iter_parts():
            name = part.get_param("name", header="content-disposition")
            content = part.get_payload(decode=True) or b""
            if part.get_filename() is None:
                values[name] = content.decode()
            else:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    table = votable.parse_single_table(io.BytesIO(content)).to_table()
                self.upload = [str(n) for n in table["name"]]
        return values

    def _fails_at_once(self) -> bool:
        fault = self.fault
        if fault is None:
            return False
        if fault.kind in {"500", "503", "429", "401"}:
            self.fault = None
            extra = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            self._send(int(fault.kind), b"<html><body>not now</body></html>", "text/html", extra)
        elif fault.kind == "reset":
            self.close_connection = True
            self.connection.close()
        elif fault.kind == "html":
            self.fault = None
            self._send(200, b"<!DOCTYPE html><html><body><h1>Down for maintenance</h1></body></html>", "text/html")
        elif fault.kind == "query_error":
            self.fault = None
            self._send(200, b"Error executing query: Incorrect syntax near 'x'.\n", "text/plain")
        else:
            return False
        return True

    def _send(
        self, status: int, body: bytes | Streamed, kind: str = "text/plain", extra: Mapping[str, str] | None = None
    ) -> None:
        headers = dict(extra or {})
        if isinstance(body, bytes):
            if self.fault and self.fault.kind == "flip" and len(body) > 40:
                middle = len(body) // 2
                body = body[:middle] + bytes([body[middle] ^ 0x55]) + body[middle + 1 :]
            if status == 200 and "ETag" in headers and self.services.ranges:
                status, body = self._range(body, headers)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(body.length if isinstance(body, Streamed) else len(body)))
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if isinstance(body, Streamed):
            for piece in body.pieces():
                self.wfile.write(piece)
        else:
            self._write(body)

    def _range(self, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        asked = re.match(r"bytes=(\d+)-$", self.headers.get("Range", ""))
        if not asked or self.headers.get("If-Range") not in {None, headers["ETag"]}:
            return 200, body
        start, length = int(asked[1]), len(body)
        if start >= length:
            headers["Content-Range"] = f"bytes */{length}"
            return 416, b""
        headers["Content-Range"] = f"bytes {start}-{length - 1}/{length}"
        return 206, body[start:]

    def _write(self, body: bytes) -> None:
        """Write a body, or what a fault leaves of it."""
        kind = self.fault.kind if self.fault else ""
        if kind in {"truncate", "stall"} and len(body) > 1:
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            if kind == "stall":
                self.services.stopping.wait(60)
            self.close_connection = True
            self.connection.close()
        elif kind == "drip":
            for i in range(len(body)):
                self.wfile.write(body[i : i + 1])
                self.wfile.flush()
                if self.services.stopping.wait(0.05):
                    return
        else:
            self.wfile.write(body)

    # --- TAP ---

    def _tap(self, method: str, path: str, values: dict[str, str]) -> None:
        s = self.services
        if path == "sync":
            try:
                self._send(200, as_votable(*s.sky.query(values["QUERY"])), "application/x-votable+xml")
            except REFUSALS as error:
                self._send(400, _error_table(error), "application/x-votable+xml")
            return
        _, _, rest = path.partition("/")
        number, _, part = rest.partition("/")
        if not number:
            number = str(next(s._numbers))
            s._jobs[number] = {"values": values, "phase": "PENDING", "upload": self.upload}
            self._send(303, b"", extra={"Location": f"{s.url}/tap/async/{number}"})
            return
        job = s._jobs.get(number)
        if job is None:
            self._send(404, b"no such job")
        elif method == "DELETE":
            del s._jobs[number]
            self._send(303, b"", extra={"Location": f"{s.url}/tap/async"})
        elif part == "phase" and method == "POST":
            self._run(job)
            self._send(303, b"", extra={"Location": f"{s.url}/tap/async/{number}"})
        elif part == "results/result":
            self._send(200, job["result"], "application/x-votable+xml")
        else:
            if job["phase"] == "EXECUTING":
                job["polls"] += 1
                if job["polls"] > 1:
                    job["phase"] = job["ends"]
            self._send(200, _job_xml(number, job, s.url), "text/xml")

    def _run(self, job: dict) -> None:
        values, job["phase"], job["polls"] = job["values"], "EXECUTING", 0
        try:
            if job["upload"] is not None and not self.services.uploads:
                raise Refusal("table upload is not supported")
            names, rows, types = self.services.sky.query(values["QUERY"], upload=job["upload"])
            if self.fault and self.fault.kind == "wrong_columns":
                names = [f"strange_{n}" for n in names]
            job["result"], job["ends"] = as_votable(names, rows, types, int(values.get("MAXREC", 10**9))), "COMPLETED"
        except REFUSALS as error:
            job["message"], job["ends"] = str(error).splitlines()[0], "ERROR"

    # --- csccli ---

    def _csccli(self, path: str, values: dict[str, str]) -> None:
        s = self.services
        if path == "getProperties":
            try:
                schema = {"rel2.0": "csc2", "rel2.2": "csc22"}.get(values["version"], "csc21")
                names, rows, _ = s.sky.query(values["query"], schema)
            except REFUSALS as error:
                self._send(200, f"Error executing query: {str(error).splitlines()[0]}\n".encode())
                return
            if self.fault and self.fault.kind == "wrong_columns":
                names = [f"strange_{n}" for n in names]
            self._send(200, as_tsv(names, rows), "text/tab-separated-values")
        elif path == "browse":
            found = [{"filename": n} for p in values["packageset"].split(",") for n in self._names(p)]
            random.Random(len(found)).shuffle(found)  # noqa: S311 - in any order, as the service
            self._send(200, json.dumps(found).encode(), "application/json")
        elif path == "retrieveFile":
            body = s.survey.files.get(values["filename"])
            if body is None:
                self._send(404, b"no such file")
            else:
                tag = (
                    f'"{hash(values["filename"]) & 0xFFFF}-{body.length if isinstance(body, Streamed) else len(body)}"'
                )
                self._send(200, body, "application/gzip", {"ETag": tag})
        else:
            self._send(404, b"no such service")

    def _names(self, package: str) -> list[str]:
        where, filetype, band = package.split("/")
        obsid, obi, region = where.split(".")
        kind = next((k for k, f in FILETYPES.items() if f == filetype), "none")
        tail = rf"_r{int(region):04d}{band}" if region else ""
        pattern = re.compile(rf"^(acis|hrc)f{int(obsid):05d}_{int(obi):03d}N(\d{{3}}){tail}_{kind}\.fits$")
        found = sorted(n for n in self.services.survey.files if pattern.match(n))
        return found[-1:]

    # --- Sesame, ADS ---

    def _sesame(self, text: str) -> None:
        known = {"M 82": (148.96846, 69.67970), "M82": (148.96846, 69.67970)}
        for name, (ra, dec) in known.items():
            if name in text.replace("+", " "):
                self._send(200, f"# {name}\n%J {ra:.6f} +{dec:.6f} = 09 55 52.4 +69 40 46.9\n".encode())
                return
        self._send(200, b"#!Nothing found\n")

    def _ads(self, values: dict[str, str]) -> None:
        s = self.services
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._send(401, b'{"error": "Unauthorized"}', "application/json")
            return
        limits = {}
        if s.quota is not None:
            reset = {"X-RateLimit-Limit": "5000", "X-RateLimit-Reset": str(math.ceil(time.time() + s.reset_s))}
            if s.quota <= 0:
                self._send(
                    429, b'{"error": "Too many requests"}', "application/json", {**reset, "X-RateLimit-Remaining": "0"}
                )
                return
            s.quota -= 1
            limits = {**reset, "X-RateLimit-Remaining": str(s.quota)}
        query = values["q"]
        names = re.findall(r'object:"((?:[^"\\]|\\.)*)"', query)
        if any(n in s.spoilers for n in names):
            self._send(
                400, json.dumps({"error": {"msg": "no such object", "code": 400}}).encode(), "application/json", limits
            )
            return
        found = [c for n in names for c in s.survey.objects.get(n, [])] if names else sorted(s.survey.papers)
        codes = list(dict.fromkeys(found))
        start = int(values.get("cursorMark", "*").lstrip("*n") or 0)
        rows = min(int(values["rows"]), s.page)
        page = codes[start : start + rows]
        wanted = set(values["fl"].split(","))
        docs = [{k: v for k, v in s.survey.papers[c].items() if k in wanted} for c in page]
        answer: dict = {"responseHeader": {"status": 0}, "response": {"numFound": len(codes), "start": 0, "docs": docs}}
        if "cursorMark" in values:
            answer["nextCursorMark"] = f"n{start + len(page)}" if page else values["cursorMark"]
        self._send(200, json.dumps(answer).encode(), "application/json", limits)


def _error_table(error: Exception) -> bytes:
    said = escape(str(error).splitlines()[0])
    return (
        '<?xml version="1.0"?><VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
        f'<RESOURCE type="results"><INFO name="QUERY_STATUS" value="ERROR">{said}</INFO></RESOURCE></VOTABLE>'
    ).encode()


def _job_xml(number: str, job: dict, url: str) -> bytes:
    results = error = ""
    if job["phase"] == "COMPLETED":
        href = f"{url}/tap/async/{number}/results/result"
        results = f'<uws:results><uws:result id="result" xlink:href="{href}"/></uws:results>'
    elif job["phase"] == "ERROR":
        said = escape(job["message"])
        error = f'<uws:errorSummary type="fatal" hasDetail="false"><uws:message>{said}</uws:message></uws:errorSummary>'
    return (
        '<?xml version="1.0" encoding="UTF-8"?><uws:job xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0" '
        'xmlns:xlink="http://www.w3.org/1999/xlink" version="1.1">'
        f"<uws:jobId>{number}</uws:jobId><uws:phase>{job['phase']}</uws:phase>{results}{error}</uws:job>"
    ).encode()
