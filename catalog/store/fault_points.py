"""Places at which a test can make a writer fail: each stands just before, or after, something that must be whole.

Nothing happens unless $PHOTONLAKE_FAULT names one, as `point:n:action`: the n-th time that this process reaches the
point, it does the action. The point `any` counts every point. The action `kill` ends the process as `kill -9` does;
`eio` and `enospc` raise the error of a broken or a full disk; `delay` waits a tenth of a second, each time from the
n-th on. `tests/campaign` is what uses it.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from dataclasses import dataclass
from typing import Literal, assert_never, get_args

from catalog.errors import QueryError

Point = Literal[
    "store-place",
    "part-open",
    "part-write",
    "part-close",
    "part-rename",
    "part-add",
    "begin",
    "sums",
    "commit",
    "committed",
    "vectors-write",
    "vectors-tag",
    "pin",
    "expire-files",
    "expire-merge",
    "expire-vectors",
    "repair-orphans",
    "repair-vectors",
    "backup-file",
    "backup-catalog",
    "backup-contents",
    "backup-old",
]
Action = Literal["kill", "eio", "enospc", "delay"]
POINTS: tuple[Point, ...] = get_args(Point)
ACTIONS: tuple[Action, ...] = get_args(Action)
VARIABLE = "PHOTONLAKE_FAULT"
_DELAY_S = 0.1


@dataclass
class _Fault:
    """What is to happen; and how often the point was reached."""

    point: str
    n: int
    action: Action
    reached: int = 0


_fault: _Fault | None = None


def arm(text: str) -> None:
    """Let something happen in this process, as `point:n:action` says; nothing for an empty text.

    Raises
    ------
    QueryError
        If the text is not of this form.

    Examples
    --------
    >>> arm("commit:2:eio")
    >>> reach("commit")
    >>> reach("commit")
    Traceback (most recent call last):
    OSError: [Errno 5] a fault that a test asked for: commit
    >>> arm("")
    """
    global _fault  # noqa: PLW0603 - a process has one fault at most
    if not text:
        _fault = None
        return
    point, _, rest = text.partition(":")
    n, _, action = rest.partition(":")
    known = next((a for a in ACTIONS if a == action), None)
    if point not in (*POINTS, "any") or not n.isdecimal() or int(n) < 1 or known is None:
        raise QueryError(
            f"{VARIABLE}={text}: expected POINT:N:ACTION, as in commit:1:kill; "
            f"points: any, {', '.join(POINTS)}; actions: {', '.join(ACTIONS)}"
        )
    _fault = _Fault(point, int(n), known)


def happened() -> bool:
    """Tell whether what was asked for has happened in this process."""
    return _fault is not None and _fault.reached >= _fault.n


def reach(point: Point) -> None:
    """Say that the process is at a point."""
    if _fault is None or _fault.point not in (point, "any"):
        return
    _fault.reached += 1
    if _fault.reached == _fault.n or (_fault.action == "delay" and _fault.reached > _fault.n):
        _happen(_fault.action, point)


def _happen(action: Action, point: Point) -> None:
    match action:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "eio":
            raise OSError(errno.EIO, f"a fault that a test asked for: {point}")
        case "enospc":
            raise OSError(errno.ENOSPC, f"a fault that a test asked for: {point}")
        case "delay":
            time.sleep(_DELAY_S)
        case _:
            assert_never(action)


arm(os.environ.get(VARIABLE, ""))
