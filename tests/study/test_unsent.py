"""A result that can't be logged is kept whole, found again by its key, and never taken for another."""

import json
import os
import shutil
from pathlib import Path

import pytest

from lth.study.unsent import Unsent, forget

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

    def result(self, key: str = KEY, environment: str = "here", *, fresh: bool = False) -> Unsent:
        return Unsent(self.root, key, environment, fresh=fresh, say=self.said.append)

    def keep(self, error: BaseException | None = None, *, fresh: bool = False, complete: bool = True) -> None:
        error, result = error or RuntimeError("the store is away"), self.result(fresh=fresh)

        def work() -> None:
            with result.rescuing() as directory:
                shutil.copytree(self.source, directory, dirs_exist_ok=True)
                if complete:
                    result.complete(12.5)
                raise error

        with pytest.raises(type(error)):
            work()

    def fetch(self, environment: str = "here", *, fresh: bool = False) -> tuple[bytes, float] | None:
        result = self.result(environment=environment, fresh=fresh)
        return result.fetch(self.target, lambda directory: (directory / "one.bin").read_bytes())

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
    assert place.fetch() == (bytes(range(256)), 12.5)
    assert place.fetched() == {"one.bin": bytes(range(256)), "folder/two.bin": b"two"}


def test_a_result_that_is_logged_is_not_kept(place):
    with place.result().rescuing() as directory:
        (directory / "one.bin").write_bytes(b"one")
        place.result().complete(12.5)
    assert not place.root.exists()
    assert place.fetch() is None
    assert place.said == []


def test_what_is_not_complete_is_not_kept(place):
    place.keep(complete=False)
    assert not place.root.exists()
    assert place.said == []


def test_a_second_attempt_that_fails_replaces_the_first(place):
    place.keep()
    (place.source / "one.bin").write_bytes(b"again")
    place.keep()
    assert place.fetch() == (b"again", 12.5)
    assert [path.name for path in place.root.iterdir()] == [KEY]


@pytest.mark.parametrize("is_the_users", [False, True])
def test_what_was_logged_is_forgotten_and_our_own_directory_with_the_last_of_it(
    place, is_the_users, monkeypatch
):
    if not is_the_users:
        monkeypatch.setattr("lth.study.unsent.UNSENT", place.root)
    place.keep()
    forget(place.root, "b" * 64, fresh=False)
    forget(place.root, KEY, fresh=True)
    assert place.fetch() is not None
    forget(place.root, KEY, fresh=False)
    assert place.fetch() is None
    assert place.root.exists() == is_the_users
    forget(place.root, KEY, fresh=False)


def test_what_another_environment_computed_is_of_no_use(place):
    """Its bits may differ."""
    place.keep()
    assert place.fetch(environment="there") is None
    assert "it was computed by here; here is there; it is computed again" in place.said[-1].replace(")", "")
    assert place.fetched() == {}


def test_what_can_no_more_be_read_is_of_no_use(place):
    def read(_directory: Path) -> None:
        raise ValueError("of another version")

    place.keep()
    assert place.result().fetch(place.target, read) is None
    assert "(of another version); it is computed again" in place.said[-1]
    assert place.fetched() == {}


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
    assert place.fetch() is None
    assert "it is computed again" in place.said[-1]
    assert place.fetched() == {}, "nothing half is left where the result is to be"


def test_where_it_cannot_be_kept_that_is_said_and_the_error_is_the_first_one(place):
    place.root.write_text("a file where the directory should be")
    place.keep(ValueError("away"))
    assert "nor kept in" in place.said[0]


def test_a_task_that_is_asked_for_anew_does_not_find_what_was_there_before(place):
    place.keep()
    assert place.fetch(fresh=True) is None
    assert place.fetch() is not None
    place.keep(fresh=True)
    assert place.fetch(fresh=True) is not None


def test_where_it_cannot_be_kept_nothing_half_is_left(place, monkeypatch):
    def full(*_arguments: object, **_named: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        place.keep()
    assert list(place.root.iterdir()) == []


def test_what_a_killed_process_of_the_same_number_left_is_not_in_the_way(place):
    (place.root / f".{KEY}.{os.getpid()}.tmp").mkdir(parents=True)
    place.keep()
    assert place.fetch() is not None
