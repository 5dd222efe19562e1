"""Linking: which response and which background belong to which spectrum, in SQL.

What should be linked is worked out afresh from what is in the store, and only rows that differ are written. So
it does not matter in which order files arrive, change or vanish, and linking twice is linking once.

A spectrum names its files in its header, without path, often without '.gz', in either case. A name is looked
for in this order, and the first answer that is unique counts:

1. the same folder, this very name;
2. the same folder, the name but for '.fits' and '.gz';
3. any folder, a file of the same ObsID;
4. any folder, unless that file says it is of another ObsID;
5. for responses alone: those of the same catalog detection, or of the same grating order of the same ObsID.

Several files of one name are no obstacle where their content is one. Copies of a file, which the ledger keeps
as duplicates, are found under their own names and folders.
"""

from __future__ import annotations

from typing import Protocol

_SPECTRUM = "lake.product.spectrum"


class _Result(Protocol):
    def fetchone(self) -> tuple[object, ...] | None: ...


class Connection(Protocol):
    """What runs a statement: a DuckDB connection with the store attached as `lake`."""

    def execute(self, query: str, /) -> _Result:
        """Run one statement."""
        ...


def _without(sql: str, *suffixes: str) -> str:
    """Spell a text without any of these suffixes in SQL; far faster than a regular expression."""
    cases = (f"WHEN ends_with({sql}, '{suffix}') THEN left({sql}, -{len(suffix)})" for suffix in suffixes)
    return f"CASE {' '.join(cases)} ELSE {sql} END"


def _name(sql: str) -> str:
    """Spell the base name of a path in SQL: lower case, without '.gz'."""
    return _without(f"lower(parse_filename({sql}, 'forward_slash'))", ".gz")


def _folder(sql: str) -> str:
    """Spell the folder of a path in SQL."""
    return f"parse_dirpath({sql}, 'forward_slash')"


def _stem(sql: str) -> str:
    """Spell a name without its FITS suffix in SQL."""
    return _without(sql, ".fits", ".fit", ".fts")


# One answer or none: several files count as one where they hold the same.
_UNIQUE = "CASE WHEN min(ids) = max(ids) THEN min(ids) END AS ids"

# An in-file background is part of its own row: it has no id, and is never touched.
_IN_FILE = "(s.background_id IS NULL AND (s.background_counts IS NOT NULL OR s.background_rate IS NOT NULL))"

# Each table of the lake is named once: opening one costs more than all the joins of a small store.
_CHANGES = f"""
WITH file AS MATERIALIZED (SELECT file_id, path, sha256, status FROM lake.meta.file),
response AS MATERIALIZED (
    SELECT file_id, kind, response_num, response_id, obsid, obi, region_id, grating_order, grating_part
    FROM lake.product.response_file
),
spectrum AS MATERIALIZED (
    SELECT spectrum_id, file_id, spec_num, obsid, obi, region_id, grating_order, grating_part, hduclas2, role,
        ancrfile, respfile, CASE WHEN NOT {_IN_FILE} THEN backfile END AS backfile, arf_id, rmf_id, background_id
    FROM {_SPECTRUM} s
),
path AS (
    SELECT file_id, path FROM file
    UNION ALL
    SELECT holder.file_id, twin.path
    FROM file twin JOIN file holder ON holder.sha256 = twin.sha256 AND holder.status = 'loaded'
    WHERE twin.status = 'duplicate'
),
item AS MATERIALIZED (
    SELECT kind, file_id, response_num AS num, response_id AS id, obsid FROM response
    UNION ALL
    SELECT 'background', file_id, spec_num, spectrum_id, obsid FROM spectrum
),
several AS MATERIALIZED (SELECT DISTINCT kind, file_id FROM item WHERE num > 1),
held AS (
    SELECT kind, file_id, id AS ids, obsid FROM item ANTI JOIN several USING (kind, file_id)
    UNION ALL
    SELECT kind, file_id, string_agg(id, ' ' ORDER BY num), any_value(obsid)
    FROM item SEMI JOIN several USING (kind, file_id) GROUP BY kind, file_id
),
target AS MATERIALIZED (
    SELECT kind, ids, obsid, folder, name, {_stem("name")} AS stem
    FROM (
        SELECT h.*, {_folder("path.path")} AS folder, {_name("path.path")} AS name FROM held h JOIN path USING (file_id)
    )
),
by_name AS (SELECT kind, folder, name, {_UNIQUE} FROM target GROUP BY ALL),
by_stem AS (SELECT kind, folder, stem, {_UNIQUE} FROM target GROUP BY ALL),
by_obsid AS (SELECT kind, obsid, stem, {_UNIQUE} FROM target WHERE obsid IS NOT NULL GROUP BY ALL),
anywhere AS (
    SELECT kind, stem, {_UNIQUE}, CASE WHEN min(obsid) = max(obsid) THEN min(obsid) END AS obsid
    FROM target GROUP BY kind, stem
),
by_detection AS (
    SELECT kind, obsid, obi, region_id, grating_order, grating_part,
        CASE WHEN min(response_id) = max(response_id) THEN min(response_id) END AS ids
    FROM response
    WHERE obsid IS NOT NULL AND (region_id IS NOT NULL OR grating_order IS NOT NULL)
    GROUP BY kind, obsid, obi, region_id, grating_order, grating_part
),
wanted AS (
    SELECT *, {_stem("name")} AS stem
    FROM (
        SELECT s.*, {_folder("f.path")} AS folder, kind, {_name("reference")} AS name
        FROM (
            SELECT *, 'arf' AS kind, ancrfile AS reference FROM spectrum
            UNION ALL SELECT *, 'rmf', respfile FROM spectrum
            UNION ALL SELECT *, 'background', backfile FROM spectrum WHERE backfile IS NOT NULL
        ) s LEFT JOIN file f USING (file_id)
    )
),
answered AS (
    SELECT w.spectrum_id, w.spec_num, w.kind, coalesce(
        by_name.ids, by_stem.ids, by_obsid.ids,
        CASE WHEN coalesce(anywhere.obsid = w.obsid, true) THEN anywhere.ids END,
        by_detection.ids
    ) AS ids
    FROM wanted w
    LEFT JOIN by_name ON by_name.kind = w.kind AND by_name.folder = w.folder AND by_name.name = w.name
    LEFT JOIN by_stem ON by_stem.kind = w.kind AND by_stem.folder = w.folder AND by_stem.stem = w.stem
    LEFT JOIN by_obsid ON by_obsid.kind = w.kind AND by_obsid.obsid = w.obsid AND by_obsid.stem = w.stem
    LEFT JOIN anywhere ON anywhere.kind = w.kind AND anywhere.stem = w.stem
    LEFT JOIN by_detection ON by_detection.kind = w.kind AND by_detection.obsid = w.obsid
        AND coalesce(by_detection.obi, -1) = coalesce(w.obi, -1)
        AND coalesce(by_detection.region_id, -1) = coalesce(w.region_id, -1)
        AND coalesce(by_detection.grating_order, -128) = coalesce(w.grating_order, -128)
        AND coalesce(by_detection.grating_part, -128) = coalesce(w.grating_part, -128)
),
answer AS (
    -- Spectrum n of a file goes with response n of a file that has as many, else with the first.
    SELECT spectrum_id, kind, nullif(
        coalesce(nullif(split_part(ids, ' ', spec_num), ''), split_part(ids, ' ', 1)), spectrum_id
    ) AS id
    FROM answered
),
link AS (
    SELECT spectrum_id, max(id) FILTER (kind = 'arf') AS arf_id, max(id) FILTER (kind = 'rmf') AS rmf_id,
        max(id) FILTER (kind = 'background') AS background_id
    FROM answer GROUP BY spectrum_id
),
background AS (SELECT DISTINCT background_id FROM link WHERE background_id IS NOT NULL),
wish AS (
    SELECT l.*, CASE WHEN s.hduclas2 = 'BKG' OR b.background_id IS NOT NULL THEN 'background' ELSE 'source' END AS role,
        (s.arf_id, s.rmf_id, s.background_id, s.role) AS before
    FROM spectrum s JOIN link l USING (spectrum_id) LEFT JOIN background b ON b.background_id = s.spectrum_id
),
change AS (
    SELECT spectrum_id, arf_id, rmf_id, background_id, role FROM wish
    WHERE (arf_id, rmf_id, background_id, role) IS DISTINCT FROM before
)"""


def _orphans(kind: str, responses: str = "lake.product.response_file") -> str:
    """Spell the condition in SQL that no file holds this response any more."""
    return f"NOT EXISTS (FROM {responses} r WHERE r.kind = '{kind}' AND r.response_id = t.{kind}_id)"


def link_statements() -> list[str]:
    """Return the statements that bring all links up to date, to run inside one transaction.

    They write only rows that change. Responses that no file holds any more are deleted.

    Returns
    -------
    list of str
        SQL for a connection with the store attached as `lake`.

    Examples
    --------
    >>> [statement.split()[0] for statement in link_statements()]
    ['UPDATE', 'DELETE', 'DELETE']
    """
    columns = ("counts", "rate", "exposure_s", "backscal", "areascal")
    taken = ", ".join(f"background_{c} = CASE WHEN {_IN_FILE} THEN s.background_{c} ELSE c.{c} END" for c in columns)
    update = f"""
UPDATE {_SPECTRUM} AS s
SET arf_id = c.arf_id, rmf_id = c.rmf_id, background_id = c.background_id, role = c.role, {taken}
FROM (
    {_CHANGES}
    SELECT change.*, {", ".join(f"b.{c}" for c in columns)}
    FROM change LEFT JOIN {_SPECTRUM} b ON b.spectrum_id = change.background_id
) c
WHERE s.spectrum_id = c.spectrum_id"""
    return [update, *(f"DELETE FROM lake.product.{kind} AS t WHERE {_orphans(kind)}" for kind in ("arf", "rmf"))]


def needs_linking(connection: Connection) -> bool:
    """Tell whether linking would change anything. It reads ids and names, no arrays.

    Parameters
    ----------
    connection : Connection
        With the store attached as `lake`; reading is enough.
    """
    orphans = " OR ".join(
        f"EXISTS (FROM lake.product.{kind} t WHERE {_orphans(kind, 'response')})" for kind in ("arf", "rmf")
    )
    row = connection.execute(f"{_CHANGES} SELECT EXISTS (FROM change) OR {orphans}").fetchone()
    return row is not None and bool(row[0])


def unlinked_query() -> str:
    """Return a query for what spectra name and the store does not have: for `status`.

    Returns
    -------
    str
        SQL with columns file_id, what ('ancrfile', 'respfile', 'backfile') and name.
    """
    absent = {
        "ancrfile": "s.arf_id IS NULL",
        "respfile": "s.rmf_id IS NULL",
        "backfile": f"s.background_id IS NULL AND NOT {_IN_FILE}",
    }
    return " UNION ALL ".join(
        f"SELECT s.file_id, '{name}' AS what, s.{name} AS name FROM {_SPECTRUM} s "
        f"WHERE s.{name} IS NOT NULL AND {condition}"
        for name, condition in absent.items()
    )
