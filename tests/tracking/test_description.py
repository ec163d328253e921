"""A description of any length: MLflow is given what it keeps whole, and people all of it."""

import pytest

from lth.tracking.description import is_short_of, shown
from lth.tracking.store import KEY, Store

ROW = f"| R0a-methods | {'w(N) has lower training loss than every method':80} |    | supported |"
LONG = {
    "a table": "\n".join([ROW] * 100),
    "a padded table that fits without": "\n".join([f"| a{' ' * 90} |"] * 100),
    "sentences": "\n".join(["One sentence says no more than the other."] * 300),
    "one line": "word " * 4000,
    "of another script": "\n".join(["Σ ln λ – “größer”"] * 900),
}


@pytest.mark.parametrize("markdown", LONG.values(), ids=LONG)
def test_what_mlflow_would_cut_is_shown_in_whole_lines_that_it_keeps(markdown):
    said = shown(markdown)
    assert len(said) <= 8000
    assert is_short_of(said)
    *lines, _, remark = said.splitlines()
    assert remark == "… in full: `description.md`, among the artifacts."
    whole = {" ".join(line.split()) for line in markdown.splitlines()}
    assert len(lines) == 1 or all(" ".join(line.split()) in whole for line in lines)


@pytest.mark.parametrize("markdown", ["", "short", "\n".join(["x" * 79] * 100)])
def test_what_mlflow_keeps_is_as_it_was_written(markdown):
    assert shown(markdown) == markdown
    assert not is_short_of(markdown)


@pytest.mark.parametrize("markdown", ["short", LONG["a table"]])
def test_a_run_gives_back_its_description_in_full(tracking, markdown):
    store = Store()
    with store.open("described", {"kind": "report", KEY: "described"}) as run:
        run.note(markdown)
    assert store.note(run.run_id) == markdown
    assert ("description.md" in run.files("")) == (markdown != "short")
