"""A result that can't be logged is kept whole, found again by its key, and never taken for another."""

import json
from pathlib import Path

import pytest

from lth.unsent import Unsent

KEY = "a" * 64


class Place:
    """A directory of unsent results, and what is said of them."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "unsent"
        self.source, self.target = directory / "source", directory / "target"
        (self.source / "folder").mkdir(parents=True)
        self.target.mkdir()
        (self.source / "one.bin").write_bytes(bytes(range(256)))
        (self.source / "folder" / "two.bin").write_bytes(b"two")
        self.said: list[str] = []
        self.unsent = self.result()

    def result(self, key: str = KEY, *, fresh: bool = False) -> Unsent:
        return Unsent(self.root, key, fresh=fresh, say=self.said.append)

    def keep(self, error: BaseException | None = None) -> None:
        with pytest.raises(type(error or RuntimeError())), self.unsent.rescuing(self.source, 12.5):
            raise error or RuntimeError("the store is away")

    def fetched(self) -> dict[str, bytes]:
        files = (path for path in self.target.rglob("*") if path.is_file())
        return {path.relative_to(self.target).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def place(tmp_path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize("error", [RuntimeError("away"), KeyboardInterrupt()], ids=["an error", "Ctrl-C"])
def test_a_result_that_is_not_logged_is_fetched_as_it_was(place, error):
    place.keep(error)
    assert "the same command, here, logs it" in place.said[0]
    assert place.unsent.fetch(place.target) == 12.5
    assert place.fetched() == {"one.bin": bytes(range(256)), "folder/two.bin": b"two"}


def test_a_result_that_is_logged_is_not_kept(place):
    with place.unsent.rescuing(place.source, 12.5):
        pass
    assert not place.root.exists()
    assert place.unsent.fetch(place.target) is None
    assert place.said == []


def test_a_second_attempt_that_fails_replaces_the_first(place):
    place.keep()
    (place.source / "one.bin").write_bytes(b"again")
    place.keep()
    place.unsent.fetch(place.target)
    assert place.fetched()["one.bin"] == b"again"
    assert [path.name for path in place.root.iterdir()] == [KEY]


def test_what_was_logged_is_removed_and_the_directory_with_the_last_of_it(place):
    place.keep()
    place.result("b" * 64).remove()
    assert place.root.exists()
    place.unsent.remove()
    assert not place.root.exists()
    place.unsent.remove()


def damage(place: Place, how: str) -> None:
    kept = place.root / KEY
    about = json.loads((kept / "about.json").read_text())
    if how == "a bit":
        content = bytearray((kept / "one.bin").read_bytes())
        content[7] ^= 1
        (kept / "one.bin").write_bytes(content)
    elif how == "its end":
        (kept / "one.bin").write_bytes(b"")
    elif how == "a file":
        (kept / "folder" / "two.bin").unlink()
    elif how == "its description":
        (kept / "about.json").unlink()
    elif how == "no JSON":
        (kept / "about.json").write_text("{")
    elif how == "another version":
        (kept / "about.json").write_text(json.dumps({**about, "version": 2}))
    elif how == "a list":
        (kept / "about.json").write_text("[]")
    else:
        (kept.parent / "outside").write_bytes(b"")
        files = {**about["files"], "../outside": "0" * 64}
        (kept / "about.json").write_text(json.dumps({**about, "files": files}))


@pytest.mark.parametrize(
    "how",
    ["a bit", "its end", "a file", "its description", "no JSON", "another version", "a list", "a path outside"],
)
def test_a_result_that_is_not_what_was_written_is_of_no_use_and_that_is_said(place, how):
    place.keep()
    damage(place, how)
    assert place.unsent.fetch(place.target) is None
    assert "it is computed again" in place.said[-1]


def test_where_it_cannot_be_kept_that_is_said_and_the_error_is_the_first_one(place):
    place.root.write_text("a file where the directory should be")
    with pytest.raises(RuntimeError, match="away"), place.unsent.rescuing(place.source, 1.0):
        raise RuntimeError("away")
    assert "nor kept in" in place.said[0]


def test_a_task_that_is_asked_for_anew_does_not_find_what_was_there_before(place):
    place.keep()
    assert place.result(fresh=True).fetch(place.target) is None
    assert place.result().fetch(place.target) == 12.5
    with pytest.raises(RuntimeError), place.result(fresh=True).rescuing(place.source, 3.0):
        raise RuntimeError
    assert place.result(fresh=True).fetch(place.target) == 3.0


def test_where_it_cannot_be_kept_nothing_half_is_left(place, monkeypatch):
    def full(*_arguments: object, **_named: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    place.keep()
    assert list(place.root.iterdir()) == []
