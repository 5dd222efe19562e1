"""Who may ask: a request must name this host (DNS rebinding), and no page of another site may have made it.

A page of another origin could make a browser ask us, too. A link from elsewhere may open the page itself; nothing but
the page, and programs, may ask.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from catalog.serve.address import Address

POLICY = "default-src 'self'; style-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'"


def refused(status: int, reason: str) -> Response:
    """Return an answer that refuses, and ends the connection: whatever follows is no request."""
    return Response(json.dumps({"error": reason}), status, {"Connection": "close"}, "application/json; charset=utf-8")


@dataclass
class Callers:
    """Hands requests on that may be answered, with the server's prefix taken off their path, and refuses the others.

    Parameters
    ----------
    app : ASGI application
    address : Address
    pages : collection of str
        Paths that a link from elsewhere may open.
    """

    app: ASGIApp
    address: Address
    pages: Collection[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        prefix, path = self.address.prefix, scope["path"]
        if prefix and path == prefix:
            await RedirectResponse(f"{prefix}/")(scope, receive, send)
            return
        if not path.startswith(f"{prefix}/"):  # a proxy may have taken it off already
            path = prefix + path
        headers = Headers(scope=scope)
        app: ASGIApp = self.app
        if not self._are_ours(headers, asks=path.removeprefix(prefix) not in self.pages):
            app = refused(403, "this server answers its own page, and programs that call it by its name, only")
        elif scope["method"] in {"GET", "HEAD"} and (headers.get("content-length") or "transfer-encoding" in headers):
            app = refused(400, "a GET has no body")
        scope = {**scope, "path": path, "root_path": prefix}

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                said = MutableHeaders(scope=message)
                said.setdefault("Content-Security-Policy", POLICY)
                said["X-Content-Type-Options"] = "nosniff"
                said.setdefault("Cache-Control", "no-store")
            await send(message)

        await app(scope, receive, answer)

    def _are_ours(self, headers: Headers, *, asks: bool) -> bool:
        hosts, site = headers.getlist("host"), headers.get("sec-fetch-site", "none")
        opens = not asks and headers.get("sec-fetch-mode", "navigate") == "navigate"
        origin = headers.get("origin")
        return (
            len(hosts) == 1
            and hosts[0].lower() in self.address.names
            and (origin is None or origin in self.address.origins)
            and (site in {"same-origin", "none"} or opens)
        )
