"""What the commands of embed print: epochs, trained encoders, what a run did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from catalog.console import ERR, OUT, shows_bars
from embed import registry

if TYPE_CHECKING:  # `--help` needs no encoder
    from embed.store.encoding_job import Outcome
    from embed.store.sweeps import Run
    from embed.store.training_job import Trained


def say(line: str) -> None:
    """Print a line on stderr, beside the results."""
    ERR.print(escape(line), highlight=False, soft_wrap=True)


def say_epoch(p: registry.Progress) -> None:
    """Print an epoch of a training."""
    rate = p.n_rows / p.seconds if p.seconds > 0 else 0.0
    losses = f"loss {p.training_loss:.5g}, held-out {p.validation_loss:.5g}"
    say(f"epoch {p.epoch}/{p.n_epochs}: {losses}, {rate:,.0f} rows/s")


def say_trained(made: Trained) -> None:
    """Print what was trained, or that it was trained before."""
    known = made.validation_error is not None
    error = f"; {made.error_name} {made.validation_error:.4g} on held-out sources" if known else ""
    rows = f", {made.n_rows:,} rows of {made.n_sources:,} sources, {made.epochs} epochs" if made.n_rows else ""
    if made.ready_made:
        line = f"{made.encoder_id}: ready made, version {made.version}{rows}{error}"
        OUT.print(line, highlight=False, soft_wrap=True)
        return
    if made.trained_before is not None:
        when = f"already trained, {made.trained_before:%Y-%m-%d %H:%M} UTC, with these settings on these rows"
        OUT.print(f"{made.encoder_id}: {when}; --again trains it once more", highlight=False, soft_wrap=True)
        OUT.print(f"  version {made.version}{rows}{error}", highlight=False, soft_wrap=True)
        return
    OUT.print(f"{made.encoder_id}: version {made.version}{rows}{error}", highlight=False, soft_wrap=True)
    if made.skipped_because:
        OUT.print(f"  {made.n_skipped:,} rows could not be used, e.g. {made.skipped_because}", soft_wrap=True)


def say_run(r: Run) -> None:
    """Print a run of a sweep."""
    say_trained(r.trained)


def say_outcome(o: Outcome) -> None:
    """Print what a run did in one space."""
    if o.blocked:
        OUT.print(f"{o.space}: left as it is; {o.blocked}", highlight=False, soft_wrap=True)
        return
    if not o.reasons and not o.changed_over and not o.compaction:
        OUT.print(f"{o.space}: up to date ({o.encoder_id})", highlight=False, soft_wrap=True)
        return
    why = ", ".join(f"{reason}: {n:,}" for reason, n in sorted(o.reasons.items()))
    did = [f"{o.n_encoded:,} vectors made"]
    did += [f"{o.n_skipped:,} skipped"] if o.n_skipped else []
    did += [f"{o.n_removed:,} removed"] if o.n_removed else []
    rate = f" ({o.n_encoded / o.seconds:,.0f}/s)" if o.seconds > 0 else ""
    OUT.print(f"{o.space}: {why or 'nothing new'}; {', '.join(did)} in {o.seconds:.1f} s{rate}", soft_wrap=True)
    for reason, n in o.skipped.most_common(3):
        OUT.print(f"  skipped {n:,}: {escape(reason)}", highlight=False, soft_wrap=True)
    if o.changed_over:
        OUT.print(f"  readers now see the vectors of {o.encoder_id}", highlight=False, soft_wrap=True)
    if c := o.compaction:
        OUT.print(
            f"  compacted: {c.files_before} files, {c.bytes_before:,} bytes -> {c.files_after}, {c.bytes_after:,}",
            highlight=False,
            soft_wrap=True,
        )


def progress_bar() -> Progress:
    """Return the bar of rows done, on stderr."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=ERR, disable=not shows_bars())
