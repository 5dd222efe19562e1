"""product.*: photons, good times, spectra, responses and light curves, as the data products hold them."""

from __future__ import annotations

from catalog.schema.columns import (
    BOOL,
    DOUBLES,
    FLOAT32,
    FLOAT64,
    FLOATS,
    INT8,
    INT16,
    INT32,
    INT64,
    INTS,
    TEXT,
    TIME,
    Column,
    Table,
)

FILE_ID = Column("file_id", INT64, "File the row came from: meta.file", ucd="meta.id")
ROW = Column("row", INT64, "Row in the file's table, from 0, in file order", ucd="meta.number")
OBSID = Column("obsid", INT32, "Observation identifier; NULL in merged files", ucd="meta.id;obs")
OBI = Column("obi", INT16, "Observation interval number", ucd="meta.id;obs")
REGION_ID = Column("region_id", INT32, "Detection region identifier; NULL for whole-field files", ucd="meta.id;src")
DETECTION_ID = Column(
    "detection_id", TEXT, "obsid.obi.region_id; NULL where the file is of no catalog detection", ucd="meta.id;src"
)
MISSION = Column("mission", TEXT, "CHANDRA, or another mission as TELESCOP says", ucd="meta.id;instr.obsty")
_IDENTITY = (OBSID, OBI, REGION_ID, DETECTION_ID)
_RESPONSE_GRID = (
    # Bins are narrow: single precision would cost a file of doubles four digits of a bin's width.
    Column("energ_lo", DOUBLES, "Lower edges of the energy bins", "keV", "em.energy;stat.min"),
    Column("energ_hi", DOUBLES, "Upper edges of the energy bins", "keV", "em.energy;stat.max"),
)

PRODUCT: tuple[Table, ...] = (
    Table(
        "product.header",
        "One row per product file read: what its header says of the observation",
        ("file_id",),
        (
            FILE_ID,
            Column("kind", TEXT, "events, spectrum, light_curve or region"),
            *_IDENTITY,
            MISSION,
            Column("obs_id", TEXT, "OBS_ID as the header has it: 'Merged', or another mission's number"),
            Column("instrument", TEXT, "ACIS or HRC, or another mission's", ucd="meta.id;instr"),
            Column("detector", TEXT, "Detector, as DETNAM or DETECTOR says", ucd="meta.id;instr.det"),
            Column("grating", TEXT, "NONE, HETG or LETG", ucd="meta.id;instr"),
            Column("object", TEXT, "Target as the observer named it", ucd="meta.id;src"),
            Column("content", TEXT, "CONTENT keyword: EVT2, REGEVT3, SPECTRUM, ..."),
            Column("ra_pnt", FLOAT64, "Pointing, ICRS right ascension", "deg", "pos.eq.ra;instr"),
            Column("dec_pnt", FLOAT64, "Pointing, ICRS declination", "deg", "pos.eq.dec;instr"),
            Column("roll_pnt", FLOAT64, "Roll angle", "deg", "pos.posAng;instr"),
            Column("ra_src", FLOAT64, "Position of the detection, ICRS right ascension", "deg", "pos.eq.ra"),
            Column("dec_src", FLOAT64, "Position of the detection, ICRS declination", "deg", "pos.eq.dec"),
            Column("date_obs", TIME, "Start of the observation (TT)", ucd="time.start;obs"),
            Column("tstart_s", FLOAT64, "Start, mission seconds (TT since MJD 50814.0)", "s", "time.start;obs"),
            Column("tstop_s", FLOAT64, "End, mission seconds (TT since MJD 50814.0)", "s", "time.end;obs"),
            Column("exposure_s", FLOAT64, "EXPOSURE: good time less dead time", "s", "time.duration;obs.exposure"),
            Column("frame_time_s", FLOAT64, "TIMEDEL: CCD frame time", "s", "time.resolution"),
            Column("n_rows", INT64, "Rows of the file's main table", ucd="meta.number"),
            Column("release", TEXT, "CSC release of a level-3 product, where the file or the user says it"),
            Column("version", INT16, "N-version of the product, from the file's name", ucd="meta.version"),
            Column("level", INT8, "Level of processing of an event file, 1 to 3; NULL where nothing tells"),
            Column("reprocessed", BOOL, "Whether a user made the event file anew: repro in its name or folder"),
            Column("interleaved", INT8, "Exposures of an interleaved observation: 1 primary, 2 secondary; else NULL"),
            Column("x_crpix", FLOAT64, "Sky WCS: reference pixel in x", "pixel"),
            Column("x_crval", FLOAT64, "Sky WCS: right ascension there", "deg", "pos.eq.ra"),
            Column("x_cdelt", FLOAT64, "Sky WCS: step in x", "deg/pixel"),
            Column("y_crpix", FLOAT64, "Sky WCS: reference pixel in y", "pixel"),
            Column("y_crval", FLOAT64, "Sky WCS: declination there", "deg", "pos.eq.dec"),
            Column("y_cdelt", FLOAT64, "Sky WCS: step in y", "deg/pixel"),
            Column("ascdsver", TEXT, "Processing software (ASCDSVER)", ucd="meta.version;meta.software"),
        ),
    ),
    Table(
        "product.event_stored",
        "One row per photon in a file, as stored; query product.event, which fills in what follows from other columns",
        ("file_id", "row"),
        (
            FILE_ID,
            ROW,
            *_IDENTITY,
            Column("ccd_id", INT8, "CCD the photon fell on", ucd="meta.id;instr.det"),
            Column("time_s", FLOAT64, "Arrival, mission seconds (TT since MJD 50814.0)", "s", "time.epoch"),
            Column("x", FLOAT32, "Sky x, 0.492 arcsec pixels in ACIS", "pixel", "pos.cartesian.x"),
            Column("y", FLOAT32, "Sky y, 0.492 arcsec pixels in ACIS", "pixel", "pos.cartesian.y"),
            Column("energy_ev", FLOAT32, "Energy; from PI where the file has none; NULL for HRC", "eV", "em.energy"),
            Column("pi_stored", INT16, "PI where it does not follow from energy_ev; 0 says the file's PI is null"),
        ),
        order=("obsid", "region_id", "time_s"),
    ),
    Table(
        "product.event_list",
        "One row per detection whose photons came as a list in a corpus, not in a file of their own",
        ("file_id", "detection_id"),
        (
            FILE_ID,
            *_IDENTITY,
            Column("n_events", INT64, "Photons in the list", ucd="meta.number"),
            Column("n_observed", INT64, "Photons that there were before the list was cut, if told", ucd="meta.number"),
            Column("capped", BOOL, "Whether the list was cut: it holds fewer photons than were observed"),
        ),
        # Of a file that was read before, it is only known whether some of its lists were cut.
        first_rows="SELECT e.file_id, e.obsid, e.obi, e.region_id, e.detection_id, count(*) AS n_events, "
        "any_value(f.capped) AS capped FROM lake.product.event_stored AS e JOIN (SELECT file_id, "
        "len(list_filter(flags, lambda flag: starts_with(flag, 'events_capped'))) > 0 AS capped "
        "FROM lake.meta.file WHERE kind = 'corpus') AS f USING (file_id) "
        "WHERE e.detection_id IS NOT NULL GROUP BY ALL",
    ),
    Table(
        "product.region",
        "One row per shape of a region: where photons of a source, or of its background, were taken from",
        ("file_id", "row"),
        (
            FILE_ID,
            Column("row", INT64, "Number of the shape in the file, from 0", ucd="meta.number"),
            *_IDENTITY,
            Column("told_by", TEXT, "reg3 (a region file of the catalog), spectrum (its header), reg (a user's file)"),
            Column("linked_by", TEXT, "place or folder where the file names no detection and this is how it was found"),
            Column("role", TEXT, "source or background"),
            Column("band", TEXT, "CSC band it is for: b, u, s, m, h or w; NULL where it is for no single one"),
            Column("version", INT16, "N-version of the product, from the file's name", ucd="meta.version"),
            Column("ascdsver", TEXT, "Processing software (ASCDSVER)", ucd="meta.version;meta.software"),
            Column("component", INT32, "Inside the region is who is inside any component", ucd="meta.number"),
            Column("include", BOOL, "Inside a component is who is inside all its shapes that include, and no other"),
            Column("shape", TEXT, "circle, ellipse or polygon; a box is the polygon of its corners"),
            Column("x", DOUBLES, "Sky x of the centre, or of each corner; NULL: not told", "pixel", "pos.cartesian.x"),
            Column("y", DOUBLES, "Sky y of the centre, or of each corner; NULL: not told", "pixel", "pos.cartesian.y"),
            Column("r", DOUBLES, "Radius, or semi-axes; empty for a polygon", "pixel", "phys.angSize"),
            Column("ra", DOUBLES, "Right ascension of the centre, or of each corner, ICRS", "deg", "pos.eq.ra"),
            Column("dec", DOUBLES, "Declination of the centre, or of each corner, ICRS", "deg", "pos.eq.dec"),
            Column("r_arcsec", DOUBLES, "Radius, or semi-axes; empty for a polygon", "arcsec", "phys.angSize"),
            Column("rotang", FLOAT64, "Angle of the first axis, from +x towards +y", "deg", "pos.posAng"),
            Column("x_region", FLOAT64, "Sky x of the centre of the whole region", "pixel", "pos.cartesian.x"),
            Column("y_region", FLOAT64, "Sky y of the centre of the whole region", "pixel", "pos.cartesian.y"),
            Column("r_region", FLOAT64, "Radius of a circle that holds the region", "pixel", "phys.angSize"),
            Column("ra_region", FLOAT64, "Right ascension of the centre of the whole region", "deg", "pos.eq.ra"),
            Column("dec_region", FLOAT64, "Declination of the centre of the whole region", "deg", "pos.eq.dec"),
            Column("r_region_arcsec", FLOAT64, "Radius of a circle that holds the region", "arcsec", "phys.angSize"),
        ),
        order=("obsid", "region_id"),
    ),
    Table(
        "product.good_time",
        "One row per good time interval of a file and CCD",
        ("file_id", "ccd_id", "start_s"),
        (
            FILE_ID,
            OBSID,
            OBI,
            Column("ccd_id", INT8, "CCD the interval holds for; NULL for all", ucd="meta.id;instr.det"),
            Column("start_s", FLOAT64, "Start, mission seconds (TT since MJD 50814.0)", "s", "time.start"),
            Column("stop_s", FLOAT64, "Stop, mission seconds (TT since MJD 50814.0)", "s", "time.end"),
        ),
    ),
    Table(
        "product.spectrum",
        "One row per spectrum; background and responses are linked when they are there, in whatever order they arrive",
        ("spectrum_id",),
        (
            Column("spectrum_id", TEXT, "16 hex digits of the hash of the file's content and spec_num", ucd="meta.id"),
            FILE_ID,
            Column("spec_num", INT32, "Number of the spectrum in its file, from 1: SPEC_NUM of a type-II file"),
            *_IDENTITY,
            MISSION,
            Column("role", TEXT, "source or background, as HDUCLAS2 or another spectrum's BACKFILE says"),
            Column("hduclas2", TEXT, "HDUCLAS2: TOTAL, NET (background already subtracted) or BKG"),
            Column("first_channel", INT32, "Number of the first channel: 1, or 0"),
            Column("counts", INTS, "Counts per channel; NULL where the file gives rates only", "count", "phot.count"),
            Column("rate", DOUBLES, "Count rate per channel where the file gives no counts", "count/s", "arith.rate"),
            Column("stat_err", DOUBLES, "STAT_ERR where it is not Poisson (POISSERR); of rate where counts is NULL"),
            Column("sys_err", DOUBLES, "SYS_ERR: systematic error per channel as a fraction; NULL where there is none"),
            Column(
                "bin_lo", DOUBLES, "BIN_LO: shortest wavelength of a grating's channels", "angstrom", "em.wl;stat.min"
            ),
            Column(
                "bin_hi", DOUBLES, "BIN_HI: longest wavelength of a grating's channels", "angstrom", "em.wl;stat.max"
            ),
            Column("background_counts", INTS, "Background counts per channel", "count", "phot.count"),
            Column("background_rate", DOUBLES, "Background rate where there are no counts", "count/s", "arith.rate"),
            Column("exposure_s", FLOAT64, "Exposure", "s", "time.duration;obs.exposure"),
            Column("backscal", FLOAT64, "BACKSCAL: extraction area over sky area; mean where it is a column"),
            Column("areascal", FLOAT64, "AREASCAL; mean where it is a column"),
            Column("background_exposure_s", FLOAT64, "Exposure of the background", "s", "time.duration"),
            Column("background_backscal", FLOAT64, "BACKSCAL of the background"),
            Column("background_areascal", FLOAT64, "AREASCAL of the background"),
            Column("quality", INTS, "OGIP quality per channel, 0 good; NULL where all are"),
            Column("grouping", INTS, "OGIP grouping per channel, 1 starts a bin; NULL where ungrouped"),
            Column("ancrfile", TEXT, "ARF the header names, NULL for none"),
            Column("respfile", TEXT, "RMF the header names, NULL for none"),
            Column("backfile", TEXT, "Background file the header names, NULL for none"),
            *(
                Column(f"{name}_part", TEXT, f"Which of several in {name} is meant: '2' by number, '+2' by extension")
                for name in ("ancrfile", "respfile", "backfile")
            ),
            Column("arf_id", TEXT, "product.arf, once it is in the store", ucd="meta.id"),
            Column("rmf_id", TEXT, "product.rmf, once it is in the store", ucd="meta.id"),
            Column("background_id", TEXT, "product.spectrum of the background, where it is a file of its own"),
            Column("grating_order", INT8, "TG_M: grating order of a type-II spectrum"),
            Column("grating_part", INT8, "TG_PART: 1 HEG, 2 MEG, 3 LEG"),
        ),
    ),
    Table(
        "product.response_file",
        "One row per response in a file: which it is, under which name others refer to it",
        ("file_id", "kind", "response_num"),
        (
            FILE_ID,
            Column("kind", TEXT, "arf or rmf"),
            Column(
                "response_num",
                INT32,
                "Number of the response among those of its kind in the file: EXTVER, else its place, from 1; 0 for the "
                "sum of all matrices of the file",
            ),
            Column("response_id", TEXT, "product.arf.arf_id or product.rmf.rmf_id", ucd="meta.id"),
            Column("file_name", TEXT, "Base name in lower case without .gz"),
            Column("folder", TEXT, "Folder it lies in"),
            *_IDENTITY,
            Column("grating_order", INT8, "TG_M: grating order it is for"),
            Column("grating_part", INT8, "TG_PART: 1 HEG, 2 MEG, 3 LEG"),
            Column("hdu", INT32, "Extension of the file it stands in, from 1; NULL for a sum", ucd="meta.number"),
            MISSION,
        ),
    ),
    Table(
        "product.arf",
        "One row per effective area, however many files repeat it",
        ("arf_id",),
        (
            Column("arf_id", TEXT, "16 hex digits of the content's hash", ucd="meta.id"),
            *_RESPONSE_GRID,
            Column("specresp", FLOATS, "Effective area", "cm**2", "phys.area;instr"),
            Column("fracexpo", FLOATS, "PSF_FRAC: fraction of the point-spread function in the region, if given"),
            Column("valid", BOOL, "False where areas are missing (NULL) or negative, or the energy grid has gaps"),
        ),
        writing="content",
    ),
    Table(
        "product.rmf",
        "One row per redistribution matrix, sparse: groups of consecutive channels per energy bin",
        ("rmf_id",),
        (
            Column("rmf_id", TEXT, "16 hex digits of the content's hash", ucd="meta.id"),
            *_RESPONSE_GRID,
            Column("n_grp", INTS, "Number of channel groups per energy bin"),
            Column("f_chan", INTS, "First channel of each group, from 0, all energy bins in a row"),
            Column("n_chan", INTS, "Number of channels of each group"),
            Column("matrix", FLOATS, "Matrix elements of the groups in a row"),
            Column("first_channel", INT32, "Number of the first channel in EBOUNDS: 1, or 0"),
            Column("e_min", DOUBLES, "Lower edges of the channels; NULL without EBOUNDS", "keV", "em.energy;stat.min"),
            Column("e_max", DOUBLES, "Upper edges of the channels; NULL without EBOUNDS", "keV", "em.energy;stat.max"),
            Column("n_channels", INT32, "DETCHANS", ucd="meta.number"),
            Column("lo_thres", FLOAT64, "LO_THRES: the file leaves out matrix elements below"),
            Column("includes_area", BOOL, "Whether the effective area is in the matrix: fold without an ARF"),
            Column("valid", BOOL, "False where the energy grid has gaps or the channels' energies are missing"),
        ),
        writing="content",
    ),
    Table(
        "product.light_curve",
        "One row per bin of a light curve product (lc3)",
        ("file_id", "row"),
        (
            FILE_ID,
            ROW,
            *_IDENTITY,
            Column("band", TEXT, "CSC band: b, u, s, m, h or w", ucd="em.bin"),
            Column("time_s", FLOAT64, "Time of the bin, mission seconds (TT)", "s", "time.epoch"),
            Column("count_rate", FLOAT64, "Count rate", "count/s", "arith.rate;phot.count"),
            Column("count_rate_err", FLOAT64, "Its error", "count/s", "stat.error;phot.count"),
            Column("minus_3sig", FLOAT64, "3-sigma lower limit", "count/s", "arith.rate;stat.min"),
            Column("plus_3sig", FLOAT64, "3-sigma upper limit", "count/s", "arith.rate;stat.max"),
            Column("background_rate", FLOAT64, "Count rate of the background region", "count/s", "arith.rate"),
            Column("background_rate_err", FLOAT64, "Its error", "count/s", "stat.error;phot.count"),
        ),
        order=("obsid", "region_id", "time_s"),
    ),
)
