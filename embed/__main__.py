"""python -m embed: train encoders, make vectors of what is stale, index them, tell how things stand."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import TaskID

from catalog.console import OUT, OnOption, StoreOption, WaitOption, hint, number, pairs, program, run, table_of, wide
from catalog.errors import QueryError, command, query_command
from catalog.neighbours.closeness import Metric
from catalog.store import location
from embed import registry
from embed.printed_outcomes import progress_bar, say, say_epoch, say_outcome, say_run, say_trained

app = program(
    "Train encoders, make vectors of what is stale, index them.",
    example="python -m embed run --store s",
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
    context: typer.Context,
    space: SpaceArgument,
    store: StoreOption = None,
    model: ModelOption = None,
    latent: Annotated[
        int | None, typer.Option("--latent", min=1, help="Length of the vectors: 8; 6 of a vae, 64 in aligned.")
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", help="aligned: events, spectrum, events-spectrum or properties.")
    ] = None,
    text: Annotated[str, typer.Option("--text", help="aligned: the space of the texts.")] = "papers",
    gamma: Annotated[
        float | None, typer.Option("--gamma", min=0, help="aligned: weight of keeping each modality's geometry.")
    ] = None,
    where: WhereOption = "",
    epochs: EpochsOption = 60,
    seed: SeedOption = 0,
    learning_rate: Annotated[float, typer.Option("--learning-rate", help="After warm-up.")] = 1e-3,
    device: DeviceOption = "auto",
    set_: SetOption = None,
    repeats: Annotated[
        int,
        typer.Option(
            "--repeats", min=0, help="Then train so many more with other seeds; none of them becomes current."
        ),
    ] = 0,
    checkpoint_seconds: Annotated[
        float, typer.Option("--checkpoint-seconds", min=0, help="At most so much work is lost when the process dies.")
    ] = 30.0,
    again: Annotated[
        bool, typer.Option("--again", help="Though the same was trained on the same rows before.")
    ] = False,
    ready_made: Annotated[
        bool, typer.Option("--ready-made", help="Train nothing: take the encoder that comes with the program.")
    ] = False,
    wait: WaitOption = True,
) -> None:
    """Train an encoder and make it the space's current one. Killed and run again, it goes on from the last checkpoint.

    What was trained before, with the same settings on the same rows, is not trained again. With --repeats the studies
    can tell how much of a score is the luck of one training: their intervals then say so.

    Example: python -m embed train spectrum --where 'flux_significance_b >= 5' --store s
    Example: python -m embed train spectrum --ready-made --store s
    Example: python -m embed train aligned --data events --text papers --gamma 0.1 --store s
    """
    from embed.store import training_job, untrained_spaces  # noqa: PLC0415 - `--help` needs no encoder

    if ready_made:
        _check_nothing_is_set(context)
    options = _options(set_ or [])
    if space == "aligned":
        _check_aligned(model, data, text)
        model = model or data
        options |= {} if gamma is None else {"gamma": gamma}
    elif data is not None or gamma is not None:
        raise QueryError(f"--data and --gamma are of the space aligned, not of {space}")
    settings = registry.Settings(
        latent=latent or registry.family(space, model).latent,
        seed=seed,
        epochs=epochs,
        learning_rate=learning_rate,
        device=device,
        checkpoint_seconds=checkpoint_seconds,
        options=options,
        report=say_epoch,
    )
    path = location.store_path(store)
    job = training_job.Training(path, space, model, where, settings, again=again, wait=wait, on_wait=say)
    if ready_made:
        say_trained(untrained_spaces.take_ready(job))
        hint(f"Next: {command(f'embed run {space}', path)}")
        return
    say_trained(training_job.train(job))
    for i in range(1, repeats + 1):
        say_trained(training_job.train(replace(job, settings=replace(settings, seed=seed + i), current=False)))
    hint(f"Next: {command(f'embed run {space}', path)}")


@app.command("run")
def run_(
    spaces: Annotated[list[str] | None, typer.Argument(help="Only these spaces; without, all.")] = None,
    store: StoreOption = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="Processes that encode; default: this one, or all of a cluster."),
    ] = None,
    on: OnOption = "local",
    wait: WaitOption = True,
) -> None:
    """Make the vectors of what is stale, in every space; leave the rest alone; say what and why.

    Example: python -m embed run --store s
    """
    from embed.store import encoding_job, untrained_spaces  # noqa: PLC0415 - `--help` needs none
    from embed.store.status import without_encoder  # noqa: PLC0415

    path = location.store_path(store)
    for made in untrained_spaces.make_ready(path, spaces or [], wait=wait, on_wait=say):
        say_trained(made)
    with progress_bar() as bar:
        tasks: dict[str, TaskID] = {}

        def report(outcome: encoding_job.Outcome, n_rows: int) -> None:
            if outcome.space not in tasks:
                tasks[outcome.space] = bar.add_task(outcome.space, total=n_rows)
            bar.update(tasks[outcome.space], completed=outcome.n_encoded + outcome.n_skipped)

        job = encoding_job.Job(path, wait=wait, on_wait=say, report=report, workers=workers, on=on)
        outcomes = encoding_job.run(job, spaces or [])
    for outcome in outcomes:
        say_outcome(outcome)
    have = {o.space for o in outcomes}
    for line in () if spaces else without_encoder(path, have):
        hint(line)


@app.command()
def status(store: StoreOption = None) -> None:
    """Show spaces, encoders, versions, dimensions, vectors, and what is stale and why; maps of older vectors.

    Example: python -m embed status --store s
    """
    from embed.store.map_job import stale_maps  # noqa: PLC0415 - as above
    from embed.store.status import states, without_encoder  # noqa: PLC0415 - as above

    path = location.store_path(store)
    table = table_of("space", "encoder", "version", "dim", "state", "vectors", "skipped", "stale", "index", "error")
    found = states(path)
    for s in found:
        state = "current" if s.pinned and s.current else "in use" if s.pinned else "next" if s.current else ""
        stale = ", ".join(f"{n:,} {reason}" for reason, n in s.stale.items()) or ("none" if s.current else "")
        index = f"{s.index_kind}, recall {s.index_recall:.3f}" if s.index_kind and s.index_recall is not None else ""
        error = f"{s.error_name} {s.validation_error:.4g}" if s.validation_error is not None else ""
        cells = (s.space, s.encoder_id, str(s.version), str(s.dim), state, f"{s.n_vectors:,}", f"{s.n_skipped:,}")
        table.add_row(*(escape(c) for c in (*cells, stale, index, error)))
    if found:
        wide().print(table)
    for s in found:
        if s.current and s.outgrown:
            line = f"{s.space} learned from {s.outgrown}. Next: {command(f'embed train {s.space}', path)}"
            OUT.print(line, highlight=False, soft_wrap=True)
    for line in (*stale_maps(path), *without_encoder(path, {s.space for s in found if s.current})):
        OUT.print(line, soft_wrap=True, highlight=False, markup=False)


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
    from embed.store import vector_index  # noqa: PLC0415 - as above

    made = vector_index.index(location.store_path(store), space, kind=kind, metric=metric, wait=wait, on_wait=say)
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


@app.command("map")
def make_map(
    space: SpaceArgument,
    store: StoreOption = None,
    method: Annotated[
        str, typer.Option("--method", help="tsne, umap (pip install 'photonlake[umap]') or pca.")
    ] = "tsne",
    most: Annotated[
        int, typer.Option("--rows", min=4, help="Fit to so many at most; others stand beside these.")
    ] = 20_000,
    seed: Annotated[int, typer.Option("--seed", help="Of the rows that are fitted, and of the fit.")] = 0,
    set_: SetOption = None,
    wait: WaitOption = True,
) -> None:
    """Make a map of a space and keep it: the page shows it, `cat.map(space, method=...)` too.

    Options of tsne: perplexity=30, metric=euclidean (or cosine). Of umap: n_neighbors=15, min_dist=0.1, metric.

    Example: python -m embed map spectrum --method tsne --set perplexity=50 --store s
    """
    from embed.store import map_job  # noqa: PLC0415 - as above

    path, options = location.store_path(store), _options(set_ or [])
    made = map_job.make_map(path, space, method, options, most=most, seed=seed, wait=wait, on_wait=say)
    told = ", ".join(f"{name} {value}" for name, value in made.settings.items())
    did = "is there already, of these vectors" if made.was_there else f"{made.n_points:,} rows"
    OUT.print(f"{space} by {method}: {did}{f' ({told})' if told else ''}", highlight=False, soft_wrap=True)
    hint(f"Next: {command('catalog browse', path)}")


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
    """Train with many settings; every run is a row of meta.encoder, none becomes current; one done before is kept.

    Example: python -m embed sweep spectrum --runs 12 --store s
    """
    from embed.store import sweeps, training_job  # noqa: PLC0415 - as above

    settings = registry.Settings(seed=seed, epochs=epochs, device=device)
    base = training_job.Training(location.store_path(store), space, model, where, settings, wait=wait, on_wait=say)
    done = sweeps.sweep(base, runs, say_run)
    table = table_of("encoder", "latent", "learning rate", "options", "epochs", "error")
    for r in sorted(done, key=lambda r: r.trained.validation_error or float("inf")):
        options = ", ".join(f"{k} {v}" for k, v in r.options.items())
        error = f"{r.trained.validation_error:.4g}" if r.trained.validation_error is not None else ""
        cells = (r.trained.encoder_id, r.latent, r.learning_rate, options, r.trained.epochs, error)
        table.add_row(*(escape(str(c)) for c in cells))
    wide().print(table)
    errors = [e for r in done if (e := r.trained.validation_error) is not None]
    if errors:
        OUT.print(f"{done[0].trained.error_name}: from {min(errors):.4g} to {max(errors):.4g}", soft_wrap=True)


@app.command()
def compare(
    space: SpaceArgument,
    encoder: Annotated[list[str] | None, typer.Argument(help="Only these encoders; without, all.")] = None,
    store: StoreOption = None,
    where: Annotated[
        str, typer.Option("--where", help="SQL condition on csc.observation_source: rows to measure on.")
    ] = "",
) -> None:
    """Measure how well encoders reconstruct sources that none of them learnt from, beside floors, with intervals.

    Example: python -m embed compare spectrum --store s
    """
    from embed.store import comparison  # noqa: PLC0415 - as above

    path = location.store_path(store)
    found, left_out = comparison.compare(path, space, encoder or [], where)
    table = table_of("encoder", "model", "dim", "MAE", "68 %", "minus PCA", "68 %", "that PCA")
    dims = {c.name: c.dim for c in found}
    for c in found:
        cells = [c.name, c.model, str(c.dim or ""), f"{c.error.mean:.4f}", f"{c.error.low:.4f} to {c.error.high:.4f}"]
        if c.to_pca is not None:
            d = c.to_pca
            cells += [f"{d.mean:+.4f}", f"{d.low:+.4f} to {d.high:+.4f}", f"{dims[c.pca]}" if c.pca else ""]
        table.add_row(*(escape(x) for x in cells))
    wide().print(table)
    e = found[0].error
    OUT.print(
        f"Mean absolute error of spectra scaled to 0..1, over {e.n_sources:,} sources ({e.n_rows:,} spectra) that no "
        "encoder here learnt from; intervals are the 16th to 84th percentile over resampled sources. 'minus PCA' is "
        "the paired difference to principal components of that size: below 0 is better.",
        highlight=False,
        soft_wrap=not OUT.is_terminal,
    )
    for encoder_id, why in left_out.items():
        OUT.print(f"left out: {encoder_id}, {why}", highlight=False, soft_wrap=True)
    query = f"SELECT encoder_id, dim, validation_error, configuration FROM meta.encoder WHERE space = '{space}'"
    hint(f"Next: {query_command(query, path)}")


def _options(given: list[str]) -> dict[str, int | float | str | bool]:
    """Parse NAME=VALUE; numbers and truth values become such, the rest stays text."""
    truth = {"true": True, "false": False}
    return {name: truth[text] if text in truth else number(text) for name, text in pairs("--set", given, "patch=20")}


def _check_nothing_is_set(context: typer.Context) -> None:
    """Refuse options of a training where nothing is trained."""
    free = {"space", "store", "wait", "ready_made"}
    sources = {n: context.get_parameter_source(n) for n in context.params.keys() - free}
    set_ = {n for n, source in sources.items() if source is not None and source.name != "DEFAULT"}
    if set_:
        named = ", ".join(p.opts[0] for p in context.command.params if p.name in set_)
        raise QueryError(f"--ready-made trains nothing: leave out {named}, or leave out --ready-made")


def _check_aligned(model: str | None, data: str | None, text: str) -> None:
    if text != "papers":
        raise QueryError(f"--text must be papers, the space of texts, found {text!r}")
    if model is not None and data is not None and model != data:
        raise QueryError(f"--model of aligned is what stands on its data side: give --data {data} alone")


def main() -> None:
    """Run the commands."""
    run(app)


if __name__ == "__main__":
    main()
