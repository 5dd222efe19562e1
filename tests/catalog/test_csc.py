"""The catalog's columns: complete, of one spelling, with units and UCDs that the standards know."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest
from astropy import units
from astropy.io.votable.ucd import parse_ucd

from catalog.formats.astropy_table import parse_unit
from catalog.formats.votable import vounit
from catalog.schema import TABLES
from catalog.schema.columns import BOOL, INT32
from catalog.schema.csc import CSC
from sql.objects import OBJECTS

MASTER, OBSERVATION = TABLES["csc.master_source"], TABLES["csc.observation_source"]


def test_all_columns_that_users_type_are_there():
    master = "name ra dec err_ellipse_r0 err_ellipse_r1 err_ellipse_ang significance likelihood likelihood_class"
    master += " flux_aper_b flux_aper_lolim_u flux_aper_hilim_w hard_hm hard_hs_lolim hard_ms_hilim var_intra_index_b"
    master += (
        " var_inter_index_b powlaw_gamma powlaw_nh_lolim powlaw_ampl powlaw_stat bb_kt brems_nh apec_kt apec_abund"
    )
    master += " apec_z nh_gal conf_flag extent_flag var_flag pileup_flag flux_aper90_avg_lolim_b photflux_aper90_s"
    master += " man_match_flag acis_time hrc_letg_num flux_apec_aper90_hilim_w var_inter_hard_sigma_hs kp_intra_prob_m"
    observation = (
        "detection_id obsid obi region_id name theta phi livetime gti_start gti_stop gti_mjd_obs detect_stack_id"
    )
    observation += (
        " flux_significance_b src_cnts_aper_b src_cnts_aper90_lolim_b cnts_aper_b src_rate_aper_hilim_w hard_hs"
    )
    observation += " var_prob_b var_index_s var_sigma_m var_mean_h var_min_u var_max_w ks_prob_b kp_prob_b powlaw_gamma"
    observation += " instrument detector grating datamode conf_code edge_code multi_chip_code pileup_warning match_type"
    observation += " sat_src_flag streak_src_flag dither_warning_flag mjr_axis_raw_b psf_frac_aper90_h flux_aper_b"
    assert set(master.split()) <= set(MASTER.column_names)
    assert set(observation.split()) <= set(OBSERVATION.column_names)


def test_tables_are_merged_by_key_and_remember_release_extra_and_files():
    for table in (MASTER, OBSERVATION):
        assert table.writing == "merge"
        assert table.column_names[-3:] == ("release", "extra", "file_ids")
    assert (MASTER.key, OBSERVATION.key) == (("name",), ("detection_id",))


def test_flags_are_boolean_and_codes_and_indices_whole():
    for table in (MASTER, OBSERVATION):
        for column in table.columns:
            if column.name.endswith("_flag"):
                assert column.type == BOOL, column.name
            if re.search(r"_code$|_index_[bhmsuw]$|^cnts_aper", column.name):
                assert column.type == INT32, column.name


@pytest.mark.parametrize("table", CSC, ids=lambda t: t.full_name)
def test_columns_are_described(table):
    for column in table.columns:
        assert column.description
        assert not column.description.endswith(".")


def test_all_units_can_be_declared_as_vounits_and_all_ucds_are_known_words():
    described = [(t.full_name, c) for t in TABLES.values() for c in t.columns]
    described += [(o.full_name, c) for o in OBJECTS for c in (*o.columns, *o.parameters)]
    for name, column in described:
        declared = vounit(column.unit)
        assert bool(declared) == bool(column.unit), (name, column)
        if declared:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                assert units.Unit(declared, format="vounit") == parse_unit(column.unit), (name, column)
        if column.ucd:
            parse_ucd(column.ucd, check_controlled_vocabulary=True, has_colon=True)


@pytest.mark.real
def test_every_column_of_real_answers_is_known_with_its_unit(real: Path):
    """The service's own preamble says table, name and unit of 65 columns: each must be ours to the letter."""
    pattern = re.compile(r"^#Column\t(\S+)\t.*\((\w+)\.(\w+)\)\t\[\"(.*)\"\]", re.MULTILINE)
    ours = {"master_source": MASTER, "observation_source": OBSERVATION}
    n = 0
    for _, table, column, unit in pattern.findall((real / "tables" / "search_csc_source.tsv").read_text()):
        if table not in ours:
            continue
        found = ours[table].column(column if column in ours[table].column_names else column.removeprefix("obi_"))
        if unit:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*'erg' has been deprecated.*")
                warnings.filterwarnings("ignore", message=".*multiple slashes.*")
                theirs = units.Unit(unit.replace("^", "**"))
                assert units.Unit(found.unit, format="vounit") == theirs, column
        n += 1
    assert n > 60
