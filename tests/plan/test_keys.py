import pytest

from lth.plan.keys import content_key


def test_key_depends_on_content_and_not_on_its_order():
    assert content_key({"a": 1, "b": [1, 2]}) == content_key({"b": [1, 2], "a": 1})
    assert content_key({"a": 1}) != content_key({"a": 2})
    assert content_key({"a": 1}) != content_key({"a": "1"})
    assert len(content_key({})) == 64


def test_key_depends_on_the_version_of_the_algorithms(monkeypatch):
    before = content_key({"a": 1})
    monkeypatch.setattr("lth.plan.keys.ALGORITHM_VERSION", 10**6)
    assert content_key({"a": 1}) != before


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_json_cannot_write_raises(value):
    with pytest.raises(ValueError, match="JSON"):
        content_key({"a": value})


def test_an_object_json_cannot_write_raises():
    with pytest.raises(TypeError, match="JSON"):
        content_key({"a": object()})
