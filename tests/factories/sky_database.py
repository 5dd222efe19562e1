"""The catalog's five tables in DuckDB, so that a test server answers what was asked for."""

from __future__ import annotations

import contextlib
import re
from html import escape

import duckdb
import pyarrow as pa
import sqlglot
from factories.survey import MASTER, OBSERVATION, Survey


class Refusal(Exception):
    """What the service does not do."""


REFUSALS = (duckdb.Error, sqlglot.errors.SqlglotError, Refusal)
SCHEMAS = ("csc21", "csc2")
LATER = "csc22"
"""Schema of a release that is not there yet: `announce` it."""
_TEXTS = {"name", "instrument", "detector", "detect_stack_id", "match_type", "table_name", "column_name"}
_FLAGS = {"conf_flag", "sat_src_flag", "extent_flag"}
_WHOLE = {"obsid", "obi", "region_id", "conf_code", "extent_code", "var_index_b", "var_index_w"}
_CONE = """
CREATE MACRO dbo.cone_distance(ra1, dec1, ra0, dec0) AS 60 * degrees(2 * asin(sqrt(least(1.0,
    sin(radians(dec1 - dec0) / 2) ** 2 + cos(radians(dec1)) * cos(radians(dec0)) * sin(radians(ra1 - ra0) / 2) ** 2))))
"""


class SkyDatabase:
    """Runs the services' SQL, a dialect of T-SQL; as the real TAP service, it knows no ADQL geometry."""

    def __init__(self) -> None:
        self._db = duckdb.connect(config={"autoinstall_known_extensions": "false"})
        for schema in (*SCHEMAS, "tap_schema", "dbo"):
            self._db.execute(f"CREATE SCHEMA {schema}")
        self._db.execute(_CONE)
        self.schemas = SCHEMAS
        self._announce()

    def announce(self, schema: str = LATER) -> None:
        """Have one release more; `load` fills it."""
        self._db.execute(f"CREATE SCHEMA {schema}")
        self.schemas = (*self.schemas, schema)
        self._announce()

    def _announce(self) -> None:
        columns = [("master_source", c) for c in MASTER] + [("observation_source", c) for c in OBSERVATION]
        rows = [{"table_name": f"{s}.{t}", "column_name": c} for s in self.schemas for t, c in columns]
        self._put("tap_schema.columns", rows, ["table_name", "column_name"])

    def close(self) -> None:
        self._db.close()

    def load(self, survey: Survey) -> None:
        """Take over a survey; a detection's stack holds that detection alone."""
        found = [{**d, "detect_stack_id": f"acisfstack{d['obsid']}_{d['obi']}"} for d in survey.detections]
        stacks = list({(d["detect_stack_id"], d["region_id"]): d for d in found}.values())
        own = list({(d["obsid"], d["obi"], d["region_id"]): d for d in found}.values())
        for schema in self.schemas:
            self._put(f"{schema}.master_source", survey.sources, MASTER)
            self._put(f"{schema}.observation_source", own, OBSERVATION)
            names = ["name", "detect_stack_id", "region_id", "match_type"]
            self._put(f"{schema}.master_stack_assoc", found, names)
            self._put(f"{schema}.stack_source", stacks, ["detect_stack_id", "region_id"])
            names = ["detect_stack_id", "region_id", "obsid", "obi"]
            self._put(f"{schema}.stack_observation_assoc", stacks, names)

    def _put(self, table: str, rows: list[dict], columns: list[str]) -> None:
        data = pa.Table.from_pylist(rows, pa.schema([(c, _type(c)) for c in columns]))
        self._db.register("data", data)
        self._db.execute(f"CREATE OR REPLACE TABLE {table} AS FROM data")
        self._db.unregister("data")

    def query(
        self, sql: str, schema: str = "", upload: list[str] | None = None
    ) -> tuple[list[str], list[tuple], list[str]]:
        """Run a query; return column names, rows and types."""
        text = sqlglot.parse_one(sql, dialect="tsql").sql(dialect="duckdb")
        with contextlib.closing(self._db.cursor()) as cursor:
            if schema:
                cursor.execute(f"USE {schema}")
            if upload is not None:
                cursor.register("uploaded", pa.table({"name": upload}))
                text = re.sub(r"TAP_UPLOAD\.names", "uploaded", text, flags=re.IGNORECASE)
            found = cursor.execute(text)
            names, types = [d[0] for d in found.description], [str(d[1]) for d in found.description]
            return names, found.fetchall(), types


def _type(column: str) -> pa.DataType:
    if column in _TEXTS:
        return pa.string()
    return pa.bool_() if column in _FLAGS else pa.int32() if column in _WHOLE else pa.float64()


def as_votable(names: list[str], rows: list[tuple], types: list[str], limit: int | None = None) -> bytes:
    """A VOTable as TAP services write it."""
    kinds = {
        "VARCHAR": 'datatype="char" arraysize="*"',
        "BOOLEAN": 'datatype="boolean"',
        "INTEGER": 'datatype="int"',
        "BIGINT": 'datatype="long"',
    }
    overflow = limit is not None and len(rows) > limit
    out = [
        '<?xml version="1.0" encoding="utf-8"?>\n<VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
    ]
    out.append('<RESOURCE type="results"><INFO name="QUERY_STATUS" value="OK">OK</INFO><TABLE>')
    for name, kind in zip(names, types, strict=True):
        out.append(f'<FIELD name="{escape(name)}" {kinds.get(kind, "datatype=" + chr(34) + "double" + chr(34))}/>')
    out.append("<DATA><TABLEDATA>")
    for row in rows[:limit] if overflow else rows:
        cells = "".join(f"<TD>{'' if v is None else escape(str(v))}</TD>" for v in row)
        out.append(f"<TR>{cells}</TR>")
    out.append("</TABLEDATA></DATA></TABLE>")
    if overflow:
        out.append('<INFO name="QUERY_STATUS" value="OVERFLOW">more rows</INFO>')
    out.append("</RESOURCE></VOTABLE>\n")
    return "\n".join(out).encode()


def as_tsv(names: list[str], rows: list[tuple]) -> bytes:
    """TSV as csccli writes it: preamble, header, padded values, NaN for null, a blank line."""
    lines = []
    for name in names:
        owner = "observation_source" if name.startswith("obi_") or name not in MASTER else "master_source"
        lines.append(f'#Column\t{name}\t(A22)\tof the catalog\t({owner}.{name})\t[""]\t[]')
    lines.append("\t".join(names))
    lines += ["\t".join(_spelled(v) for v in row) for row in rows]
    return ("\n".join(lines) + "\n\n").encode()


def _spelled(value: object) -> str:
    if isinstance(value, bool):
        return " TRUE" if value else "FALSE"
    return "      NaN" if value is None or value != value else f" {value}"  # noqa: PLR0124 - NaN
