"""ivoa.obscore as a service offers it: with the addresses of the files that are on disk, and the standard's utypes.

Source: ObsCore 1.1 (IVOA Recommendation 2017), tables 6 and 7.
"""

from __future__ import annotations

import pyarrow as pa

from catalog.query.names import columns_of

OBSCORE = "ivoa.obscore"
MODEL = "ivo://ivoa.net/std/ObsCore#core-1.1", "ObsCore-1.1"
LINKS = "ivo://ivoa.net/std/DataLink#links-1.1"
PUBLISHER_DID = "obs_publisher_did"
ON_DISK = "__files_on_disk"
"""The relation of the files that are handed out, as the engine knows it."""
CIRCLES = {f"{OBSCORE}.s_region": ("s_ra", "s_dec", "s_fov")}
"""Columns that hold a circle -> the columns of its centre and its diameter."""
UTYPES = {
    "dataproduct_type": "ObsDataset.dataProductType",
    "calib_level": "ObsDataset.calibLevel",
    "obs_collection": "DataID.collection",
    "obs_id": "DataID.observationID",
    PUBLISHER_DID: "Curation.publisherDID",
    "access_url": "Access.reference",
    "access_format": "Access.format",
    "access_estsize": "Access.size",
    "target_name": "Target.name",
    "s_ra": "Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C1",
    "s_dec": "Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C2",
    "s_fov": "Char.SpatialAxis.Coverage.Bounds.Extent.diameter",
    "s_region": "Char.SpatialAxis.Coverage.Support.Area",
    "s_resolution": "Char.SpatialAxis.Resolution.Refval.value",
    "s_xel1": "Char.SpatialAxis.numBins1",
    "s_xel2": "Char.SpatialAxis.numBins2",
    "t_min": "Char.TimeAxis.Coverage.Bounds.Limits.StartTime",
    "t_max": "Char.TimeAxis.Coverage.Bounds.Limits.StopTime",
    "t_exptime": "Char.TimeAxis.Coverage.Support.Extent",
    "t_resolution": "Char.TimeAxis.Resolution.Refval.value",
    "t_xel": "Char.TimeAxis.numBins",
    "em_min": "Char.SpectralAxis.Coverage.Bounds.Limits.LoLimit",
    "em_max": "Char.SpectralAxis.Coverage.Bounds.Limits.HiLimit",
    "em_res_power": "Char.SpectralAxis.Resolution.ResolPower.refVal",
    "em_xel": "Char.SpectralAxis.numBins",
    "o_ucd": "Char.ObservableAxis.ucd",
    "pol_states": "Char.PolarizationAxis.stateList",
    "pol_xel": "Char.PolarizationAxis.numBins",
    "facility_name": "Provenance.ObsConfig.Facility.name",
    "instrument_name": "Provenance.ObsConfig.Instrument.name",
}
"""Columns of the standard -> their utypes, without the prefix."""


def utype(table: str, column: str) -> str:
    """Return the utype of a column; '' for one that no standard defines.

    Examples
    --------
    >>> utype("ivoa.obscore", "t_xel"), utype("csc.master_source", "ra")
    ('obscore:Char.TimeAxis.numBins', '')
    """
    return f"obscore:{UTYPES[column]}" if table == OBSCORE and column in UTYPES else ""


def with_utypes(schema: pa.Schema) -> pa.Schema:
    """Return the schema of an answer of ivoa.obscore, its columns with their utypes, whatever they are called there."""
    known = {c.description.encode(): utype(OBSCORE, c.name).encode() for c in columns_of(OBSCORE)}
    fields = []
    for field in schema:
        about = dict(field.metadata or {})
        found = known.get(about.get(b"description", b""))
        fields.append(field.with_metadata({**about, b"utype": found}) if found else field)
    return pa.schema(fields, schema.metadata)


def _served() -> str:
    """Return the query that stands for ivoa.obscore where files are handed out."""
    columns = ", ".join(f"d.{c.name}" if c.name == "access_url" else f"o.{c.name}" for c in columns_of(OBSCORE))
    return f"SELECT {columns} FROM {OBSCORE} AS o LEFT JOIN {ON_DISK} AS d ON d.file_id = o.file_id"


STANDS_FOR = {OBSCORE: _served()}
"""Views that a service answers by another query."""


def descriptor(url: str, field_id: str) -> str:
    """Return the element that tells a client of a table how to ask for the links of its rows.

    Parameters
    ----------
    url : str
        Where links are asked for.
    field_id : str
        ID of the column with the names of the data sets.
    """
    return (
        '<RESOURCE type="meta" utype="adhoc:service" name="links">'
        "<DESCRIPTION>Files that belong to a data product: responses, background, regions, photons</DESCRIPTION>"
        f'<PARAM name="standardID" datatype="char" arraysize="*" value="{LINKS}"/>'
        f'<PARAM name="accessURL" datatype="char" arraysize="*" value="{url}"/>'
        f'<GROUP name="inputParams"><PARAM name="ID" datatype="char" arraysize="*" value="" ref="{field_id}"/></GROUP>'
        "</RESOURCE>"
    )
