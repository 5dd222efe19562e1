"""Papers from ADS: searches page by page, and the papers of each source by object query.

Several sources asked in one query (`object:"A" OR object:"B"`) give papers of which nobody can say whose they
are. So a batch only counts: where it finds none, none of its sources has papers, for the price of one request;
where it finds some, it is halved, down to single sources, whose papers are theirs beyond doubt. How many go into
a batch follows from how often sources had papers so far: halving pays where few have.

Source: ADS API (search/query): q, fl, rows, sort, cursorMark; X-RateLimit-* headers; object: resolves names
through SIMBAD and NED.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
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

LARGEST_BATCH = 32
_LONGEST_QUERY = 3000
"""Characters of a query: it travels in an address."""

_PAYS_BELOW = 0.3
_TOKEN = re.compile(r"^[\w.~+/=-]{8,200}$")
_FLUSH_EVERY = 200
_REFUSALS = 5
"""Sources refused one after the other, and none answered, before we take it for our own fault."""


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


@dataclass(frozen=True)
class Target:
    """A source to ask for, by all names it has.

    Attributes
    ----------
    name : str
        Its CSC name.
    others : tuple of str
        Other names: SIMBAD's main identifier, ...
    """

    name: str
    others: tuple[str, ...] = ()

    @property
    def query(self) -> str:
        """Its object query.

        Examples
        --------
        >>> Target("2CXO J095550.1+694046", ("M 82 X-1",)).query
        'object:"2CXO J095550.1+694046" OR object:"M 82 X-1"'
        """
        names = dict.fromkeys(n for n in (self.name, *self.others) if n.strip())
        return " OR ".join(f'object:"{_escaped(n)}"' for n in names)


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


def fetch_objects(
    client: Client,
    targets: Sequence[Target],
    shelf: Shelf,
    report: AdsReport,
    *,
    older_than: timedelta = timedelta(days=30),
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Bring the papers of sources, and remember whose they are.

    Parameters
    ----------
    client : Client
    targets : sequence of Target
    shelf : Shelf
    report : AdsReport
        Filled in.
    older_than : timedelta
        Sources asked for within this time are not asked again.
    on_progress : callable, optional
        Called with sources done, and how many there are.

    Raises
    ------
    Transient or Terminal
        As `ingest.remote.services` tells them apart; what came is on the shelf, and is not asked again.
    """
    now = datetime.now(UTC)
    due = [t for t in targets if (before := shelf.asked_before(t.name)) is None or now - before >= older_than]
    report.recent += len(targets) - len(due)
    asker = _Objects(Searcher(client, report), shelf, report)
    done = flushed = 0
    try:
        while done < len(due):
            batch = asker.batch(due[done:])
            asker.ask(batch)
            done += len(batch)
            if done - flushed >= _FLUSH_EVERY:
                report.files += shelf.flush()
                flushed = done
            if on_progress:
                on_progress(done, len(due))
        asker.finish()
    except QuotaSpent as error:
        report.quota = error
    finally:
        report.files += shelf.flush()
        report.left += len(due) - report.asked


class _Objects:
    """Batches of object queries, halved where they find something."""

    def __init__(self, searcher: Searcher, shelf: Shelf, report: AdsReport) -> None:
        self._searcher, self._shelf, self._report = searcher, shelf, report
        self._accepted = False
        self._refused: list[Target] = []

    def batch(self, due: Sequence[Target]) -> Sequence[Target]:
        """Take as many sources as pay to be asked together, and fit into one query."""
        share = (self._report.with_papers + 1) / (self._report.asked + 4)
        size = 1 if share > _PAYS_BELOW else max(2, min(LARGEST_BATCH, round(0.7 / share)))
        length, n = 0, 0
        for target in due[:size]:
            length += len(target.query) + 4
            if n and length > _LONGEST_QUERY:
                break
            n += 1
        return due[:n]

    def ask(self, batch: Sequence[Target], *, has_some: bool = False) -> int:
        """Settle a batch; return how many of its sources have papers.

        Parameters
        ----------
        batch : sequence of Target
        has_some : bool
            It is known already that one of them has papers.
        """
        if len(batch) == 1:
            return self._ask_one(batch[0])
        if not has_some:
            try:
                n = self._searcher.count(" OR ".join(t.query for t in batch))
            except QueryRefused:
                n = -1  # one of the names spoils it for all: ask in halves
            else:
                self._accept()
            if n == 0:
                for target in batch:
                    self._settle(target, [])
                return 0
            has_some = n > 0
        half = len(batch) // 2
        found = self.ask(batch[:half])
        # Nothing in the first half: the papers are the second's, which need not be counted first.
        return found + self.ask(batch[half:], has_some=has_some and found == 0)

    def _ask_one(self, target: Target) -> int:
        bibcodes: list[str] = []
        try:
            for page in self._searcher.papers(target.query):
                for record in page:
                    self._shelf.put(record)
                    bibcodes.append(str(record.get("bibcode")))
        except QueryRefused:
            # ADS knows no such object; unless it refuses everything, and then something else is wrong.
            self._refused.append(target)
            if not self._accepted and len(self._refused) >= _REFUSALS:
                raise
            if self._accepted:
                self._accept()
            return 0
        self._accept()
        self._settle(target, bibcodes)
        return int(bool(bibcodes))

    def _accept(self) -> None:
        """ADS answers us: what it refused, it does not know."""
        self._accepted = True
        for target in self._refused:
            self._report.unknown.append(target.name)
            self._settle(target, [])
        self._refused.clear()

    def finish(self) -> None:
        """Say so where ADS refused everything.

        Raises
        ------
        QueryRefused
            If it did.
        """
        if self._refused:
            names = ", ".join(t.name for t in self._refused)
            raise QueryRefused(f"ADS refuses to look for {names}; does it know these objects?")

    def _settle(self, target: Target, bibcodes: Sequence[str]) -> None:
        self._shelf.answered(target.name, bibcodes)
        self._report.asked += 1
        self._report.with_papers += bool(bibcodes)


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


def _escaped(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')
