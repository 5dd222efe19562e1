"""The graph of a network run as a file: for Gephi, Cytoscape, or another program's own measures.

GraphML and GEXF are written row by row, so that a graph of millions of edges is no burden.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from xml.sax.saxutils import escape, quoteattr

import pyarrow as pa
import pyarrow.parquet as pq

from catalog.catalog import Catalog
from catalog.errors import QueryError, UnknownName, suggestion
from catalog.formats.whole_files import whole

GRAPH_FORMATS = ("graphml", "gexf", "parquet")


def write_graph(
    cat: Catalog, run_id: int, format_: str | None = None, output: Path | None = None, threshold: float | None = None
) -> list[Path]:
    """Write nodes with their measures, and edges with their similarity.

    Parameters
    ----------
    cat : Catalog
    run_id : int
        Of a network run: analysis.run.
    format_ : {'graphml', 'gexf', 'parquet'}, optional
        parquet writes two files, of nodes and of edges. Else what the output's name says, else graphml.
    output : Path, optional
        Else `network_<run>.<format>` in the current folder.
    threshold : float, optional
        One of the run's thresholds: the nodes' measures are those at it, and the edges those above it. Else the lowest.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    UnknownName
        If there is no such run, or it has no such threshold.
    QueryError
        If the format is none of these.
    """
    named = output.suffix.removeprefix(".").lower() if output else "graphml"
    format_ = format_ or named
    if format_ not in GRAPH_FORMATS:
        known = ", ".join(GRAPH_FORMATS)
        raise QueryError(f"no graph format {format_!r}{suggestion(format_, GRAPH_FORMATS)}; there are {known}")
    thresholds = [
        float(str(t))
        for (t,) in cat.sql("SELECT threshold FROM analysis.graph WHERE run_id = $id ORDER BY 1", id=run_id).fetchall()
    ]
    if not thresholds:
        raise UnknownName(
            f"there is no network run {run_id}; list them: SELECT * FROM analysis.run WHERE kind = 'network'"
        )
    chosen = thresholds[0] if threshold is None else threshold
    if chosen not in thresholds:
        raise UnknownName(f"run {run_id} has no threshold {chosen:g}; it has {', '.join(f'{t:g}' for t in thresholds)}")
    query = "SELECT * EXCLUDE (run_id, threshold) FROM analysis.node WHERE run_id = $id AND threshold = $t ORDER BY id"
    found = cat.sql(query, id=run_id, t=chosen)
    nodes, notes = found.arrow(), found.origin.notes
    query = "SELECT id_1, id_2, similarity FROM analysis.edge WHERE run_id = $id AND similarity >= $t ORDER BY ALL"
    edges = cat.sql(query, id=run_id, t=chosen).reader()
    target = output or Path(f"network_{run_id}.{format_}")
    if format_ == "parquet":
        written = [target.with_name(f"{target.stem}_{part}.parquet") for part in ("nodes", "edges")]
        for path, rows in zip(written, (nodes.to_reader(), edges), strict=True):
            with whole(path) as stream:
                _write_parquet(rows, stream)
        return written
    about = "; ".join(f"{key}: {text}" for key, text in notes.items())
    lines = (_graphml if format_ == "graphml" else _gexf)(nodes, edges, about)
    with whole(target) as stream:
        for line in lines:
            stream.write(line.encode())
    return [target]


def _write_parquet(rows: pa.RecordBatchReader, stream: BinaryIO) -> None:
    with pq.ParquetWriter(stream, rows.schema, compression="zstd") as writer:
        for batch in rows:
            writer.write_batch(batch)


def _kind(type_: pa.DataType) -> str:
    """Return what GraphML and GEXF call a type."""
    if pa.types.is_boolean(type_):
        return "boolean"
    return "double" if pa.types.is_floating(type_) else "long" if pa.types.is_integer(type_) else "string"


def _value(value: object) -> str:
    """Return a value as the two formats write it.

    Examples
    --------
    >>> _value(True), _value("A & B"), _value(0.5)
    ('true', 'A &amp; B', '0.5')
    """
    return str(value).lower() if isinstance(value, bool) else escape(str(value))


def _measures(nodes: pa.Table) -> list[tuple[str, str]]:
    return [(f.name, _kind(f.type)) for f in nodes.schema if f.name != "id"]


def _graphml(nodes: pa.Table, edges: pa.RecordBatchReader, about: str) -> Iterator[str]:
    """Yield GraphML (graphml.graphdrawing.org), line by line."""
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n'
    for name, kind in _measures(nodes):
        yield f'<key id="{name}" for="node" attr.name="{name}" attr.type="{kind}"/>\n'
    yield '<key id="weight" for="edge" attr.name="weight" attr.type="double"/>\n'
    yield '<key id="origin" for="graph" attr.name="origin" attr.type="string"/>\n<graph edgedefault="undirected">\n'
    yield f'<data key="origin">{escape(about)}</data>\n'
    for row in nodes.to_pylist():
        data = "".join(f'<data key="{k}">{_value(v)}</data>' for k, v in row.items() if k != "id" and v is not None)
        yield f"<node id={quoteattr(row['id'])}>{data}</node>\n"
    for a, b, weight in _rows(edges):
        yield f'<edge source={quoteattr(a)} target={quoteattr(b)}><data key="weight">{weight!r}</data></edge>\n'
    yield "</graph>\n</graphml>\n"


def _gexf(nodes: pa.Table, edges: pa.RecordBatchReader, about: str) -> Iterator[str]:
    """Yield GEXF 1.2 (gexf.net), line by line."""
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<gexf xmlns="http://www.gexf.net/1.2draft" version="1.2">\n'
    yield f"<meta><creator>photonlake</creator><description>{escape(about)}</description></meta>\n"
    yield '<graph defaultedgetype="undirected" mode="static">\n<attributes class="node" mode="static">\n'
    for name, kind in _measures(nodes):
        yield f'<attribute id="{name}" title="{name}" type="{kind}"/>\n'
    yield "</attributes>\n<nodes>\n"
    for row in nodes.to_pylist():
        data = "".join(
            f'<attvalue for="{k}" value={quoteattr(str(v).lower() if isinstance(v, bool) else str(v))}/>'
            for k, v in row.items()
            if k != "id" and v is not None
        )
        key = quoteattr(row["id"])
        yield f"<node id={key} label={key}><attvalues>{data}</attvalues></node>\n"
    yield "</nodes>\n<edges>\n"
    for number, (a, b, weight) in enumerate(_rows(edges)):
        yield f'<edge id="{number}" source={quoteattr(a)} target={quoteattr(b)} weight="{weight!r}"/>\n'
    yield "</edges>\n</graph>\n</gexf>\n"


def _rows(edges: pa.RecordBatchReader) -> Iterator[tuple[str, str, float]]:
    for batch in edges:
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
