"""What can go wrong with a service: each a `Transient` (ask again later) or a `Terminal` (asking again is no use)."""

from __future__ import annotations

from datetime import UTC, datetime

from catalog.errors import Terminal, Transient


class ServiceUnreachable(Transient, ConnectionError):
    """No answer at all: no network, no such host, refused, timed out."""


class ServiceFault(Transient, ConnectionError):
    """The service answered, and said that it is broken or busy (a 5xx)."""


class WrongContent(Transient, ValueError):
    """Something else than data under a status that promised data: an HTML page of a service under maintenance."""


class BodyIncomplete(Transient, ValueError):
    """A body that ended early, came too slowly, or fails its checksums."""


class QuotaSpent(Transient, RuntimeError):
    """The service lets nothing more through for now.

    Parameters
    ----------
    service : str
        Its name for people.
    again_at : datetime or None
        When to go on, UTC; None where the service does not say.
    """

    def __init__(self, service: str, again_at: datetime | None) -> None:
        self.service, self.again_at = service, again_at
        when = f"go on after {again_at:%Y-%m-%d %H:%M:%S} UTC" if again_at else "go on later"
        super().__init__(f"{service} lets nothing more through for now; {when} by typing the same again")

    @property
    def wait_s(self) -> float | None:
        """Seconds from now until the service lets something through again."""
        return max(0.0, (self.again_at - datetime.now(UTC)).total_seconds()) if self.again_at else None


class QueryRefused(Terminal, ValueError):
    """The service, or we ourselves, refuse a query as it stands."""


class NotThere(Terminal, FileNotFoundError):
    """The service has no such thing (404)."""


class TokenRefused(Terminal, PermissionError):
    """No token, or one that the service does not take any more."""


class WrongColumns(Terminal, ValueError):
    """A table without the columns that were asked for."""


class NameUnknown(Terminal, LookupError):
    """A name that no resolver knows."""
