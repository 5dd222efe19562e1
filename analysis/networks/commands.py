"""The commands of this study. Heavy imports happen inside them: `--help` needs no science."""

from __future__ import annotations

from collections.abc import Callable

COMMANDS: tuple[Callable[..., None], ...] = ()
