"""Papers from ADS: searches page by page. The papers of each source: `ingest.remote.ads_objects`.

Source: ADS API (search/query): q, fl, rows, sort, cursorMark; X-RateLimit-* headers; object: resolves names
through SIMBAD and NED.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from catalog.schema.identifiers import whole_number
from ingest.json_records import Record
from ingest.remote.errors import QueryRefused, QuotaSpent, TokenRefused, WrongContent
from ingest.remote.http import Client
from ingest.remote.manners import reset_at
from ingest.remote.services import ADS, Request, ads_url
from ingest.remote.shelf import Shelf

KIND = "ads"
FIELDS = "bibcode,title,abstract,author,year,pubdate,bibstem,doctype,doi,identifier,keyword,citation_count"
ROWS = 2000
MOST_PAPERS = 5_000_000
"""More than this no query is taken to find: a number beyond is no number."""


_TOKEN = re.compile(r"^[\w.~+/=-]{8,200}$")


def find_token(home: Path | None = None) -> str:
    """Find the user's token: $ADS_DEV_KEY, $ADS_API_TOKEN, ~/.ads/dev_key, in this order.

    Raises
    ------
    TokenRefused
        If there is none, or what is there is none.
    """
    file = (home or Path.home()) / ".ads" / "dev_key"
    places = {f"${name}": os.environ.get(name, "") for name in ("ADS_DEV_KEY", "ADS_API_TOKEN")}
    if file.is_file():
        places["~/.ads/dev_key"] = file.read_text(encoding="utf-8", errors="replace")
    for place, text in places.items():
        if token := text.strip():
            if not _TOKEN.match(token):
                raise TokenRefused(f"what stands in {place} is no ADS token; copy it from your ADS settings again")
            return token
    raise TokenRefused(
        "ADS wants a token: get yours at https://ui.adsabs.harvard.edu/user/settings/token and put it into "
        "$ADS_DEV_KEY, $ADS_API_TOKEN or ~/.ads/dev_key"
    )


def search_request(query: str, *, cursor: str | None = "*", rows: int = ROWS, what: str = "") -> Request:
    """Describe a search; without a cursor it only counts.

    Examples
    --------
    >>> search_request('object:"M 82"', cursor=None).values["rows"]
    '0'
    """
    values = {"q": query, "fl": FIELDS if cursor else "bibcode", "rows": str(rows if cursor else 0)}
    if cursor:
        # A cursor needs an order without ties, and `id` is unique.
        values |= {"sort": "date desc,id desc", "cursorMark": cursor}
    return Request("GET", f"{ads_url()}/search/query", values, ADS, needs_token=True, what=what or f"papers: {query}")


@dataclass
class AdsReport:
    """What ADS answered.

    Attributes
    ----------
    requests : int
        Sent, of the day's quota.
    papers : int
        Records that came, each counted as often as it came.
    asked : int
        Sources asked for.
    with_papers : int
        Of these, with papers.
    recent : int
        Sources not asked again, because they were asked not long ago.
    unknown : list of str
        Sources that ADS refused to look for.
    left : int
        Sources not yet asked, because the quota was spent.
    files : int
        Files of papers written.
    quota : QuotaSpent or None
        If it stopped before the end: when to go on.
    """

    requests: int = 0
    papers: int = 0
    asked: int = 0
    with_papers: int = 0
    recent: int = 0
    unknown: list[str] = field(default_factory=list)
    left: int = 0
    files: int = 0
    quota: QuotaSpent | None = None


class Searcher:
    """Asks ADS, and stops where the quota ends."""

    def __init__(self, client: Client, report: AdsReport) -> None:
        self._client, self._report = client, report
        self._remaining: int | None = None
        self._reset: datetime | None = None

    def count(self, query: str) -> int:
        """Return how many papers a query finds."""
        return _number(self._ask(search_request(query, cursor=None)).get("numFound"))

    def papers(self, query: str) -> Iterator[list[Record]]:
        """Yield the papers a query finds, page by page.

        Raises
        ------
        WrongContent
            If pages go on when all that was promised has come.
        """
        cursor, came, promised = "*", 0, None
        seen = {cursor}
        while True:
            answer, following = self._page(search_request(query, cursor=cursor))
            docs = answer.get("docs")
            page = [d for d in docs if isinstance(d, dict)] if isinstance(docs, list) else []
            self._report.papers += len(page)
            came += len(page)
            yield page
            n_found = _number(answer.get("numFound"))
            # While we ask, a few papers more may appear; a number that runs away from us is none.
            promised = promised or min(n_found, MOST_PAPERS) + ROWS
            # A cursor ends with a page that repeats it; where all have come, that request is saved.
            if not page or following in {"", cursor} or came >= n_found:
                return
            if came > promised or following in seen:
                raise WrongContent(f"ADS answers more papers than it has, {came:,} so far; type the same again later")
            cursor = following
            seen.add(cursor)

    def _ask(self, request: Request) -> Record:
        return self._page(request)[0]

    def _page(self, request: Request) -> tuple[Record, str]:
        if self._remaining is not None and self._remaining <= 0:
            now = datetime.now(UTC)
            if self._reset is None or self._reset > now:
                raise QuotaSpent(ADS, self._reset)
            self._remaining = None
        self._report.requests += 1

        def read(body: bytes, headers: Mapping[str, str]) -> tuple[Record, str]:
            self._note_limits(headers)
            return _response(body)

        try:
            return self._client.read(request, read)
        except QuotaSpent as error:
            raise QuotaSpent(ADS, error.again_at) from error

    def _note_limits(self, headers: Mapping[str, str]) -> None:
        remaining = headers.get("x-ratelimit-remaining", "").strip()
        if (number := whole_number(remaining.removeprefix("-"))) is not None:
            self._remaining = -number if remaining.startswith("-") else number
            self._reset = reset_at(headers.get("x-ratelimit-reset"))


def fetch_query(client: Client, query: str, shelf: Shelf, report: AdsReport) -> None:
    """Bring all papers a query finds.

    Raises
    ------
    Transient or Terminal
        As `ingest.remote.services` tells them apart; pages that came are on the shelf. A spent quota is no error:
        it stands in the report.
    """
    searcher = Searcher(client, report)
    try:
        for page in searcher.papers(query):
            for record in page:
                shelf.put(record)
            report.files += shelf.flush()  # newest first: a page touches few years
    except QuotaSpent as error:
        report.quota = error
    finally:
        report.files += shelf.flush()


def _response(body: bytes) -> tuple[Record, str]:
    """Read an answer: its `response`, and the cursor that follows."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WrongContent(f"ADS answered no JSON: {body[:60]!r}; type the same again later") from error
    if isinstance(answer, dict) and isinstance(answer.get("response"), dict):
        following = answer.get("nextCursorMark")
        return answer["response"], following if isinstance(following, str) else ""
    said = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(said, dict):
        said = said.get("msg")
    if said:
        raise QueryRefused(f"ADS refuses the query: {' '.join(str(said).split())[:200]}")
    raise WrongContent(f"ADS answered JSON without papers: {body[:60]!r}; type the same again later")


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongContent("ADS answered without the number of papers; type the same again later")
    return value
