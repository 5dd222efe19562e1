"""FITS tables against astropy: every column of every kind, synthetic and real."""

from __future__ import annotations

import gzip
import io
import tracemalloc
import warnings

import numpy as np
import pytest
from astropy.io import fits
from factories.fits import events_file, random_events, to_bytes

from catalog.errors import UnreadableFile
from ingest.fits import HDU, null_mask, parse_header, read_hdus
from ingest.fits.header import integer


def tables(data):
    """Every HDU with its table, read whole, as the program sees it."""
    return [(hdu, hdu.table() if hdu.is_table else None) for hdu in read_hdus(io.BytesIO(data))]


def assert_same_as_astropy(data):
    """Headers and columns equal astropy's, bit for bit; returns how many columns were compared."""
    n = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(io.BytesIO(data), disable_image_compression=True, uint=True) as theirs:
            ours = tables(data)
            assert len(ours) == len(theirs)
            for (hdu, table), other in zip(ours, theirs, strict=True):
                assert_same_header(hdu.header, other.header)
                for f, column in zip(hdu.fields, other.columns, strict=True) if table is not None else ():
                    assert_same_column(f, table[f.name], other.data.field(column.name))
                    n += 1
    return n


def assert_same_header(ours, theirs):
    said = [k for k in theirs if k not in {"COMMENT", "HISTORY", ""}]
    assert set(ours) - {"COMMENT"} == set(said)
    for key in said:
        value = theirs[key]
        expected = None if isinstance(value, fits.card.Undefined) else value
        assert ours[key] == (expected.rstrip() if isinstance(expected, str) else expected), key


def assert_same_column(f, ours, theirs):
    if isinstance(ours, list):
        for a, b in zip(ours, theirs, strict=True):
            if f.element == "A":
                assert "".join(a) == "".join(b).strip()
            elif f.element == "X":
                assert np.array_equal(np.unpackbits(a)[: len(b)].astype(bool), b)
            else:
                assert np.array_equal(a, np.asarray(b), equal_nan=f.element in "EDCM")
    elif f.code == "X":
        bits = np.unpackbits(ours, axis=1)[:, : f.repeat].astype(bool)
        assert np.array_equal(bits, np.asarray(theirs).reshape(bits.shape))
    elif f.code == "A":
        assert [str(text).strip() for text in np.ravel(theirs)] == list(np.ravel(ours))
    elif f.code == "L":
        assert np.array_equal(ours == 1, np.asarray(theirs))
    else:
        other = np.asarray(theirs)
        assert np.array_equal(ours.reshape(other.shape), other, equal_nan=ours.dtype.kind in "fc")
        assert ours.dtype == (np.int8 if (f.code, f.zero) == ("B", -128) else other.dtype.newbyteorder("="))
        assert ours.dtype.isnative


RNG = np.random.default_rng(3)
N = 7
BITS = RNG.integers(0, 2, (N, 32)).astype(bool)


def floats(*shape):
    values = RNG.normal(0, 1e3, shape)
    values.flat[0] = np.nan
    return values


FIXED = {
    "L": fits.Column("c", "L", array=BITS[:, 0]),
    "3L": fits.Column("c", "3L", array=BITS[:, :3]),
    "B": fits.Column("c", "B", array=np.arange(N, dtype="u1")),
    "I": fits.Column("c", "I", array=np.arange(-3, N - 3, dtype="i2"), null=-1),
    "J": fits.Column("c", "1J", array=np.array([-(2**31), 2**31 - 1, 0, 1, -1, 7, 9], "i4")),
    "K": fits.Column("c", "K", array=np.array([-(2**63), 2**63 - 1, 2**53 + 1, 0, 1, -1, 7])),
    "E": fits.Column("c", "E", array=floats(N).astype("f4")),
    "D": fits.Column("c", "D", array=floats(N)),
    "4D": fits.Column("c", "4D", array=floats(N, 4)),
    "6J with TDIM": fits.Column("c", "6J", dim="(2,3)", array=RNG.integers(0, 99, (N, 3, 2)).astype("i4")),
    "C": fits.Column("c", "C", array=(floats(N) + 1j * floats(N)).astype("c8")),
    "M": fits.Column("c", "M", array=floats(N) + 1j * floats(N)),
    "8A": fits.Column("c", "8A", array=np.array(["M 82", "", "x" * 8, "a b", "'", "&", "Z"])),
    "6A with TDIM": fits.Column("c", "6A", dim="(3,2)", array=np.array([["abc", "de"]] * N)),
    "32X": fits.Column("c", "32X", array=BITS),
    "11X": fits.Column("c", "11X", array=BITS[:, :11]),
    "1X": fits.Column("c", "1X", array=BITS[:, :1]),
    "0D": fits.Column("c", "0D", array=np.empty((N, 0))),
    "int8": fits.Column("c", "B", bzero=-128, array=np.arange(-3, N - 3, dtype="i1")),
    "uint16": fits.Column("c", "I", bzero=2**15, array=np.array([0, 1, 2**15, 2**16 - 1, 5, 6, 7], "u2")),
    "uint32": fits.Column("c", "J", bzero=2**31, array=np.array([0, 1, 2**31, 2**32 - 1, 5, 6, 7], "u4")),
    "uint64": fits.Column("c", "K", bzero=2**63, array=np.array([0, 1, 2**63, 2**64 - 1, 2**53 + 1, 6, 7], "u8")),
}


@pytest.mark.parametrize("name", FIXED)
def test_a_column_of_each_format_equals_astropys(name):
    data = to_bytes([fits.BinTableHDU.from_columns([fits.Column("before", "3A", array=["abc"] * N), FIXED[name]])])
    assert assert_same_as_astropy(data) == 2


@pytest.mark.parametrize("form", ["B", "I", "J", "K", "E", "D", "3I", "3D"])
@pytest.mark.parametrize("scaling", [(0.5, 10.0), (1.0, 7.0), (1.0, 0.25), (-2.0, 0.0)])
def test_scaled_columns_have_astropys_values(form, scaling):
    hdu = fits.BinTableHDU.from_columns([fits.Column("c", form, array=np.arange(1, N * 3 + 1).reshape(N, 3)[:, 0])])
    if form.startswith("3"):
        hdu = fits.BinTableHDU.from_columns([fits.Column("c", form, array=np.arange(N * 3).reshape(N, 3))])
    hdu.header["TSCAL1"], hdu.header["TZERO1"] = scaling
    data = to_bytes([hdu])
    ours = tables(data)[1][1]["c"]
    with fits.open(io.BytesIO(data), uint=False) as theirs:  # with uint, astropy 8 fails on a scaled K
        assert np.array_equal(ours, theirs[1].data["c"])
    assert ours.dtype == (np.int64 if form[-1] in "BIJ" and scaling == (1.0, 7.0) else np.float64)


@pytest.mark.parametrize("name", [name for name in FIXED if name != "0D"])
def test_chunks_give_the_same_as_the_whole_table(name):
    data = to_bytes([fits.BinTableHDU.from_columns([FIXED[name], fits.Column("after", "D", array=np.arange(N))])])
    whole = tables(data)[1][1]["c"]
    for n_rows in (1, 3, N, 100):
        chunks = [c for hdu in read_hdus(io.BytesIO(data)) if hdu.index for c in hdu.chunks({"k": "c"}, n_rows)]
        assert [len(c["k"]) for c in chunks] == [min(n_rows, N - i) for i in range(0, N, n_rows)]
        joined = np.concatenate([c["k"] for c in chunks])
        assert joined.dtype == whole.dtype
        assert np.array_equal(joined, whole, equal_nan=whole.dtype.kind in "fc")


VARIABLE = {
    "PB": np.uint8, "PI": np.int16, "PJ": np.int32, "QK": np.int64, "PE": np.float32, "QD": np.float64,
    "PC": np.complex64, "PM": np.complex128, "PL": np.bool_,
}  # fmt: skip


@pytest.mark.parametrize("form", VARIABLE)
def test_a_variable_length_column_of_each_type_equals_astropys(form):
    rows = [RNG.integers(0, 2, n).astype(VARIABLE[form]) for n in (0, 3, 1, 40)]
    column = fits.Column("c", f"{form}()", array=np.array([*rows, None], object)[:-1])
    assert assert_same_as_astropy(to_bytes([fits.BinTableHDU.from_columns([column])])) == 1


def test_a_variable_length_column_of_text_and_of_bits():
    text = fits.Column("c", "PA()", array=np.array(["M 82", "", "NGC 1275"], object))
    assert [list(a) for a in tables(to_bytes([fits.BinTableHDU.from_columns([text])]))[1][1]["c"]] == [
        ["M 82"], [], ["NGC 1275"],
    ]  # fmt: skip
    data = to_bytes(
        [fits.BinTableHDU.from_columns([fits.Column("c", "PB()", array=np.array([[255], [3, 4]], object))])]
    )
    bits = data.replace(b"'PB(2)   '", b"'PX(9)   '")
    (first, second) = tables(bits)[1][1]["c"]
    assert (first.tolist(), second.tolist()) == ([255], [3])  # 1 bit and 2 bits, a byte each


def test_scaled_integers_know_their_null():
    column = fits.Column("c", "I", null=-99, array=np.array([-99, 1, 2], "i2"))
    hdu = fits.BinTableHDU.from_columns([column])
    hdu.header["TSCAL1"], hdu.header["TZERO1"] = 0.5, 1.0
    values = tables(to_bytes([hdu]))[1][1]["c"]
    assert values.tolist()[1:] == [1.5, 2.0]
    assert null_mask(values).tolist() == [True, False, False]


def test_unsigned_integers_know_their_null():
    column = fits.Column("c", "J", bzero=2**31, null=5, array=np.array([2**31 + 5, 1, 2**32 - 1], "u4"))
    (_, (hdu, table)) = tables(to_bytes([fits.BinTableHDU.from_columns([column])]))
    assert table["c"].dtype == np.uint32
    assert null_mask(table["c"], hdu.fields[0]).tolist() == [True, False, False]


def test_of_columns_with_one_name_the_first_counts():
    hdu = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1]), fits.Column("b", "J", array=[2])])
    data = to_bytes([hdu]).replace(b"TTYPE2  = 'b", b"TTYPE2  = 'a")
    assert tables(data)[1][1]["a"].tolist() == [1]


def test_what_is_no_binary_table_is_passed_over():
    image = fits.ImageHDU(np.arange(100, dtype=np.int16).reshape(10, 10))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compressed = fits.CompImageHDU(np.arange(10_000, dtype=np.int16).reshape(100, 100))
    text = fits.TableHDU.from_columns([fits.Column("c", "I6", ascii=True, array=np.arange(4))])
    table = fits.BinTableHDU.from_columns([FIXED["D"]], name="LAST")
    read = [(hdu.name, hdu.is_table) for hdu in read_hdus(io.BytesIO(to_bytes([image, compressed, text, table])))]
    assert [is_table for _, is_table in read] == [False, False, False, False, True]
    assert read[-1][0] == "LAST"


def test_random_groups_are_passed_over():
    header = fits.Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 3), ("NAXIS1", 0), ("NAXIS2", 5), ("NAXIS3", 7)])
    header.update({"GROUPS": True, "PCOUNT": 2, "GCOUNT": 30})
    size = 4 * 30 * (2 + 5 * 7)
    data = header.tostring().encode() + b"\1" * size + b"\0" * (-size % 2880)
    data += to_bytes([fits.BinTableHDU.from_columns([FIXED["D"]], name="LAST")])[2880:]
    assert [(hdu.name, hdu.size) for hdu in read_hdus(io.BytesIO(data))] == [("", size), ("LAST", 8 * N)]


def test_header_cards_of_every_kind():
    header = fits.Header()
    header["TEXT"] = "it's / no comment"
    header["LONG"] = "x" * 300
    header["NOTHING"] = None
    header["EMPTY"] = ""
    header["YES"], header["NO"] = True, False
    header["BIG"], header["TINY"] = 2**62, -1.5e-300
    header["HIERARCH ESO long keyword"] = 3
    header["COMMENT"] = "END     is no end here"
    data = to_bytes([fits.BinTableHDU.from_columns([FIXED["D"]], header=header)])
    ours = tables(data)[1][0].header
    assert ours["TEXT"] == "it's / no comment"
    assert ours["LONG"] == "x" * 300
    assert (ours["NOTHING"], ours["EMPTY"]) == (None, "")
    assert (ours["YES"], ours["NO"], ours["BIG"], ours["TINY"]) == (True, False, 2**62, -1.5e-300)
    assert ours["ESO LONG KEYWORD"] == 3
    assert parse_header(b"A       = 1.5D3".ljust(80) + b"B       = 'open".ljust(80)) == {"A": 1500.0, "B": None}


def test_the_last_padding_may_be_missing():
    data = events_file(n=3)
    unpadded = data[: len(data) - 2880 + 16]  # one interval of two times
    assert tables(unpadded)[-1][1]["STOP"].tolist() == tables(data)[-1][1]["STOP"].tolist()


def test_padding_and_blank_blocks_at_the_end_are_accepted():
    assert len(tables(events_file(n=3) + b"\0" * 10_000)) == len(tables(events_file(n=3) + b" \n")) == 3


@pytest.mark.parametrize("cut", [100, 2880 + 100, 2 * 2880 + 1000, -2880, -5000])
def test_a_truncated_file_is_refused(cut):
    with pytest.raises(UnreadableFile, match=r"truncated|begins"):
        tables(events_file(n=300)[:cut])


def test_what_follows_the_last_extension_is_not_ignored():
    damaged = events_file(n=3).replace(b"XTENSION= 'BINTABLE'", b"YTENSION= 'BINTABLE'")
    with pytest.raises(UnreadableFile, match="HDU 1 or the file's end"):
        tables(damaged)


@pytest.mark.parametrize(
    ("card", "value"),
    [
        ("NAXIS1", 10**12), ("NAXIS1", 0), ("NAXIS1", -8), ("NAXIS1", 8.0), ("NAXIS2", -1), ("NAXIS2", 10**18),
        ("PCOUNT", 10**15), ("PCOUNT", -1), ("GCOUNT", 0), ("GCOUNT", 7), ("BITPIX", 16), ("BITPIX", 9),
        ("NAXIS", 3), ("NAXIS", 0), ("NAXIS", 10**9), ("TFIELDS", 10**9), ("TFIELDS", -1), ("TFORM1", "Z"),
        ("TFORM1", "999999999999D"), ("TFORM1", "2PE"), ("TFORM1", "PQ"), ("TFORM1", 5), ("TZERO1", "x"),
        ("ZTABLE", True), ("TSCAL1", "one"),
    ],
)  # fmt: skip
def test_a_damaged_keyword_is_refused_in_little_memory(card, value):
    header = fits.BinTableHDU.from_columns([fits.Column("time", "D", array=np.arange(9.0))]).header
    header[card] = value
    data = fits.PrimaryHDU().header.tostring().encode() + header.tostring().encode() + b"\0" * 2880
    tracemalloc.start()
    with pytest.raises(UnreadableFile):
        tables(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize(
    ("descriptor", "expected"),
    [((3, 10**6), "lie in the heap"), ((2**31 - 1, 0), "lie in the heap"), ((-1, 0), "lie in"), ((1, -4), "lie in")],
)
def test_a_row_outside_the_heap_is_refused(descriptor, expected):
    rows = np.array([[1.0], [2.0, 3.0]], object)
    hdu = fits.BinTableHDU.from_columns([fits.Column("c", "PE()", array=rows)])
    data = bytearray(to_bytes([hdu]))
    start = data.index(np.array([1, 0, 2, 4], ">i4").tobytes())
    data[start : start + 8] = np.array(descriptor, ">i4").tobytes()
    with pytest.raises(UnreadableFile, match=expected):
        tables(bytes(data))


def test_rows_that_share_the_heap_over_and_over_are_refused():
    n, length = 2000, 50_000
    hdu = fits.BinTableHDU.from_columns([fits.Column("c", "PE()", array=np.array([np.ones(length), [1]], object))])
    head = hdu.header
    head["NAXIS2"], head["PCOUNT"] = n, 4 * length
    body = np.tile(np.array([length, 0], ">i4"), n).tobytes() + b"\0" * (4 * length)
    data = fits.PrimaryHDU().header.tostring().encode() + head.tostring().encode() + body
    with pytest.raises(UnreadableFile, match="overlap"):
        tables(data)


def test_only_what_is_asked_for_is_read_and_everything_passes_through():
    data = events_file(n=50) + b"\0" * 5000
    stream = io.BytesIO(data)
    assert [hdu.name for hdu in read_hdus(stream)] == ["", "EVENTS", "GTI"]
    assert stream.tell() == len(data)


class Trickle(io.RawIOBase):
    """A stream that gives less than it is asked for, as sockets and decompressors do."""

    def __init__(self, data):
        self._inner = io.BytesIO(data)

    def read(self, size=-1, /):
        return self._inner.read(min(size, 1000))


def test_a_stream_may_give_less_than_it_is_asked_for():
    events = random_events(500)
    read = [hdu.table()["time"] for hdu in read_hdus(Trickle(events_file(events))) if hdu.name == "EVENTS"]
    assert np.array_equal(read[0], events["time"])


def test_an_integer_keyword_is_no_boolean():
    with pytest.raises(UnreadableFile, match="NAXIS1"):
        integer({"NAXIS1": True}, "NAXIS1")
    assert HDU(0, {"A": True, "B": 10**400}, 0, io.BytesIO()).number("A") is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0.0),
        (" 50814.0 ", 50814.0),
        ("1.5D-14", 1.5e-14),
        ("M 82", None),
        ("", None),
        ("9" * 400, None),
        ("٣", None),
    ],
)
def test_a_number_written_as_a_text_is_a_number(value, expected):
    assert HDU(0, {"A": value}, 0, io.BytesIO()).number("A") == expected


def test_the_least_channel_may_be_a_text():
    hdu = fits.BinTableHDU.from_columns([fits.Column("c", "I", array=[1, 2])])
    hdu.header["TLMIN1"], hdu.header["TNULL1"] = "0", "-99"
    (table,) = [h for h in read_hdus(io.BytesIO(to_bytes([hdu]))) if h.is_table]
    assert (table.fields[0].minimum, table.fields[0].null) == (0, -99)


@pytest.mark.parametrize("form", ["L", "3L", "PL()"])
def test_a_logical_that_is_neither_true_nor_false_is_null(form):
    n = {"L": 1, "3L": 3, "PL()": 3}[form]
    cells = np.array([[True] * n, [False] * n, [True] * n])
    array = np.array([*cells, None], object)[:-1] if form == "PL()" else cells[:, 0] if n == 1 else cells
    data = to_bytes([fits.BinTableHDU.from_columns([fits.Column("c", form, array=array)])])
    last = data.rindex(b"T" * n)
    data = data[:last] + b"\0" + data[last + 1 :]
    hdu, table = tables(data)[1]
    read = np.array([np.ravel(row) for row in table["c"]])
    assert read.tolist() == [[1] * n, [0] * n, [-1, *[1] * (n - 1)]]
    assert null_mask(read, hdu.fields[0]).sum() == 1


def test_what_a_file_observes_may_stand_in_the_primary_header_alone():
    hdu = fits.BinTableHDU.from_columns([fits.Column("c", "I", array=[1])])
    hdu.header["OBJECT"] = "M 82"
    primary = fits.PrimaryHDU()
    primary.header["OBJECT"], primary.header["TELESCOP"], primary.header["MJDREFI"] = "M 81", "XMM", 50814
    stream = io.BytesIO()
    fits.HDUList([primary, hdu]).writeto(stream)
    _, table = read_hdus(io.BytesIO(stream.getvalue()))
    assert [table.observed(k) for k in ("OBJECT", "TELESCOP", "OBS_ID")] == ["M 82", "XMM", None]
    assert (table.observed_number("MJDREFI"), table.number("MJDREFI")) == (50814.0, None)


@pytest.mark.real
def test_every_column_of_every_real_file_equals_astropys(real):
    n = 0
    for path in sorted(real.rglob("*")):
        if not path.name.endswith((".fits", ".fits.gz", ".pi", ".arf", ".rmf")) or path.stat().st_size < 2880:
            continue
        data = path.read_bytes()
        n += assert_same_as_astropy(gzip.decompress(data) if path.suffix == ".gz" else data)
    assert n > 600
