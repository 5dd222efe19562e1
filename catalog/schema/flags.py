"""What the flags of a file mean: the one home of each flag's word and its explanation.

A reader flags what a user should know of a file that was loaded all the same: in `meta.file.flags`, once per file. A
flag is a word that is explained here, often with details behind a colon ('columns_not_kept: grade, status'), or else
a sentence that explains itself.
"""

from __future__ import annotations

import re

FLAGS: dict[str, str] = {
    # what a file is
    "not_chandra": "It is of another mission, which `mission` names in product.header and product.response_file. Its "
    "OBS_ID is no Chandra ObsID: obsid is NULL, and obs_id has the text.",
    "no_obsid": "No ObsID is known: the header has none, or the file is merged from several observations.",
    "columns_not_kept": "These columns of the file are not in the store.",
    "tables_not_kept": "These tables of the file are not in the store: a file is loaded as one kind.",
    "correction_not_used": "The header names a correction file (CORRFILE), which is not used.",
    # units
    "unit_assumed": "These columns have no unit; the unit in brackets was assumed, which is the format's usual one.",
    "unknown_unit": "These columns have a unit that cannot be converted to the store's: their values are NULL.",
    # times
    "no_time": "The photons have no time.",
    "null_time": "Some times are NULL.",
    "unsorted_time": "The photons are not in order of time.",
    "time_shifted": "The times are not Chandra's mission seconds (MJDREF, TIMEZERO or the unit); they were converted.",
    "no_time_reference": "The file of another mission does not say from when its times count (MJDREF): they are NULL.",
    "timesys_*": "The times are in this time system (TIMESYS), not in TT; they stand as they are.",
    "no_good_times": "The file has no good times; the span from the first photon to the last counts as good.",
    "bad_good_times": "Some good times could not be used: no START or STOP, not finite, or a stop before the start.",
    "repeated_good_times": "Some good times stand in the file more than once; each counts once.",
    "overlapping_good_times": "Good times of one CCD overlap; no second counts twice.",
    "exposure_exceeds_span": "EXPOSURE is longer than the file's own good times or its TSTART to TSTOP allow: the file "
    "was probably cut, and the keyword left as it was. Rates from exposure_s would be too low.",
    # places
    "no_sky_position": "The photons have no x and y.",
    "no_sky_wcs": "The header does not tie x and y to the sky: no position can be found in the file.",
    "radesys_*": "The positions are in this frame (RADESYS), not in ICRS; they stand as they are.",
    "region_not_read": "The region uses this shape or frame, which is not read: that region is not in the store.",
    # photons
    "no_events": "The file has no photons.",
    "no_energy": "The photons have no energy.",
    "energy_from_pi": "The file has no energies; they are the middles of the PI channels, 14.6 eV wide.",
    "no_pi": "The photons have no PI channel.",
    "pi_0_is_null": "PI of 0 stands for NULL in the store, also where 0 is a channel (HRC).",
    "several_event_tables": "The file has several tables of events: the photons of all are loaded in turn.",
    "bad_*": "Some values of this column are no whole numbers of the store's type: they are NULL.",
    "rounded_*": "Some values of this column were rounded to single precision, or were too large for it and are NULL.",
    "events_capped": "The file holds only some of the photons that were observed: rates would be too low.",
    # spectra
    "rate_only": "The spectrum has a rate per channel and no counts: Poisson statistics cannot be used.",
    "non_integer_counts": "COUNTS are no whole numbers (background subtracted, or weighted): they are kept as a rate.",
    "negative_counts": "Some counts are below zero.",
    "null_counts": "Some channels have no counts (NULL).",
    "no_exposure": "The spectrum has no EXPOSURE above zero.",
    "no_backscal": "The spectrum has no BACKSCAL above zero: a background cannot be scaled to it.",
    "backscal_varies": "BACKSCAL differs between channels; its mean is kept.",
    "areascal_varies": "AREASCAL differs between channels; its mean is kept.",
    "no_channel_column": "The spectrum has no CHANNEL column: its rows are taken as the channels, in order.",
    "channels_filled": "The table leaves out channels; they are filled in without counts.",
    "detchans_differs": "DETCHANS is not the number of channels that the table has.",
    "background_in_file": "The background stands in the same file, though BACKFILE names another.",
    "background_channels_differ": "The background has not as many channels as the spectrum.",
    "background_not_counts": "The background columns are neither whole counts nor a rate: they are NULL.",
    # responses
    "no_ebounds": "The matrix has no EBOUNDS: the energies of its channels are NULL.",
    "ebounds_channel_ignored": "The channel numbers of EBOUNDS repeat or are not whole: its rows are the channels.",
    "first_channel_assumed": "F_CHAN has no TLMIN: its channels are counted from the first of EBOUNDS, else from 0 or "
    "1 by what the column holds.",
    "first_channel_differs": "TLMIN of F_CHAN and the first channel of EBOUNDS differ; TLMIN counts for F_CHAN, "
    "unless its groups would not fit.",
    "energy_gaps": "The energy bins leave gaps or overlap: the response is not valid.",
    "null_areas": "Some effective areas are missing (NULL): the response is not valid.",
    "negative_areas": "Some effective areas are below zero: the response is not valid.",
    "null_matrix": "Some elements of the matrix are missing (NULL): the response is not valid.",
    "rmf_includes_area": "The matrix includes the effective area: fold with it alone, without an ARF.",
    "rmf_row_sum_above_one": "Rows of the matrix add up to more than one: the area may be in it without a word.",
    "matrices_added": "The file has several matrices for the same spectrum: their sum is what it is linked with.",
    "several_matrices": "The file has several matrices that are not for the same spectrum: each stands by itself.",
    # light curves
    "no_band": "The energy band of the light curve is not known.",
    "no_bins": "The light curve has no bins.",
    "no_background": "The light curve has no background.",
    "background_bins_differ": "The background's bins are not those of the light curve: its rates are NULL.",
    "several_light_curves": "The file has several light curves; the first is loaded.",
    # tables
    "truncated": "The service stopped before the last row (OVERFLOW): there are more rows than these.",
}
"""The word of a flag -> what it means, in sentences. A word that ends with '*' stands for all that begin so."""

QUIET = frozenset({"columns_not_kept", "tables_not_kept"})
"""Flags of nearly every file: `ingest` sums them up instead of naming each file."""

_WORD = re.compile(r"[a-z0-9_]+")


def word_of(flag: str) -> str:
    """Return a flag's word, without its details.

    Examples
    --------
    >>> word_of("columns_not_kept: grade, status"), word_of("timesys_utc")
    ('columns_not_kept', 'timesys_utc')
    """
    return flag.partition(":")[0]


def meaning(flag: str) -> str | None:
    """Return what a flag means.

    Parameters
    ----------
    flag : str
        As in `meta.file.flags`, with or without details.

    Returns
    -------
    str or None
        Sentences; an empty text for a flag that is a sentence itself; None for a word that nobody has explained.

    Examples
    --------
    >>> meaning("no_events"), meaning("rows left out, without a bibcode: 3"), meaning("colour_unknown")
    ('The file has no photons.', '', None)
    """
    word = word_of(flag)
    if not _WORD.fullmatch(word):
        return ""
    if word in FLAGS:
        return FLAGS[word]
    families = (known for known in FLAGS if known.endswith("*") and word.startswith(known[:-1]))
    return next((FLAGS[known] for known in families), None)
