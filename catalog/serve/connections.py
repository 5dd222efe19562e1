"""One connection, under time limits: who connects and says nothing, or too little, is not waited for.

uvicorn waits without end for the first line of a request, for its body, and for a slow reader of an answer. Here each
has its time; a byte now and then does not hold a connection for ever.
"""

from __future__ import annotations

import asyncio
import json

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_S = 30.0
"""So long we wait for a whole request or the next `PIECE` of one, and for a piece of an answer to be taken."""
PIECE = 1 << 20
"""Bytes of a table that is sent: with these in time, who has a slow line may take longer for the whole."""
NO_REQUEST = "expected an HTTP request that names its host once, and a body with its length, as one number"


class TimedConnection(H11Protocol):
    """A connection that is ended when a request, or the taking of an answer, lasts too long."""

    _coming: asyncio.TimerHandle | None = None
    _going: asyncio.TimerHandle | None = None
    _came = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._await_request()

    def _await_request(self) -> None:
        self._stop(self._coming)
        self._coming = self.loop.call_later(REQUEST_S, self._too_late)

    def _too_late(self) -> None:
        if self.conn.their_state in {h11.DONE, h11.MUST_CLOSE}:  # the request is whole: it is we who take long
            return
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take what came; a piece of a long request is given time for the next."""
        self._came += len(data)
        if self._came >= PIECE:
            self._came = 0
            self._await_request()
        super().data_received(data)

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        super().on_response_complete()
        self._await_request()

    def pause_writing(self) -> None:
        """Begin to wait for the other side to take what was sent."""
        super().pause_writing()
        self._going = self.loop.call_later(REQUEST_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on sending."""
        super().resume_writing()
        self._stop(self._going)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop(self._coming)
        self._stop(self._going)
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, in the words and the format of all other refusals."""
        del msg
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:  # an answer is on its way already
            self.transport.close()
            return
        body = json.dumps({"error": NO_REQUEST}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        for event in (h11.Response(status_code=400, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
            if sent := self.conn.send(event):
                self.transport.write(sent)
        self.transport.close()

    @staticmethod
    def _stop(timer: asyncio.TimerHandle | None) -> None:
        if timer is not None:
            timer.cancel()
