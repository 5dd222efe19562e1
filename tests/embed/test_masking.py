"""Masked texts state neither numbers, nor classes, nor the quantity in question; the rest stays."""

from __future__ import annotations

import re

import pytest

from embed.inputs.masking import QUANTITIES, masked, quantity_of

TELLING = {
    "hardness": "The source is heavily absorbed, very hard, with a photon index of 1.7 and kT = 2 keV.",
    "variability": "A flare was followed by an eclipse; the light curve varies with a period of 3.2 h.",
    "brightness": "It is the brightest source, with a flux of 8.5 x 10^-14 erg/cm^2/s at high significance.",
    "temperature": "The hot plasma has a temperature of 1.2 keV; a black body fits as well.",
}
NEUTRAL = "Integral-field data reveal ionised gas around the position of the object in the field."


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_what_states_the_quantity_is_gone(quantity):
    out = masked(TELLING[quantity], quantity)
    assert not re.search(r"\d", out)
    told = r"absorb|hard|index|kT|keV|flare|eclips|curve|vari|period|bright|flux|signific|hot|plasma|temperat|body|erg"
    assert not re.search(told, out, re.IGNORECASE), out


def test_classes_and_numbers_go_whatever_is_predicted():
    text = "Three pulsars, a CV and an AGN in 4 ks; the T Tauri star is a young stellar object."
    assert masked(text) == (
        "something something, a something and an something in #; the something something is a something."
    )


def test_the_rest_stays():
    assert masked(NEUTRAL, "hardness") == NEUTRAL
    assert masked("a polarised starlet", None) == "a polarised starlet"


@pytest.mark.parametrize("text", ["", "12", "-3.1e-5", "10^{39}", "1E 2259+586", "$\\sim$$4\\times10^{39}$ erg/s"])
def test_masking_twice_is_masking_once(text):
    assert masked(masked(text, "hardness"), "hardness") == masked(text, "hardness")


def test_columns_have_a_quantity():
    assert quantity_of("hard_hm") == "hardness"
    assert quantity_of("kp_prob_b") == "variability"
    assert quantity_of("src_cnts_aper_b") == "brightness"
