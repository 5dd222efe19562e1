"""A request as data: built here, shown or sent elsewhere, so that a user can check what would go over the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlencode

Method = Literal["GET", "POST"]


@dataclass(frozen=True)
class Request:
    """One HTTP request.

    Parameters
    ----------
    method : {'GET', 'POST'}
        GET carries `values` in its address, POST in its body.
    url : str
        Without a query.
    values : mapping of str to str
        Parameters or form fields, in order.
    service : str
        The service's name, as messages use it.
    needs_token : bool
        A token is added when it is sent; it is no part of this object.
    what : str
        What it asks for, in a few words.

    Examples
    --------
    >>> print(Request("GET", "https://x.org/v1", {"q": "M 82"}, "ADS", needs_token=True).shown())
    GET https://x.org/v1?q=M+82
        Authorization: Bearer (your token)
    """

    method: Method
    url: str
    values: Mapping[str, str] = field(default_factory=dict)
    service: str = ""
    needs_token: bool = False
    what: str = ""

    @property
    def name(self) -> str:
        """How messages name it: what it asks for, else its address."""
        return self.what or self.url

    @property
    def address(self) -> str:
        """The address with what GET adds to it."""
        return f"{self.url}?{urlencode(self.values)}" if self.method == "GET" and self.values else self.url

    def shown(self) -> str:
        """Return the request as text, secrets left out."""
        lines = [f"# {self.what}"] if self.what else []
        lines.append(f"{self.method} {self.address}")
        if self.method == "POST":
            lines += [f"    {key}={value}" for key, value in self.values.items()]
        if self.needs_token:
            lines.append("    Authorization: Bearer (your token)")
        return "\n".join(lines)
