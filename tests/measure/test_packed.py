from __future__ import annotations

import io
import math
import struct
import zipfile
from dataclasses import dataclass, fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lth.measure.curvature.spectrum import Spectrum
from lth.measure.curvature.trace import Trace
from lth.measure.distance import Distances, Travel
from lth.measure.interpolation import Interpolation
from lth.measure.kind.curvature import Size
from lth.measure.packed import Packed, PackedResultError, pack
from lth.measure.radius import BasinRadii

ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True)
NUMBERS = np.array([0.1, -0.0, 1e-310, np.inf, -np.inf, np.nan])
SPECTRUM = Spectrum(NUMBERS, 2 * NUMBERS, NUMBERS[::-1].copy(), 0.5, num_products=40, converged=False)
RESULTS = {
    "spectrum": SPECTRUM,
    "trace": Trace(0.5, NUMBERS * 3),
    "radii": BasinRadii(
        NUMBERS,
        NUMBERS + 1,
        np.array([True, False] * 3),
        cutoff=0.1 + 0.2,
        loss=5e-324,
        dimension=7,
        num_evaluations=99,
    ),
    "line": Interpolation(np.linspace(0, 1, 6), NUMBERS, NUMBERS / 3, NUMBERS / 7, NUMBERS / 9),
    "distances": Distances(("dense", "level 1", "m(1)⊙w(0)"), np.arange(9.0).reshape(3, 3), np.eye(3)),
    "travel": Travel(np.array([1, 2]), np.array([0.5, 2.0]), np.array([0.25, 1.0])),
    "size": Size(weight_norm=math.pi, dimension=242),
}


@dataclass(frozen=True)
class Scalars:
    """One of each field that is no array."""

    number: float
    count: int
    claim: bool
    text: str
    names: tuple[str, ...]


def same_bits(a: object, b: object) -> bool:
    """Return whether two fields are of one type and hold the same bits, NaNs included."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, float) and isinstance(b, float):
        return struct.pack("d", a) == struct.pack("d", b)
    return type(a) is type(b) and a == b


def assert_same(a: object, b: object) -> None:
    assert type(a) is type(b)
    for field in fields(a):
        assert same_bits(getattr(a, field.name), getattr(b, field.name)), field.name


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_is_read_back_bit_for_bit(name):
    stored = Packed(pack(RESULTS))
    assert_same(stored.read(type(RESULTS[name]), name), RESULTS[name])


@given(ANY_FLOAT, st.integers(-(2**63), 2**63 - 1), st.booleans(), st.text(st.characters(codec="utf-8")))
def test_numbers_booleans_and_texts_keep_type_and_bits(number, count, claim, text):
    if text.endswith("\0"):
        text += "."  # a fixed-width text ends at its trailing zeros; no name has any
    given = Scalars(number, count, claim, text, (text, "", "level 1"))
    assert_same(Packed(pack({"scalars": given})).read(Scalars, "scalars"), given)


@given(arrays(np.float64, st.integers(0, 20), elements=ANY_FLOAT))
def test_arrays_of_any_floats_keep_every_bit(samples):
    assert_same(Packed(pack({"trace": Trace(0.5, samples)})).read(Trace, "trace"), Trace(0.5, samples))


@pytest.mark.parametrize("names", [(), ("",), ("a",), ("a", "longer", "m′(2)⊙w(1)")])
def test_a_tuple_of_names_comes_back_as_one(names):
    given = Distances(names, np.zeros((len(names),) * 2), np.eye(len(names)))
    found = Packed(pack({"d": given})).read(Distances, "d")
    assert found.names == names
    assert all(type(name) is str for name in found.names)


def test_names_are_in_the_order_they_were_packed_in():
    assert Packed(pack(RESULTS)).names == tuple(RESULTS)
    assert Packed(pack(dict(reversed(RESULTS.items())))).names == tuple(reversed(RESULTS))
    assert Packed(pack({})).names == ()


@pytest.mark.parametrize(
    "name", ["level 3", "projection on level 3", "a/b", "a.b", "one_shot at level 13", "é⊙"]
)
def test_a_result_may_be_called_anything(name):
    other = Trace(0.5, np.array([7.0]))
    stored = Packed(pack({name: SPECTRUM, "a": other, f"{name}.x": other}))
    assert_same(stored.read(Spectrum, name), SPECTRUM)
    assert_same(stored.read(Trace, "a"), other)
    assert set(stored.names) == {name, "a", f"{name}.x"}


def test_packing_the_same_twice_gives_the_same_content():
    first, second = (Packed(pack(RESULTS)) for _ in range(2))
    for name, result in RESULTS.items():
        assert_same(first.read(type(result), name), second.read(type(result), name))


@pytest.mark.parametrize("value", [None, {"a": 1}, ("a", None), object()])
def test_a_field_that_needs_pickle_is_refused_before_it_is_written(value):
    with pytest.raises(TypeError, match=r"odd\.samples is neither an array, a number, a text nor a tuple"):
        pack({"odd": Trace(0.5, value)})


@pytest.mark.parametrize("keep", [0, 1, 30, 0.5, -1, -23])
def test_a_truncated_file_is_refused(keep):
    content = pack(RESULTS)
    length = int(keep * len(content)) if isinstance(keep, float) else keep
    with pytest.raises(PackedResultError, match=r"the results are damaged .*"):
        Packed(content[:length])


def test_a_flipped_bit_changes_no_number_unnoticed():
    """Each bit of the file in turn: what is read is what was packed, or there is the error for damage."""
    content = pack({"trace": RESULTS["trace"]})
    refused = 0
    for position in range(len(content)):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[position] ^= 1 << bit
            try:
                found = Packed(bytes(damaged)).read(Trace, "trace")
            except PackedResultError:
                refused += 1
            else:
                assert_same(found, RESULTS["trace"])
    assert refused > 0.5 * 8 * len(content)  # the rest are dates, versions and attributes that nobody reads


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04", b"\x93NUMPY\x01\x00"])
def test_bytes_that_are_no_archive_are_refused(content):
    with pytest.raises(PackedResultError, match="the results are damaged"):
        Packed(content)


def test_a_single_array_is_no_archive():
    content = io.BytesIO()
    np.save(content, np.arange(3))
    with pytest.raises(PackedResultError, match="the results are damaged"):
        Packed(content.getvalue())


class Explosive:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("code in the file was run",))


def test_a_pickled_object_is_refused_and_not_run():
    content = io.BytesIO()
    np.savez(content, **{"trace.samples": np.array([Explosive()], dtype=object)})
    with pytest.raises(PackedResultError, match="the results are damaged"):
        Packed(content.getvalue())


def test_an_archive_with_anything_but_arrays_is_refused():
    content = io.BytesIO(pack(RESULTS))
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr("notes.txt", "hello")
    with pytest.raises(PackedResultError, match="a member is no array"):
        Packed(content.getvalue())


def test_a_missing_result_is_named_with_its_kind():
    with pytest.raises(PackedResultError, match="second lacks inside, samples of a Trace"):
        Packed(pack(RESULTS)).read(Trace, "second")


def test_a_missing_field_is_named():
    content = io.BytesIO()
    np.savez(content, **{"spectrum.eigenvalues": NUMBERS, "spectrum.num_products": 3})
    with pytest.raises(
        PackedResultError, match=r"spectrum lacks converged, noise, residuals, upper of a Spectrum"
    ):
        Packed(content.getvalue()).read(Spectrum, "spectrum")


def test_a_result_of_another_kind_is_refused():
    with pytest.raises(PackedResultError, match=r"trace lacks .* of a Spectrum"):
        Packed(pack(RESULTS)).read(Spectrum, "trace")


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [("weight_norm", np.zeros(3), "float"), ("dimension", np.array([1]), "int")],
)
def test_an_array_where_a_number_belongs_is_refused(field, value, expected):
    content = io.BytesIO()
    np.savez(content, **{"size.weight_norm": 1.0, "size.dimension": 2, f"size.{field}": value})
    with pytest.raises(PackedResultError, match=f"size.{field} has shape .* where a {expected} is expected"):
        Packed(content.getvalue()).read(Size, "size")


def test_a_text_where_a_tuple_belongs_is_refused():
    content = io.BytesIO()
    np.savez(content, **{"d.names": "dense", "d.euclidean": np.zeros((1, 1)), "d.cosine": np.ones((1, 1))})
    with pytest.raises(PackedResultError, match=r"d\.names has shape \(\) where a tuple\[str, \.\.\.\]"):
        Packed(content.getvalue()).read(Distances, "d")


def test_a_field_that_was_not_stored_yet_has_its_default():
    content = io.BytesIO()
    former = {name: value for name, value in vars(SPECTRUM).items() if name != "failure_probability"}
    np.savez_compressed(content, **{f"spectrum.{name}": np.asarray(value) for name, value in former.items()})
    found = Packed(content.getvalue()).read(Spectrum, "spectrum")
    assert np.isnan(found.failure_probability)
    assert np.array_equal(found.upper, SPECTRUM.upper, equal_nan=True)
