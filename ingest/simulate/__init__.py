"""A simulated mini survey in the real file formats: for the demo, the tests and the benchmarks.

Everything it writes says that it is simulated, and what sources really are stands apart, in truth.jsonl.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.simulate.survey import OutputInUse, Summary, simulate

__all__ = ["OutputInUse", "Summary", "simulate"]


def __getattr__(name: str) -> object:
    """Load the survey when it is asked for: reading a truth.jsonl needs neither astropy nor the physics."""
    if name not in __all__:
        raise AttributeError(name)
    from ingest.simulate import survey  # noqa: PLC0415 - lazily, see above

    return getattr(survey, name)
