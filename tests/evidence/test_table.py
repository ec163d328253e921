import csv
import io
import math
import struct

import numpy as np
import pytest

from lth.report.exhibit import Table


def read(table):
    return list(csv.reader(io.StringIO(table.csv())))


def test_floats_read_back_from_csv_bit_by_bit():
    values = [0.1 + 0.2, 1 / 3, 5e-324, -0.0, 1.7976931348623157e308, 2.0**-1074 * 3, math.inf, -math.inf, 1e22]
    _, *rows = read(Table(("value",), tuple((value,) for value in values)))
    assert [struct.pack("d", float(text)) for (text,) in rows] == [struct.pack("d", value) for value in values]


def test_not_a_number_stays_one_in_csv():
    assert math.isnan(float(read(Table(("a",), ((math.nan,),)))[1][0]))


def test_numpy_floats_are_written_as_numbers():
    assert Table(("a",), ((np.float64(0.25),),)).csv() == "a\n0.25\n"


def test_none_is_an_empty_cell_and_text_is_quoted():
    table = Table(("a", "b, c"), ((None, 'say "w"'), (3, "two\nlines")))
    assert table.csv() == 'a,"b, c"\n,"say ""w"""\n3,"two\nlines"\n'
    assert read(table) == [["a", "b, c"], ["", 'say "w"'], ["3", "two\nlines"]]


def test_markdown_rounds_floats_and_keeps_counts_whole():
    table = Table(("L", "x", "y"), ((123456, 0.123456, None), (2, 409.2421, "a|b")))
    assert table.markdown().splitlines() == [
        "| L | x | y |",
        "| --- | --- | --- |",
        "| 123456 | 0.1235 | – |",
        "| 2 | 409.2 | a\\|b |",
    ]


def test_a_row_of_another_width_is_refused():
    with pytest.raises(ValueError, match="1 cells under 2 headings"):
        Table(("a", "b"), ((1,),))
