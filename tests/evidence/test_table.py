import csv
import io
import math
import struct

import numpy as np
import pytest

from lth.errors import InputError
from lth.evidence.table import Table, over_seeds, plus_minus, with_seeds


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


def seeds_of(*rows):
    return {seed: Table(("L", "value", "note"), (row,)) for seed, row in enumerate(rows)}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(1, 1.0, None), (1, 2.0, None), (1, 3.0, None)], (1, "2.0 ± 1.0", None)),
        ([(1, 5.0, None), (1, 5.0, "loose")], (1, 5.0, "seed 1: loose")),
        ([(2, None, None), (2, 4.0, None), (2, 4.5, None)], (2, "4.25 ± 0.35 of 2", None)),
        ([(2, None, None), (2, 4.0, None)], (2, "4 of 1", None)),
        ([(0, 97.2, "a"), (1, 97.4, "a")], ("0.50 ± 0.71", "97.30 ± 0.14", "a")),
        ([(1, math.inf, None), (1, 1.0, None)], (1, "not finite", None)),
    ],
)
def test_over_seeds_numbers_are_mean_and_deviation_and_texts_are_told(rows, expected):
    assert over_seeds(seeds_of(*rows)).rows == (expected,)


def test_tables_of_different_rows_are_not_put_together():
    one, two = Table(("a",), ((1,),)), Table(("a",), ((1,), (2,)))
    with pytest.raises(InputError, match="different rows"):
        over_seeds({0: one, 1: two})


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (12.3456, 0.0123, "12.346 ± 0.012"),
        (-0.5, 0.25, "-0.50 ± 0.25"),
        (3e8, 2e3, "3e+08 ± 2e+03"),
        (1.0, 1e-9, "1 ± 1e-09"),
        (7.0, 0.0, "7 ± 0"),
        (1.0, math.nan, "1 ± nan"),
    ],
)
def test_a_number_has_the_decimals_of_its_error(value, error, text):
    assert plus_minus(value, error) == text


def test_all_rows_of_all_seeds_can_be_in_one_table():
    table = with_seeds({7: Table(("a",), ((1,), (2,))), 9: Table(("a",), ((3,), (4,)))})
    assert table == Table(("seed", "a"), ((7, 1), (7, 2), (9, 3), (9, 4)))
