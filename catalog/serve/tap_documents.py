"""The documents of a TAP service: what it can do, what it has, how its jobs are, examples; and errors.

vo-models writes those that a schema defines. Source: TAP 1.1, TAPRegExt 1.0, VOSI 1.1, UWS 1.1, DALI 1.1.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from html import escape
from typing import Any
from xml.sax.saxutils import escape as xml_escape

from pydantic import BaseModel
from vo_models.tapregext.models import (
    DataLimit,
    DataLimits,
    DataModelType,
    Language,
    LanguageFeature,
    LanguageFeatureList,
    OutputFormat,
    TableAccess,
    TimeLimits,
    UploadMethod,
    Version,
)
from vo_models.uws.models import (
    ErrorSummary,
    Jobs,
    JobSummary,
    Parameter,
    Parameters,
    ResultReference,
    Results,
    ShortJobDescription,
)
from vo_models.uws.types import ErrorType
from vo_models.vodataservice.models import (
    DataType,
    FKColumn,
    ForeignKey,
    ParamHTTP,
    Table,
    TableParam,
    TableSchema,
)
from vo_models.voresource.models import AccessURL, Capability
from vo_models.vosi.availability.models import Availability
from vo_models.vosi.capabilities.models import VOSICapabilities
from vo_models.vosi.tables.models import VOSITable, VOSITableSet

from catalog.formats.votable import allowed
from catalog.serve.obscore import MODEL
from catalog.serve.tap_formats import TAP_FORMATS, tap_format
from catalog.serve.tap_jobs import LONGEST_RETENTION, RETENTION, Job
from catalog.serve.tap_schema import TapSchema, TapTable, target_column
from catalog.serve.tap_service import ASYNC_S, LONGEST_S, MOST_ROWS, UPLOAD_BYTES, USUAL_ROWS, scalar_forms
from sql.adql_geometry import GEOMETRY
from sql.adql_grammar import delimited

EXAMPLES = (
    (
        "cone",
        "Sources around a position, the nearest first",
        "SELECT TOP 10 c.name, c.ra, c.dec, c.separation_arcsec FROM cone(148.96, 69.68, 60) AS c",
    ),
    (
        "circle",
        "The same in plain ADQL",
        (
            "SELECT TOP 10 name, ra FROM csc.master_source\n"
            "WHERE 1 = CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', 149, 69.7, 0.5))"
        ),
    ),
    (
        "columns",
        "What the tables hold",
        "SELECT TOP 50 table_name, column_name, unit, ucd FROM TAP_SCHEMA.columns WHERE table_name LIKE 'csc.%'",
    ),
    (
        "papers",
        "The newest papers",
        'SELECT TOP 10 bibcode, title, "year" FROM lit.paper ORDER BY "year" DESC',
    ),
)
"""Name, what it shows, and query."""
_STANDARD = "ivo://ivoa.net/std/"
_FEATURES = f"{_STANDARD}TAPRegExt#features-"
_MORE_FEATURES = {
    "adql-string": ("LOWER", "UPPER", "ILIKE"),
    "adql-sets": ("UNION", "EXCEPT", "INTERSECT"),
    "adql-common-table": ("WITH",),
    "adql-type": ("CAST",),
    "adql-unit": ("IN_UNIT",),
    "adql-offset": ("OFFSET",),
    "adql-bitwise": ("BIT_AND", "BIT_OR", "BIT_XOR", "BIT_NOT"),
}
_DESCRIPTION = (
    "ADQL 2.1. Functions that give rows stand in FROM: nearest('spectrum', id, 20), similar_pairs('spectrum', 0.9), "
    "cone(ra, dec, radius_arcsec), light_curve(detection_id, bin_s)."
)


class _TapParameters(Parameters):
    """The parameters that a job of TAP has."""

    request: Parameter | None = None
    lang: Parameter | None = None
    query: Parameter | None = None
    maxrec: Parameter | None = None
    responseformat: Parameter | None = None
    runid: Parameter | None = None
    upload: Parameter | None = None


_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


def _allowed(value: Any) -> Any:  # noqa: ANN401 - a document, and all that is in it
    """Replace, in all texts of a document, what no XML may hold: they come from requests and from the store."""
    if isinstance(value, BaseModel):
        value.__dict__.update({name: _allowed(part) for name, part in value.__dict__.items()})
        return value
    if isinstance(value, list):
        return [_allowed(part) for part in value]
    return allowed(value) if type(value) is str else value


def _xml(document: BaseModel) -> bytes:
    text = _allowed(document).to_xml(skip_empty=True, encoding="unicode")
    return (_DECLARATION + str(text)).encode()


def availability(since: datetime) -> bytes:
    """Return /availability."""
    return _xml(Availability(available=True, up_since=since, note=[]))


def capabilities(url: str) -> bytes:
    """Return /capabilities.

    Parameters
    ----------
    url : str
        Where the service is, without a slash at its end.
    """

    def other(standard: str, path: str) -> Capability:
        return Capability.model_validate({"standard_id": standard, "interface": [_interface(f"{url}/{path}", "full")]})

    geometry = [LanguageFeature(form=name) for name in sorted(GEOMETRY)]
    own = [LanguageFeature(form=form, description=about) for form, about in scalar_forms()]
    features = [
        LanguageFeatureList(type=f"{_FEATURES}udf", feature=own),
        LanguageFeatureList(type=f"{_FEATURES}adqlgeo", feature=geometry),
        *(
            LanguageFeatureList(type=f"{_FEATURES}{kind}", feature=[LanguageFeature(form=form) for form in forms])
            for kind, forms in _MORE_FEATURES.items()
        ),
    ]
    versions = [Version(value=v, ivo_id=f"{_STANDARD}ADQL#v{v}") for v in ("2.1", "2.0")]
    access = TableAccess(
        interface=[_interface(url, "base", role="std", version="1.1")],
        data_model=[DataModelType(ivo_id=MODEL[0], value=MODEL[1])],
        language=[Language(name="ADQL", version=versions, description=_DESCRIPTION, language_features=features)],
        output_format=[OutputFormat(mime=f.mime, alias=list(f.aliases)) for f in TAP_FORMATS],
        upload_method=[UploadMethod(ivo_id=f"{_STANDARD}TAPRegExt#upload-{kind}") for kind in ("inline", "http")],
        retention_period=TimeLimits(
            default=int(RETENTION.total_seconds()), hard=int(LONGEST_RETENTION.total_seconds())
        ),
        execution_duration=TimeLimits(default=int(ASYNC_S), hard=int(LONGEST_S)),
        output_limit=DataLimits(
            default=DataLimit(value=USUAL_ROWS, unit="row"), hard=DataLimit(value=MOST_ROWS, unit="row")
        ),
        upload_limit=DataLimits(
            default=DataLimit(value=UPLOAD_BYTES, unit="byte"), hard=DataLimit(value=UPLOAD_BYTES, unit="byte")
        ),
    )
    others = [
        other(f"{_STANDARD}VOSI#capabilities", "capabilities"),
        other(f"{_STANDARD}VOSI#availability", "availability"),
        other(f"{_STANDARD}VOSI#tables-1.1", "tables"),
        other(f"{_STANDARD}DALI#examples", "examples"),
    ]
    return _xml(VOSICapabilities(capability=[access, *others]))


def _interface(url: str, use: str, role: str | None = None, version: str | None = None) -> ParamHTTP:
    access = AccessURL.model_validate({"value": url, "use": use})
    return ParamHTTP(access_url=[access], role=role, version=version)


def tables(schema: TapSchema, *, detailed: bool = True) -> bytes:
    """Return /tables: every schema with its tables, and with their columns where they are asked for."""
    made = [
        TableSchema(
            schema_name=name,
            description=about or None,
            table=[_table(schema, t, Table, detailed=detailed) for t in schema.tables if t.schema == name],
        )
        for name, about in schema.schemas.items()
    ]
    return _xml(VOSITableSet(tableset_schema=made))


def table(schema: TapSchema, wanted: TapTable) -> bytes:
    """Return /tables/<name>."""
    return _xml(_table(schema, wanted, VOSITable, detailed=True))


def _table(schema: TapSchema, of: TapTable, kind: type[Table], *, detailed: bool) -> Table:
    columns, keys = [], []
    if detailed:
        for c in of.columns:
            datatype, arraysize, _ = c.votable
            declared = DataType(value=datatype, arraysize=arraysize)
            columns.append(
                TableParam(
                    column_name=delimited(c.name),
                    description=c.description or None,
                    unit=c.unit or None,
                    ucd=c.ucd or None,
                    utype=c.utype or None,
                    datatype=declared,
                    flag=["indexed"] if c.indexed else [],
                )
            )
        keys = [
            ForeignKey(
                target_table=target,
                fk_column=[FKColumn(from_column=delimited(column), target_column=delimited(target_column(column)))],
            )
            for _, table_, target, column in schema.keys
            if table_ == of.name
        ]
    return kind(table_type=of.kind, table_name=of.name, description=of.description, column=columns, foreign_key=keys)


def job(of: Job, url: str) -> bytes:
    """Return a job's document."""
    done = Results(results=[_result(of, url)]) if of.phase == "COMPLETED" else Results(results=[])
    failed = ErrorSummary(message=of.error, type=ErrorType.FATAL, has_detail=True) if of.phase == "ERROR" else None
    made = JobSummary[_TapParameters].model_validate(
        {
            "job_id": of.job_id,
            "run_id": of.parameters.get("RUNID"),
            "phase": of.phase,
            "quote": of.quote,
            "creation_time": of.created,
            "start_time": of.started or None,
            "end_time": of.ended or None,
            "execution_duration": of.duration_s,
            "destruction": of.destruction,
            "parameters": _parameters(of),
            "results": done,
            "error_summary": failed,
        }
    )
    # vo-models leaves out what is empty; the schema wants to be told that there is no owner, no time, no result yet.
    document = _xml(made)
    for name, before in (("ownerId", "phase"), ("startTime", "executionDuration"), ("endTime", "executionDuration")):
        if f"<uws:{name}>".encode() not in document:
            nil = f'<uws:{name} xsi:nil="true"/><uws:{before}>'
            document = document.replace(f"<uws:{before}>".encode(), nil.encode(), 1)
    if b"<uws:results>" not in document:
        end = b"<uws:errorSummary" if of.phase == "ERROR" else b"</uws:job>"
        document = document.replace(end, b"<uws:results/>" + end, 1)
    return document


def jobs(of: Iterable[Job], url: str) -> bytes:
    """Return the list of jobs."""
    made = [
        ShortJobDescription.model_validate(
            {
                "job_id": j.job_id,
                "phase": j.phase,
                "run_id": j.parameters.get("RUNID"),
                "creation_time": j.created,
                "href": f"{url}/{j.job_id}",
            }
        )
        for j in of
    ]
    return _xml(Jobs(jobref=made))


def parameters(of: Job) -> bytes:
    """Return a job's parameters."""
    return _xml(_parameters(of))


def results(of: Job, url: str) -> bytes:
    """Return a job's results: one, or none yet."""
    return _xml(Results(results=[_result(of, url)] if of.phase == "COMPLETED" else []))


def _parameters(of: Job) -> _TapParameters:
    known = _TapParameters.model_fields
    given = {n.lower(): v for n, v in of.parameters.items() if n.lower() in known}
    return _TapParameters(**{n: Parameter(id=n, value=v) for n, v in given.items()})


def _result(of: Job, url: str) -> ResultReference:
    mime = tap_format(of.parameters.get("RESPONSEFORMAT")).mime
    return ResultReference(id="result", href=f"{url}/{of.job_id}/results/result", mime_type=mime)


def error_votable(message: str) -> bytes:
    """Return an error as DALI has it: a VOTable that says so.

    Examples
    --------
    >>> b'name="QUERY_STATUS" value="ERROR">no such table &lt;x&gt;</INFO>' in error_votable("no such table <x>")
    True
    """
    return (
        f'{_DECLARATION}<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results">'
        f'<INFO name="QUERY_STATUS" value="ERROR">{xml_escape(allowed(message))}</INFO></RESOURCE></VOTABLE>\n'
    ).encode()


def examples(url: str, others: Iterable[tuple[str, str, str]] = ()) -> bytes:
    """Return /examples: a page for people, and by RDFa for programs."""
    shown = "".join(
        f'<div typeof="example" id="{name}" resource="#{name}"><h2 property="name">{escape(title)}</h2>'
        f'<pre property="query">{escape(query)}</pre></div>\n'
        for name, title, query in (*EXAMPLES, *others)
    )
    return (
        f'{_DECLARATION}<html xmlns="http://www.w3.org/1999/xhtml"><head><title>Examples of queries</title></head>'
        f'<body vocab="http://www.ivoa.net/rdf/examples#"><h1>Examples for {escape(url)}</h1>'
        f"\n{shown}</body></html>\n"
    ).encode()
