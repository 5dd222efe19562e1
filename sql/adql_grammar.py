"""What a query in ADQL is made of: sqlglot's T-SQL, which has TOP, and a list of the parts that ADQL has."""

from __future__ import annotations

import re

import sqlglot
from sqlglot import TokenType, exp, parser
from sqlglot.dialects.tsql import TSQL
from sqlglot.errors import SqlglotError
from sqlglot.parsers.tsql import TSQLParser

from sql.adql_geometry import CONE_DISTANCE, NotAdql, shown

_NODES: dict[type[exp.Expr], frozenset[str]] = {
    kind: frozenset(parts.split())
    for kind, parts in {
        exp.Select: "expressions from_ where group having order distinct limit offset joins with_",
        exp.Union: "this expression distinct order limit offset with_",
        exp.Except: "this expression distinct order limit offset with_",
        exp.Intersect: "this expression distinct order limit offset with_",
        exp.Subquery: "this alias joins",
        exp.With: "expressions recursive",
        exp.CTE: "this alias",
        exp.TableAlias: "this columns",
        exp.From: "this",
        exp.Table: "this db catalog alias joins",
        exp.Join: "this on using side kind method",
        exp.Where: "this",
        exp.Group: "expressions",
        exp.Having: "this",
        exp.Order: "expressions",
        exp.Ordered: "this desc nulls_first",
        exp.Distinct: "expressions",
        exp.Limit: "expression",
        exp.Offset: "expression",
        exp.Case: "this ifs default",
        exp.If: "this true false",
        exp.In: "this expressions query",
        exp.Between: "this low high",
        exp.Cast: "this to _type",
        exp.DataType: "this expressions nested",
        exp.DataTypeParam: "this",
        exp.Alias: "this alias",
        exp.Column: "this table db catalog",
        exp.Identifier: "this quoted",
        exp.Literal: "this is_string",
        exp.Anonymous: "this expressions",
        exp.Div: "this expression typed safe",
        exp.DPipe: "this expression safe",
        exp.HexString: "this is_integer",
    }.items()
}
_PLAIN: tuple[type[exp.Expr], ...] = (
    exp.Star,
    exp.Null,
    exp.Boolean,
    exp.Paren,
    exp.Not,
    exp.And,
    exp.Or,
    exp.Neg,
    exp.Exists,
    exp.Is,
    exp.Like,
)
_PLAIN += (exp.ILike, exp.Mod, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Add, exp.Sub, exp.Mul)
_PLAIN += (exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor, exp.BitwiseNot)


RESERVED = frozenset(
    """
    ABS ACOS AREA ASIN ATAN ATAN2 BIGINT BOX CEILING CENTROID CIRCLE CONTAINS COORD1 COORD2 COORDSYS COS COT
    DEGREES DISTANCE EXP FLOOR ILIKE INTERSECTS IN_UNIT LOG LOG10 MOD OFFSET PI POINT POLYGON POWER RADIANS RAND
    REGION ROUND SIN SQRT TAN TOP TRUNCATE ABSOLUTE ACTION ADD ALL ALLOCATE ALTER AND ANY ARE AS ASC ASSERTION AT
    AUTHORIZATION AVG BEGIN BETWEEN BIT BIT_LENGTH BOTH BY CASCADE CASCADED CASE CAST CATALOG CHAR CHARACTER
    CHARACTER_LENGTH CHAR_LENGTH CHECK CLOSE COALESCE COLLATE COLLATION COLUMN COMMIT CONNECT CONNECTION
    CONSTRAINT CONSTRAINTS CONTINUE CONVERT CORRESPONDING COUNT CREATE CROSS CURRENT CURRENT_DATE CURRENT_TIME
    CURRENT_TIMESTAMP CURRENT_USER CURSOR DATE DAY DEALLOCATE DECIMAL DECLARE DEFAULT DEFERRABLE DEFERRED DELETE
    DESC DESCRIBE DESCRIPTOR DIAGNOSTICS DISCONNECT DISTINCT DOMAIN DOUBLE DROP ELSE END ESCAPE EXCEPT EXCEPTION
    EXEC EXECUTE EXISTS EXTERNAL EXTRACT FALSE FETCH FIRST FLOAT FOR FOREIGN FOUND FROM FULL GET GLOBAL GO GOTO
    GRANT GROUP HAVING HOUR IDENTITY IMMEDIATE IN INDICATOR INITIALLY INNER INPUT INSENSITIVE INSERT INT INTEGER
    INTERSECT INTERVAL INTO IS ISOLATION JOIN KEY LANGUAGE LAST LEADING LEFT LEVEL LIKE LOCAL LOWER MATCH MAX MIN
    MINUTE MODULE MONTH NAMES NATIONAL NATURAL NCHAR NEXT NO NOT NULL NULLIF NUMERIC OCTET_LENGTH OF ON ONLY OPEN
    OPTION OR ORDER OUTER OUTPUT OVERLAPS PAD PARTIAL POSITION PRECISION PREPARE PRESERVE PRIMARY PRIOR PRIVILEGES
    PROCEDURE PUBLIC READ REAL REFERENCES RELATIVE RESTRICT REVOKE RIGHT ROLLBACK ROWS SCHEMA SCROLL SECOND
    SECTION SELECT SESSION SESSION_USER SET SIZE SMALLINT SOME SPACE SQL SQLCODE SQLERROR SQLSTATE SUBSTRING SUM
    SYSTEM_USER TABLE TEMPORARY THEN TIME TIMESTAMP TIMEZONE_HOUR TIMEZONE_MINUTE TO TRAILING TRANSACTION
    TRANSLATE TRANSLATION TRIM TRUE UNION UNIQUE UNKNOWN UPDATE UPPER USAGE USER USING VALUE VALUES VARCHAR
    VARYING VIEW WHEN WHENEVER WHERE WITH WORK WRITE YEAR ZONE
    """.split()  # noqa: SIM905 - a list of 300 words is read better so
)
"""Words that ADQL 2.1 keeps for itself; DEC alone is left out, which every catalog has as a column."""


class _Adql(TSQL):
    """T-SQL's TOP, with no function known, so that each call keeps the name it has in the text."""

    class Parser(TSQLParser):
        FUNCTIONS = {}  # noqa: RUF012 - sqlglot's own way to declare it
        FUNCTION_PARSERS = {"CAST": parser.Parser.FUNCTION_PARSERS["CAST"]}  # noqa: RUF012 - as above
        NO_PAREN_FUNCTIONS = {}  # noqa: RUF012 - as above

        # T-SQL reads `a = b` after SELECT as an alias; ADQL has no such thing.
        _parse_projections = parser.Parser._parse_projections  # noqa: SLF001 - sqlglot's own way to change a dialect


def parsed(query: str) -> exp.Expr:
    """Parse one ADQL query; its parts are still to be checked.

    Raises
    ------
    NotAdql
        If it cannot be read, or is no query.

    Examples
    --------
    >>> parsed("SELECT TOP 3 ra FROM t").args["limit"].expression.name
    '3'
    """
    try:
        tokens = _Adql().tokenize(query)
        roots = [r for r in sqlglot.parse(query, dialect=_Adql) if r is not None and not isinstance(r, exp.Semicolon)]
    except (SqlglotError, ValueError, LookupError, TypeError, AttributeError) as error:
        text = re.sub(r"\x1b\[\d*m", "", str(error)).splitlines()
        raise NotAdql(f"this is not ADQL that can be read: {text[0] if text else type(error).__name__}") from error
    if len(roots) != 1:
        raise NotAdql(f"expected one query, found {len(roots)} statements")
    if not isinstance(roots[0], exp.Select | exp.SetOperation | exp.Subquery):
        raise NotAdql(f"ADQL has queries alone: SELECT, or WITH ... SELECT; found {tokens[0].text.upper()}")
    if any(token.token_type in {TokenType.LIMIT, TokenType.FETCH} for token in tokens):
        raise NotAdql("ADQL has no LIMIT; write SELECT TOP 10 ... and, for what follows, OFFSET 10 at the end")
    for dot in list(roots[0].find_all(exp.Dot)):  # the Chandra catalog's own service has this one in a schema
        call = dot.expression
        if dot.this.name.lower() == "dbo" and isinstance(call, exp.Anonymous) and call.name.upper() == CONE_DISTANCE:
            dot.replace(call)
    return roots[0]


def check(node: exp.Expr) -> None:
    """Refuse a part of a tree that ADQL does not have.

    Raises
    ------
    NotAdql
    """
    parts = _NODES.get(type(node))
    if parts is None and not isinstance(node, _PLAIN):
        raise NotAdql(f"{type(node).__name__.upper()} has no place in ADQL: {shown(node)}")
    extra = {k for k, v in node.args.items() if v} - parts if parts else set()
    if extra:
        raise NotAdql(f"ADQL does not have this: {', '.join(sorted(extra))} in {shown(node)}")
    if isinstance(node, exp.Limit | exp.Offset) and not (
        isinstance(node.expression, exp.Literal) and node.expression.name.isdigit()
    ):
        raise NotAdql(f"TOP and OFFSET take a whole number, found {shown(node.expression)}")


def delimited(name: str) -> str:
    """Return a column's name as a query writes it: in quotes where it would be taken for something else.

    Examples
    --------
    >>> delimited("size"), delimited("ra"), delimited("a b")
    ('"size"', 'ra', '"a b"')
    """
    is_plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) and name.upper() not in RESERVED
    return name if is_plain else '"' + name.replace('"', '""') + '"'
