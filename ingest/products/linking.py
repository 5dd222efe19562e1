"""Which response and which background belong to which spectrum: worked out as one query, written where it differs.

What should be linked is worked out afresh from what is in the store, and only rows that differ are written. So
it does not matter in which order files arrive, change or vanish, and linking twice is linking once.

A spectrum names its files in its header, without path, often without '.gz', in either case. Names like 'spec.arf' are
the same for many targets: a wrong link is worse than none. A name is looked for in this order, and the first answer
that is unique counts:

1. the spectrum's folder, this very name;
2. the spectrum's folder, the name but for '.fits' and '.gz';
3. any folder, a file of this name that is of the same catalog detection;
4. for responses: whatever is of the same catalog detection, unless a catalog product is named (releases number their
   regions anew, so that another version can be of another source); where nothing is named, what is of the same
   grating order of the same ObsID, in the same folder;
5. a folder apart, such as one for responses alone: a file of this name and ObsID;
6. a folder apart, a file of this name, unless it says it is of another ObsID, detection or mission; where nothing is
   named, what is of the same grating order of the same ObsID.

A folder apart holds no spectra that its responses could belong to (for backgrounds: no spectra that name one), and an
effective area or a background from there serves the spectra of one folder only. What is named and not found so is
NULL, and `python -m ingest status` lists it.

Several files of one name are no obstacle where their content is one. Copies of a file, which the ledger keeps
as duplicates, are found under their own names and folders; a spectrum, too, is looked for beside each of its copies.
"""

from __future__ import annotations

import hashlib
from typing import Protocol

SPECTRUM = "lake.product.spectrum"


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
_UNIQUE = "CASE WHEN min(ids) = max(ids) THEN min(ids) END AS ids, min(file_id) AS file_id"
# What all files of a name agree on.
_AGREED = ", ".join(
    f"CASE WHEN min({c}) = max({c}) THEN min({c}) END AS {c}" for c in ("obsid", "obi", "region_id", "mission")
)
_SAME_DETECTION = "{0}.obsid = w.obsid AND {0}.obi IS NOT DISTINCT FROM w.obi AND {0}.region_id = w.region_id"
_SAME_ORDER = """{0}.kind = w.kind AND {0}.obsid = w.obsid AND {0}.grating_order = w.grating_order
        AND {0}.grating_part IS NOT DISTINCT FROM w.grating_part AND w.region_id IS NULL AND w.reference IS NULL"""
_APART = """NOT {0}.claimed AND coalesce({0}.obsid = w.obsid, true) AND coalesce({0}.obi = w.obi, true)
        AND coalesce({0}.region_id = w.region_id, true) AND coalesce({0}.mission = w.mission, true)"""

# An in-file background is part of its own row: it has no id, and is never touched.
IN_FILE = "(s.background_id IS NULL AND (s.background_counts IS NOT NULL OR s.background_rate IS NOT NULL))"

# Each table of the lake is named once: opening one costs more than all the joins of a small store.
CHANGES = f"""
WITH file AS MATERIALIZED (SELECT file_id, path, sha256, status FROM lake.meta.file),
response AS MATERIALIZED (
    SELECT file_id, kind, response_num, response_id, hdu, obsid, obi, region_id, mission, grating_order, grating_part
    FROM lake.product.response_file
),
spectrum AS MATERIALIZED (
    SELECT spectrum_id, file_id, spec_num, obsid, obi, region_id, mission, grating_order, grating_part, hduclas2, role,
        ancrfile, respfile, CASE WHEN NOT {IN_FILE} THEN backfile END AS backfile,
        ancrfile_part, respfile_part, backfile_part, arf_id, rmf_id, background_id
    FROM {SPECTRUM} s
),
place AS MATERIALIZED (
    SELECT *, {_stem("name")} AS stem
    FROM (
        SELECT file_id, own, {_folder("path")} AS folder, {_name("path")} AS name
        FROM (
            SELECT file_id, path, true AS own FROM file
            UNION ALL
            SELECT holder.file_id, twin.path, false
            FROM file twin JOIN file holder ON holder.sha256 = twin.sha256 AND holder.status = 'loaded'
            WHERE twin.status = 'duplicate'
        )
    )
),
claim AS MATERIALIZED (
    -- The kinds that belong to the spectra of a folder.
    SELECT DISTINCT folder, unnest(CASE WHEN backfile IS NULL THEN ['arf', 'rmf'] ELSE ['arf', 'rmf', 'background'] END)
        AS kind
    FROM place JOIN spectrum USING (file_id)
    WHERE hduclas2 IS DISTINCT FROM 'BKG' AND stem NOT IN (
        SELECT {_stem("name")} FROM (SELECT {_name("backfile")} AS name FROM spectrum WHERE backfile IS NOT NULL)
    )
),
item AS MATERIALIZED (
    SELECT kind, file_id, response_num AS num, hdu, response_id AS id, obsid, obi, region_id, mission, grating_order,
        grating_part
    FROM response
    UNION ALL
    SELECT 'background', file_id, spec_num, NULL, spectrum_id, obsid, obi, region_id, mission, grating_order,
        grating_part
    FROM spectrum
),
several AS MATERIALIZED (SELECT kind, file_id FROM item GROUP BY ALL HAVING count(*) > 1),
held AS MATERIALIZED (
    SELECT kind, file_id, id AS ids, obsid, obi, region_id, mission FROM item ANTI JOIN several USING (kind, file_id)
    UNION ALL
    SELECT kind, file_id, string_agg(id, ' ' ORDER BY num), {_AGREED}
    FROM item SEMI JOIN several USING (kind, file_id) GROUP BY kind, file_id
),
target AS MATERIALIZED (
    SELECT h.*, p.folder, p.name, p.stem, c.folder IS NOT NULL AS claimed
    FROM held h JOIN place p USING (file_id) LEFT JOIN claim c ON c.folder = p.folder AND c.kind = h.kind
),
by_name AS (SELECT kind, folder, name, {_UNIQUE} FROM target GROUP BY ALL),
by_stem AS (SELECT kind, folder, stem, {_UNIQUE} FROM target GROUP BY ALL),
by_named_detection AS (
    SELECT kind, obsid, obi, region_id, stem, {_UNIQUE} FROM target
    WHERE obsid IS NOT NULL AND region_id IS NOT NULL GROUP BY ALL
),
by_detection AS (
    SELECT kind, obsid, obi, region_id, {_UNIQUE} FROM held
    WHERE kind <> 'background' AND obsid IS NOT NULL AND region_id IS NOT NULL GROUP BY ALL
),
graded AS MATERIALIZED (
    SELECT DISTINCT t.kind, t.file_id, t.ids, t.folder, t.claimed, i.obsid, i.grating_order, i.grating_part
    FROM target t JOIN item i USING (kind, file_id)
    WHERE t.kind <> 'background' AND i.obsid IS NOT NULL AND i.grating_order IS NOT NULL
),
by_order AS (SELECT kind, folder, obsid, grating_order, grating_part, {_UNIQUE} FROM graded GROUP BY ALL),
by_order_apart AS (
    SELECT kind, obsid, grating_order, grating_part, bool_or(claimed) AS claimed, {_UNIQUE} FROM graded
    GROUP BY kind, obsid, grating_order, grating_part
),
of_obsid AS (
    SELECT kind, stem, bool_or(claimed) AS claimed, {_UNIQUE}, {_AGREED} FROM target
    WHERE obsid IS NOT NULL GROUP BY kind, stem, target.obsid
),
apart AS (SELECT kind, stem, bool_or(claimed) AS claimed, {_UNIQUE}, {_AGREED} FROM target GROUP BY kind, stem),
wanted AS MATERIALIZED (
    SELECT *, {_stem("name")} AS stem
    FROM (
        SELECT s.*, p.folder, p.own, {_name("reference")} AS name
        FROM (
            SELECT *, 'arf' AS kind, ancrfile AS reference FROM spectrum
            UNION ALL SELECT *, 'rmf', respfile FROM spectrum
            UNION ALL SELECT *, 'background', backfile FROM spectrum WHERE backfile IS NOT NULL
        ) s LEFT JOIN place p USING (file_id)
    )
),
candidate AS (
    SELECT w.spectrum_id, w.kind, w.folder, CASE WHEN w.own THEN 10 ELSE 12 END AS rank, t.ids, t.file_id
    FROM wanted w JOIN by_name t ON t.kind = w.kind AND t.folder = w.folder AND t.name = w.name
    UNION ALL
    SELECT w.spectrum_id, w.kind, w.folder, CASE WHEN w.own THEN 11 ELSE 13 END, t.ids, t.file_id
    FROM wanted w JOIN by_stem t ON t.kind = w.kind AND t.folder = w.folder AND t.stem = w.stem
    UNION ALL
    SELECT w.spectrum_id, w.kind, w.folder, 20, t.ids, t.file_id
    FROM wanted w JOIN by_named_detection t
        ON t.kind = w.kind AND t.stem = w.stem AND {_SAME_DETECTION.format("t")}
    UNION ALL
    SELECT w.spectrum_id, w.kind, w.folder, 30, t.ids, t.file_id
    FROM wanted w JOIN by_detection t ON t.kind = w.kind AND {_SAME_DETECTION.format("t")}
    WHERE NOT coalesce(regexp_matches(w.name, '^(acis|hrc)f[0-9]+(_[0-9]+)?n[0-9]+_'), false)
    UNION ALL
    SELECT w.spectrum_id, w.kind, w.folder, CASE WHEN w.own THEN 31 ELSE 32 END, t.ids, t.file_id
    FROM wanted w JOIN by_order t ON t.folder = w.folder AND {_SAME_ORDER.format("t")}
    UNION ALL
    SELECT w.spectrum_id, w.kind, w.folder, 40, t.ids, t.file_id
    FROM wanted w JOIN of_obsid t ON t.kind = w.kind AND t.stem = w.stem AND t.obsid = w.obsid
    WHERE {_APART.format("t")}
    UNION ALL
    SELECT w.spectrum_id, w.kind, w.folder, 41, t.ids, t.file_id
    FROM wanted w JOIN apart t ON t.kind = w.kind AND t.stem = w.stem
    WHERE {_APART.format("t")}
    UNION ALL
    SELECT w.spectrum_id, w.kind, w.folder, 42, t.ids, t.file_id
    FROM wanted w JOIN by_order_apart t ON {_SAME_ORDER.format("t")}
    WHERE NOT t.claimed
),
best AS MATERIALIZED (
    SELECT spectrum_id, kind, min(folder) AS folder, rank, {_UNIQUE}
    FROM (
        FROM candidate WHERE ids IS NOT NULL
        QUALIFY rank = min(rank) OVER (PARTITION BY spectrum_id, kind)
    )
    GROUP BY spectrum_id, kind, rank
),
answered AS (
    SELECT * FROM best
    WHERE ids IS NOT NULL
    QUALIFY rank < 40 OR kind = 'rmf' OR (
        min(folder) OVER (PARTITION BY kind, ids, rank >= 40) = max(folder) OVER (PARTITION BY kind, ids, rank >= 40)
    )
),
numbered AS (
    SELECT *, row_number() OVER (PARTITION BY kind, file_id, num > 0 ORDER BY num) AS place,
        count(*) FILTER (num > 0) OVER (PARTITION BY kind, file_id) AS n_items
    FROM item SEMI JOIN answered USING (kind, file_id)
),
asked AS (
    SELECT spectrum_id, spec_num, grating_order, grating_part, count(*) OVER (PARTITION BY file_id) AS n_spectra,
        ancrfile_part, respfile_part, backfile_part
    FROM spectrum
),
answer AS (
    -- Which of several in the file: what the header says; else by the order of a grating; else the sum of all matrices;
    -- else the n-th of as many as there are spectra, and the first for the one spectrum of a file.
    SELECT spectrum_id, kind, nullif(arg_min(id, choice), spectrum_id) AS id
    FROM (
        SELECT a.spectrum_id, a.kind, i.id, CASE
            WHEN part IS NULL THEN CASE
                WHEN i.grating_order = a.grating_order AND i.grating_part IS NOT DISTINCT FROM a.grating_part THEN 0
                WHEN i.num = 0 THEN 1
                WHEN i.n_items = 1 THEN 2
                WHEN i.n_items = a.n_spectra AND i.place = a.spec_num THEN 3
                WHEN a.n_spectra = 1 AND i.place = 1 THEN 4
            END
            WHEN part LIKE '+%' THEN CASE
                WHEN i.num > 0 AND i.hdu = part::INTEGER THEN 0
                WHEN i.num > 0 AND i.hdu + 1 = part::INTEGER THEN 1  -- CIAO counts the primary as 1
                WHEN i.n_items = 1 THEN 2
            END
            WHEN i.num = part::INTEGER THEN 0
        END AS choice
        FROM (
            SELECT *, CASE kind WHEN 'arf' THEN ancrfile_part WHEN 'rmf' THEN respfile_part ELSE backfile_part END
                AS part
            FROM answered JOIN asked USING (spectrum_id)
        ) a JOIN numbered i ON i.kind = a.kind AND i.file_id = a.file_id
    )
    WHERE choice IS NOT NULL
    GROUP BY spectrum_id, kind
),
link AS (
    SELECT spectrum_id, max(id) FILTER (kind = 'arf') AS arf_id, max(id) FILTER (kind = 'rmf') AS rmf_id,
        max(id) FILTER (kind = 'background') AS background_id
    FROM answer GROUP BY spectrum_id
),
background AS (SELECT DISTINCT background_id FROM link WHERE background_id IS NOT NULL),
wish AS (
    SELECT s.spectrum_id, l.arf_id, l.rmf_id, l.background_id,
        CASE WHEN s.hduclas2 = 'BKG' OR b.background_id IS NOT NULL THEN 'background' ELSE 'source' END AS role,
        (s.arf_id, s.rmf_id, s.background_id, s.role) AS before
    FROM spectrum s LEFT JOIN link l USING (spectrum_id) LEFT JOIN background b ON b.background_id = s.spectrum_id
),
change AS (
    SELECT spectrum_id, arf_id, rmf_id, background_id, role FROM wish
    WHERE (arf_id, rmf_id, background_id, role) IS DISTINCT FROM before
)"""


class _Result(Protocol):
    def fetchone(self) -> tuple[object, ...] | None: ...


class Connection(Protocol):
    """What runs a statement: a DuckDB connection with the store attached as `lake`."""

    def execute(self, query: str, /) -> _Result:
        """Run one statement."""
        ...


def rules() -> str:
    """Return a fingerprint of the rules: links that other rules made are to be worked out anew.

    Examples
    --------
    >>> len(rules())
    16
    """
    return hashlib.sha256(CHANGES.encode()).hexdigest()[:16]


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
    taken = ", ".join(f"background_{c} = CASE WHEN {IN_FILE} THEN s.background_{c} ELSE c.{c} END" for c in columns)
    update = f"""
UPDATE {SPECTRUM} AS s
SET arf_id = c.arf_id, rmf_id = c.rmf_id, background_id = c.background_id, role = c.role, {taken}
FROM (
    {CHANGES}
    SELECT change.*, {", ".join(f"b.{c}" for c in columns)}
    FROM change LEFT JOIN {SPECTRUM} b ON b.spectrum_id = change.background_id
) c
WHERE s.spectrum_id = c.spectrum_id"""
    return [update, *(f"DELETE FROM lake.product.{kind} AS t WHERE {_orphans(kind)}" for kind in ("arf", "rmf"))]


def unlinked_query() -> str:
    """Return a query for what spectra name and the store does not have: for `status`.

    Returns
    -------
    str
        SQL with columns file_id, what ('ancrfile', 'respfile', 'backfile') and name; which of several in the file is
        meant stands in braces.
    """
    absent = {
        "ancrfile": "s.arf_id IS NULL",
        "respfile": "s.rmf_id IS NULL",
        "backfile": f"s.background_id IS NULL AND NOT {IN_FILE}",
    }
    return " UNION ALL ".join(
        f"SELECT s.file_id, '{name}' AS what, s.{name} || coalesce('{{' || s.{name}_part || '}}', '') AS name "
        f"FROM {SPECTRUM} s "
        f"WHERE s.{name} IS NOT NULL AND {condition}"
        for name, condition in absent.items()
    )
