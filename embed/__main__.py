"""python -m embed: train encoders, make vectors of what is stale, index them, tell how things stand."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from catalog import lake
from catalog.console import ERR, OUT, StoreOption, VerboseOption, WaitOption, log, run
from catalog.errors import QueryError
from catalog.search import Metric
from embed import encoders

app = typer.Typer(
    help="Train encoders, make vectors of what is stale, index them.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
SpaceArgument = Annotated[str, typer.Argument(help="Embedding space: spectrum, events, papers, properties, ...")]
ModelOption = Annotated[str | None, typer.Option("--model", help="Kind of encoder; else the space's usual one.")]
WhereOption = Annotated[
    str, typer.Option("--where", help="SQL condition on csc.observation_source (lit.paper): rows to train on.")
]
EpochsOption = Annotated[int, typer.Option("--epochs", min=1, help="At most so many.")]
SeedOption = Annotated[int, typer.Option("--seed", help="Of the split, the first weights, and the order of rows.")]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="An option of the model's own; repeatable.")
]


@app.command()
def train(  # noqa: PLR0917 - typer's way to declare options
    space: SpaceArgument,
    store: StoreOption = None,
    model: ModelOption = None,
    latent: Annotated[int, typer.Option("--latent", min=1, help="Length of the vectors.")] = 8,
    where: WhereOption = "",
    epochs: EpochsOption = 60,
    seed: SeedOption = 0,
    learning_rate: Annotated[float, typer.Option("--learning-rate", help="After warm-up.")] = 1e-3,
    device: DeviceOption = "auto",
    set_: SetOption = None,
    wait: WaitOption = True,
    verbose: VerboseOption = False,
) -> None:
    """Train an encoder and make it the space's current one. Killed and run again, it goes on from the last checkpoint.

    Example: python -m embed train spectrum --latent 8 --where 'flux_significance_b >= 5' --store s
    """
    from embed import trained  # noqa: PLC0415 - `--help` needs no encoder

    log(verbose=verbose)
    settings = encoders.Settings(
        latent=latent,
        seed=seed,
        epochs=epochs,
        learning_rate=learning_rate,
        device=device,
        options=_options(set_ or []),
        report=_say_epoch,
    )
    path = lake.store_path(store)
    made = trained.train(trained.Training(path, space, model, where, settings, wait=wait, on_wait=_say))
    _say_trained(made)
    OUT.print(f"Next: python -m embed run --store {path}", highlight=False, soft_wrap=True)


@app.command("run")
def run_(
    spaces: Annotated[list[str] | None, typer.Argument(help="Only these spaces; without, all.")] = None,
    store: StoreOption = None,
    wait: WaitOption = True,
    verbose: VerboseOption = False,
) -> None:
    """Make the vectors of what is stale, in every space; leave the rest alone; say what and why.

    Example: python -m embed run --store s
    """
    from embed import jobs, trained  # noqa: PLC0415 - `--help` needs no encoder

    log(verbose=verbose)
    path = lake.store_path(store)
    for made in trained.make_untrained(path, wait=wait, on_wait=_say):
        _say_trained(made)
    with _progress() as bar:
        tasks: dict[str, TaskID] = {}

        def report(outcome: jobs.Outcome, n_rows: int) -> None:
            if outcome.space not in tasks:
                tasks[outcome.space] = bar.add_task(outcome.space, total=n_rows)
            bar.update(tasks[outcome.space], completed=outcome.n_encoded + outcome.n_skipped)

        outcomes = jobs.run(jobs.Job(path, wait=wait, on_wait=_say, report=report), spaces or [])
    for outcome in outcomes:
        _say_outcome(outcome)
    have = {o.space for o in outcomes}
    for space in () if spaces else (s for s in encoders.DEFAULT_MODEL if s not in have):
        OUT.print(f"{space}: no encoder yet. Next: python -m embed train {space} --store {path}", soft_wrap=True)


@app.command()
def status(store: StoreOption = None) -> None:
    """Show spaces, encoders, versions, dimensions, vectors, and what is stale and why.

    Example: python -m embed status --store s
    """
    from embed import overview  # noqa: PLC0415 - as above

    path = lake.store_path(store)
    table = _table("space", "encoder", "version", "dim", "state", "vectors", "skipped", "stale", "index", "error")
    found = overview.states(path)
    for s in found:
        state = "current" if s.pinned and s.current else "in use" if s.pinned else "next" if s.current else ""
        stale = ", ".join(f"{n:,} {reason}" for reason, n in s.stale.items()) or ("none" if s.current else "")
        index = f"{s.index_kind}, recall {s.index_recall:.3f}" if s.index_kind and s.index_recall is not None else ""
        error = f"{s.error_name} {s.validation_error:.4g}" if s.validation_error is not None else ""
        cells = (s.space, s.encoder_id, str(s.version), str(s.dim), state, f"{s.n_vectors:,}", f"{s.n_skipped:,}")
        table.add_row(*(escape(c) for c in (*cells, stale, index, error)))
    if found:
        _wide().print(table)
    for space in encoders.DEFAULT_MODEL:
        if not any(s.space == space and s.current for s in found):
            command = "run" if not encoders.family(space).trained else f"train {space}"
            OUT.print(f"{space}: no encoder yet. Next: python -m embed {command} --store {path}", soft_wrap=True)


@app.command()
def index(
    space: SpaceArgument,
    store: StoreOption = None,
    kind: Annotated[str | None, typer.Option("--kind", help="rq: quick to build; hnsw: minutes per million.")] = None,
    metric: Annotated[Metric, typer.Option("--metric", help="cosine, l2 or dot.")] = "cosine",
    wait: WaitOption = True,
) -> None:
    """Build an index for nearest(..., exact := false), and measure what it finds and saves.

    Example: python -m embed index spectrum --store s
    """
    from embed import indexing  # noqa: PLC0415 - as above

    made = indexing.index(lake.store_path(store), space, kind=kind, metric=metric, wait=wait, on_wait=_say)
    OUT.print(
        f"{space}: {made.kind} of {made.n_vectors:,} vectors of {made.dim} built in {made.build_s:.1f} s\n"
        f"recall@10 {made.recall:.3f} (worst target {made.recall_lowest:.2f}), mean of {made.n_targets} targets\n"
        f"a search takes {made.index_ms:.1f} ms with it, {made.exact_ms:.1f} ms exactly: "
        f"{made.exact_ms / made.index_ms:.1f} times as fast",
        highlight=False,
        soft_wrap=True,
    )
    if made.index_ms >= made.exact_ms:
        OUT.print("Exact search is as fast here: there is no reason for exact := false.", soft_wrap=True)


@app.command()
def sweep(
    space: SpaceArgument,
    store: StoreOption = None,
    model: ModelOption = None,
    runs: Annotated[int, typer.Option("--runs", min=1, help="So many settings, drawn at random.")] = 12,
    where: WhereOption = "",
    epochs: EpochsOption = 20,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    wait: WaitOption = True,
) -> None:
    """Train with many settings; every run is a row of meta.encoder, none becomes current.

    Example: python -m embed sweep spectrum --runs 12 --store s
    """
    from embed import trained  # noqa: PLC0415 - as above

    settings = encoders.Settings(seed=seed, epochs=epochs, device=device)
    base = trained.Training(lake.store_path(store), space, model, where, settings, wait=wait, on_wait=_say)
    done = trained.sweep(base, runs, _say_run)
    table = _table("encoder", "latent", "learning rate", "options", "epochs", "error")
    for r in sorted(done, key=lambda r: r.trained.fitted.validation_error or float("inf")):
        options = ", ".join(f"{k} {v}" for k, v in r.options.items())
        error = f"{r.trained.fitted.validation_error:.4g}" if r.trained.fitted.validation_error is not None else ""
        cells = (r.trained.encoder_id, r.latent, r.learning_rate, options, r.trained.fitted.epochs, error)
        table.add_row(*(escape(str(c)) for c in cells))
    _wide().print(table)
    errors = [e for r in done if (e := r.trained.fitted.validation_error) is not None]
    if errors:
        OUT.print(f"{done[0].trained.fitted.error_name}: from {min(errors):.4g} to {max(errors):.4g}", soft_wrap=True)


def _options(given: list[str]) -> dict[str, int | float | str | bool]:
    """Parse NAME=VALUE; numbers and truth values become such, the rest stays text."""
    out: dict[str, int | float | str | bool] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals or not name.isidentifier():
            raise QueryError(f"--set {item}: expected NAME=VALUE, as in --set patch=20")
        out[name] = _value(value)
    return out


def _value(text: str) -> int | float | str | bool:
    if text in {"true", "false"}:
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _say(line: str) -> None:
    ERR.print(escape(line), highlight=False, soft_wrap=True)


def _say_epoch(p: encoders.Progress) -> None:
    rate = p.n_rows / p.seconds if p.seconds > 0 else 0.0
    losses = f"loss {p.training_loss:.5g}, held-out {p.validation_loss:.5g}"
    _say(f"epoch {p.epoch}/{p.n_epochs}: {losses}, {rate:,.0f} rows/s")


def _say_trained(made: object) -> None:
    from embed.trained import Trained  # noqa: PLC0415 - as above

    if not isinstance(made, Trained):
        return
    f = made.fitted
    error = f"; {f.error_name} {f.validation_error:.4g} on held-out sources" if f.validation_error is not None else ""
    rows = f", {f.n_rows:,} rows of {f.n_sources:,} sources, {f.epochs} epochs" if f.n_rows else ""
    OUT.print(f"{made.encoder_id}: version {made.version}{rows}{error}", highlight=False, soft_wrap=True)
    if f.skipped:
        OUT.print(f"  {len(f.skipped):,} rows could not be used, e.g. {next(iter(f.skipped.values()))}", soft_wrap=True)


def _say_run(r: object) -> None:
    from embed.trained import Run  # noqa: PLC0415 - as above

    if isinstance(r, Run):
        _say_trained(r.trained)


def _say_outcome(outcome: object) -> None:
    from embed.jobs import Outcome  # noqa: PLC0415 - as above

    if not isinstance(outcome, Outcome):
        return
    o = outcome
    if not o.reasons and not o.changed_over and not o.compaction:
        OUT.print(f"{o.space}: up to date ({o.encoder_id})", highlight=False, soft_wrap=True)
        return
    why = ", ".join(f"{n:,} {reason}" for reason, n in sorted(o.reasons.items()))
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


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=ERR, disable=not ERR.is_terminal)


def _table(*heads: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold")
    return table


def _wide() -> Console:
    return OUT if OUT.is_terminal else Console(width=100_000)


def main() -> None:
    """Run the commands."""
    run(app)


if __name__ == "__main__":
    main()
