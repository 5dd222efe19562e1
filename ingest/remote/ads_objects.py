"""The papers of each source from ADS, by object query.

Several sources asked in one query (`object:"A" OR object:"B"`) give papers of which nobody can say whose they
are. So a batch only counts: where it finds none, none of its sources has papers, for the price of one request;
where it finds some, it is halved, down to single sources, whose papers are theirs beyond doubt. How many go into
a batch follows from how often sources had papers so far: halving pays where few have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ingest.remote.ads import AdsReport, Searcher
from ingest.remote.errors import QueryRefused, QuotaSpent
from ingest.remote.http import Client
from ingest.remote.shelf import Shelf

LARGEST_BATCH = 32
_LONGEST_QUERY = 3000
"""Characters of a query: it travels in an address."""
_PAYS_BELOW = 0.3
_FLUSH_EVERY = 200
_REFUSALS = 5
"""Sources refused one after the other, and none answered, before we take it for our own fault."""


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


def _escaped(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')
