"""What a table says of positions: which of its columns are id, right ascension, declination and error ellipse.

A column is what the caller says, else what its UCD says, else what its name says. Units are read and converted.
Source: UCD1+ controlled vocabulary 1.5 (IVOA 2023); the names are those of CSC, VizieR, Gaia, SDSS, 2MASS and XMM.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from catalog.errors import QueryError, suggestion
from catalog.query.filtering import checked
from catalog.query.names import columns_of
from catalog.query.provenance import described
from catalog.query.session import Session
from catalog.schema import TABLES
from catalog.schema.columns import quote
from sql.objects import Described

ROW = "__row"
"""What a row's number is called, from 1, where a table is selected from."""
_PLAIN = re.compile(r'(?:\w+|"[^"]+")(?:\.(?:\w+|"[^"]+")){0,2}')
_RA: tuple[str, ...] = (
    "ra",
    "ra_deg",
    "radeg",
    "raj2000",
    "ra_j2000",
    "_raj2000",
    "ra_icrs",
    "raicrs",
    "_ra_icrs",
    "alpha_j2000",
)
_RA += ("ra2000", "alpha", "right_ascension", "ra_aper")
_DEC: tuple[str, ...] = (
    "dec",
    "dec_deg",
    "decdeg",
    "de_deg",
    "dedeg",
    "dej2000",
    "decj2000",
    "dec_j2000",
    "_dej2000",
    "de_icrs",
)
_DEC += ("dec_icrs", "_de_icrs", "delta_j2000", "dec2000", "delta", "declination", "de", "decl", "dec_aper")
_ID: tuple[str, ...] = (
    "id",
    "name",
    "source_id",
    "sourceid",
    "src_id",
    "srcid",
    "source_name",
    "source",
    "main_id",
    "objid",
    "obj_id",
)
_ID += ("object_id", "object", "designation", "iauname", "target", "target_name", "detection_id", "detid", "recno")
_ELLIPSES = (("err_ellipse_r0", "err_ellipse_r1", "err_ellipse_ang", 0.95), ("errmaj", "errmin", "errpa", None))
"""Semi-axes and angle of ellipses that surveys give, and the share of positions within them; None is one sigma."""
_TO = {
    "deg": {"": 1.0, "deg": 1.0, "degree": 1.0, "degrees": 1.0},
    "arcsec": {"": 1.0, "arcsec": 1.0, "mas": 1e-3, "deg": 3600.0, "arcmin": 60.0},
}
"""How much of the unit that is wanted makes one of a unit that is found; others are for astropy."""


@dataclass(frozen=True)
class Columns:
    """What the caller says of one table; what is None is found.

    Attributes
    ----------
    id, ra, dec : str or None
    error : str or None
        One column, the radius of a circle; or three with commas between: semi-axes, and position angle.
    confidence : float or None
        Share of true positions within that ellipse; None is one sigma along each axis.
    where : str or None
        SQL condition on its rows.
    """

    id: str | None = None
    ra: str | None = None
    dec: str | None = None
    error: str | None = None
    confidence: float | None = None
    where: str | None = None


@dataclass(frozen=True)
class Positions:
    """A table's positions as SQL.

    Attributes
    ----------
    relation : str
        The table, as it stands after FROM.
    id, ra, dec : str
        Expressions: the id, degrees, degrees.
    ellipse : tuple of str
        Expressions: one sigma along the major and the minor axis in arcsec, and the position angle of the major axis in
        degrees east of north; empty where the table has none.
    where : str
        Condition on its rows.
    """

    relation: str
    id: str
    ra: str
    dec: str
    ellipse: tuple[str, ...] = ()
    where: str = "true"


def positions(session: Session, relation: str, side: int, told: Columns, *, ellipses: bool = False) -> Positions:
    """Find a table's positions.

    Parameters
    ----------
    session : Session
    relation : str
        A table or view of the store, or one that the user registered.
    side : {1, 2}
        Which of two tables it is: ends the names of the options that an error tells of.
    told : Columns
    ellipses : bool
        Find the error ellipse too.

    Raises
    ------
    UnknownName
        If there is no such table.
    QueryError
        If a column is not there, or cannot be told; the message says which option says it.
    """
    if not _PLAIN.fullmatch(relation):
        raise QueryError(
            f"crossmatch: table_{side} must be the name of a table, as mine or csc.master_source; found {relation!r}"
        )
    session.cursor.execute(session.admit(f"SELECT * FROM {relation} LIMIT 0").text)
    types = {str(c[0]): str(c[1]).upper() for c in session.cursor.description or []}
    plain = relation.replace('"', "").lower().removeprefix("lake.")
    own = session.own.get(plain)
    about = {d.name.lower(): d for d in (columns_of(plain) if own is None else described(own))}
    looked = _Looked(relation, side, [about.get(n.lower(), Described(n, "")) for n in types], types)
    key = TABLES[plain].key if own is None and plain in TABLES else ()
    where = "true" if told.where is None else checked(told.where, f"crossmatch: where_{side} :=")
    return Positions(
        relation,
        _id(looked, told.id, key, is_own=own is not None),
        _degrees(looked, looked.named("ra", told.ra) or looked.meant("ra", "right ascension", "pos.eq.ra", _RA), "ra"),
        _degrees(
            looked, looked.named("dec", told.dec) or looked.meant("dec", "declination", "pos.eq.dec", _DEC), "dec"
        ),
        _ellipse(looked, told) if ellipses else (),
        where,
    )


@dataclass(frozen=True)
class _Looked:
    """A table that is looked at."""

    relation: str
    side: int
    columns: Sequence[Described]
    types: dict[str, str] = field(default_factory=dict)

    def named(self, option: str, name: str | None) -> Described | None:
        """Return the column that the caller says."""
        if name is None:
            return None
        for column in self.columns:
            if column.name.lower() == name.strip().strip('"').lower():
                return column
        names = [c.name for c in self.columns]
        raise QueryError(
            f"crossmatch: {option}_{self.side}: {self.relation} has no column {name!r}{suggestion(name, names)}; "
            f"it has {_listed(names)}"
        )

    def meant(self, option: str, what: str, ucd: str, names: Sequence[str]) -> Described:
        """Return the column that its UCD, or its name, says to be this."""
        by_name = sorted(
            (c for c in self.columns if c.name.lower() in names), key=lambda c: names.index(c.name.lower())
        )
        of_ucd = [c for c in self.columns if _ucd(c).split(";")[0] == ucd]
        main = [c for c in of_ucd if "meta.main" in _ucd(c)]
        if len(main) == 1:
            return main[0]
        if by_name:
            return next((c for c in by_name if c in of_ucd), by_name[0])
        if len(of_ucd) == 1:
            return of_ucd[0]
        some = of_ucd or self.columns
        found = (
            f"several columns of {self.relation} could be the {what}"
            if of_ucd
            else (f"no column of {self.relation} is a {what} by its UCD or name")
        )
        raise QueryError(
            f"crossmatch: {found}: {_listed([c.name for c in some])}; say which: {option}_{self.side} := 'column'"
        )

    def is_text(self, column: Described) -> bool:
        return next(t for n, t in self.types.items() if n.lower() == column.name.lower()) in {"VARCHAR", "STRING"}


def _ucd(column: Described) -> str:
    """Return a column's UCD; one of the first kind as one of the second."""
    ucd = column.ucd.lower()
    return {
        "pos_eq_ra_main": "pos.eq.ra;meta.main",
        "pos_eq_dec_main": "pos.eq.dec;meta.main",
        "pos_eq_ra": "pos.eq.ra",
        "pos_eq_dec": "pos.eq.dec",
        "id_main": "meta.id;meta.main",
    }.get(ucd, ucd)


def _listed(names: Sequence[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def _id(looked: _Looked, told: str | None, key: Sequence[str], *, is_own: bool) -> str:
    """Return the id's expression; a user's table without one has the numbers of its rows, from 1."""
    if column := looked.named("id", told):
        return quote(column.name)
    if len(key) == 1:
        return quote(key[0])
    main = [c for c in looked.columns if _ucd(c).startswith("meta.id") and "meta.main" in _ucd(c)]
    by_name = sorted((c for c in looked.columns if c.name.lower() in _ID), key=lambda c: _ID.index(c.name.lower()))
    of_ucd = [c for c in looked.columns if _ucd(c).startswith("meta.id")]
    if found := [*main, *by_name, *of_ucd]:
        return quote(found[0].name)
    if is_own:
        return ROW
    names = _listed([c.name for c in looked.columns])
    raise QueryError(
        f"crossmatch: no column of {looked.relation} is an id; say which: id_{looked.side} := 'column'; it has {names}"
    )


def _degrees(looked: _Looked, column: Described, axis: str) -> str:
    """Return a coordinate in degrees. Texts are read as `cone` reads them; NaN is no position."""
    name, unit = quote(column.name), column.unit.strip()
    if looked.is_text(column):
        hours = axis == "ra" and re.match(r"h\b|hour|\"?h:m:s", unit, re.IGNORECASE)
        return f"{axis}_deg({name}{' || ' + chr(39) + 'h' + chr(39) if hours and ':' not in unit else ''})"
    factor = _factor(unit, "deg", looked, column)
    value = f"({name}::DOUBLE{'' if factor == 1 else f' * {factor!r}'})"
    value = f"CASE WHEN isfinite({value}) THEN {value} END"
    if axis == "ra":
        return value
    table = looked.relation.replace("'", "")
    wrong = f"error('crossmatch: a declination is degrees from -90 to 90; {table} has ' || {name})"
    return f"CASE WHEN abs({value}) <= 90 THEN {value} WHEN {value} IS NOT NULL THEN {wrong}::DOUBLE END"


def _factor(unit: str, wanted: str, looked: _Looked, column: Described) -> float:
    known = _TO[wanted].get(unit.lower())
    if known is not None:
        return known
    from astropy import units as u  # noqa: PLC0415 - for other units alone

    from catalog.formats.astropy_table import parse_unit  # noqa: PLC0415 - as above

    parsed = parse_unit({"h": "hourangle", "hour": "hourangle", "hr": "hourangle"}.get(unit.lower(), unit))
    try:
        return float(u.Quantity(1, parsed).to_value(wanted))
    except (TypeError, ValueError, u.UnitConversionError) as error:
        raise QueryError(
            f"crossmatch: {column.name} of {looked.relation} has the unit {unit!r}, expected an angle; give a column "
            f"in {wanted}"
        ) from error


def _ellipse(looked: _Looked, told: Columns) -> tuple[str, ...]:
    share = told.confidence
    if share is not None and not 0 < share < 1:
        raise QueryError(f"crossmatch: confidence_{looked.side} is a share between 0 and 1, as 0.95; found {share}")
    if told.error is not None:
        names = told.error.split(",")
        if len(names) not in {1, 3}:
            raise QueryError(
                f"crossmatch: error_{looked.side} is one column, a radius, or three, 'major, minor, angle'; found "
                f"{told.error!r}"
            )
        found = [c for n in names if (c := looked.named("error", n)) is not None]
    else:
        there = {c.name.lower(): c for c in looked.columns}
        known = next(((*names, level) for *names, level in _ELLIPSES if set(names) <= there.keys()), None)
        if known is None:
            return ()
        *columns, level = known
        found = [there[str(n)] for n in columns]
        share = share if share is not None else level if isinstance(level, float) else None
    sigmas = 1.0 if share is None else math.sqrt(-2 * math.log1p(-share))
    axes = [f"({quote(c.name)}::DOUBLE * {_factor(c.unit, 'arcsec', looked, c) / sigmas!r})" for c in found[:2]]
    if len(found) == 1:
        return axes[0], axes[0], "0.0"
    angle = f"({quote(found[2].name)}::DOUBLE * {_factor(found[2].unit, 'deg', looked, found[2])!r})"
    # An ellipse of unknown direction is taken as the circle around it.
    minor = f"CASE WHEN {angle} IS NULL THEN {axes[0]} ELSE coalesce({axes[1]}, {axes[0]}) END"
    return axes[0], minor, f"coalesce({angle}, 0.0)"
