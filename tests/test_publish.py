"""A finished study is published as what its report says, whole or not at all."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from tiny_problem import OPTIONS, PARAMETERS

from lth.tracking.store import Store
from studies import publish

pytestmark = pytest.mark.usefixtures("finished_for_all")


def published(folder, *options):
    return CliRunner().invoke(publish.main, [str(folder), *OPTIONS, *options])


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def once(finished_for_all, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / "tiny"
    result = published(folder)
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def folder(once, tmp_path):
    """Give a copy of what was published."""
    return Path(shutil.copytree(once, tmp_path / "results" / once.name))


def test_tables_are_published_as_the_report_has_them(folder, tmp_path):
    store = Store()
    (report,) = store.search("tags.kind = 'report'")
    of_report = [path for part in ("", "seed_0") for path in store.files(report.info.run_id, part)]
    tables = {Path(path).name: path for path in of_report if path.endswith(".csv")}
    assert {"claims.csv", "verdicts.csv", "solutions.csv", "fig01_levels.csv"} <= tables.keys()
    for name, path in tables.items():
        fetched = Path(store.fetch(report.info.run_id, path, str(tmp_path)))
        assert (folder / name).read_bytes() == fetched.read_bytes()
    assert {path.name for path in folder.glob("*.csv")} == tables.keys()


def test_pictures_come_along_once_and_pages_and_checkpoints_stay_in_the_store(folder):
    suffixes = {path.suffix for path in folder.iterdir()}
    assert suffixes == {".csv", ".json", ".md", ".png"}
    assert {"claims.png", "fig01_levels.png", "fig13_surface.png"} <= files(folder).keys()
    assert not (folder / "report.md").exists()


def test_claims_in_words_are_those_of_the_table(folder):
    words = (folder / "claims.md").read_text()
    with (folder / "verdicts.csv").open() as lines:
        verdicts = {row["claim"]: row for row in csv.DictReader(lines)}
    assert len(verdicts) == 22
    assert all(claim in words for claim in verdicts)


def test_the_study_is_named_by_its_settings_keys_and_what_computed_it(folder):
    said = json.loads((folder / "study.json").read_text())
    assert said["settings"].items() >= PARAMETERS.items()
    assert said["evidence_keys"].keys() == said["hours_of_seeds"].keys() == {"0"}
    assert said["seeds_of_all_reports"] == [[0]]
    assert said["hours_of_all_tasks"] == said["hours_of_seeds"]["0"] > 0


def test_publishing_again_leaves_nothing_of_before(folder):
    before = files(folder)
    (folder / "fig99_gone.png").write_bytes(b"of a version before")
    (folder / "claims.csv").write_text("changed by hand")
    assert published(folder).exit_code == 0
    assert files(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]


def test_what_was_published_stays_where_the_study_has_no_report(folder):
    before = files(folder)
    result = published(folder, "--lr=0.7")
    assert result.exit_code == 1
    assert "finish the study first: " in result.output
    assert "-P lr=0.7" in result.output
    assert "no user's mistake" not in result.output
    assert files(folder) == before


def test_what_was_published_stays_where_the_new_can_not_be_written(folder, monkeypatch):
    before = files(folder)
    monkeypatch.setattr(publish, "card", lambda _folder: 1 / 0)
    assert published(folder).exit_code == 1
    assert files(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]


@pytest.mark.parametrize("name", ["keep.txt", "notes"])
def test_what_publishing_did_not_write_is_named_before_it_would_be_gone(folder, name):
    (folder / name).mkdir() if name == "notes" else (folder / name).write_text("mine")
    before = sorted(folder.iterdir())
    result = published(folder)
    assert result.exit_code == 1
    assert f"{name} would be gone; move that elsewhere first" in result.output
    assert sorted(folder.iterdir()) == before


def test_a_study_json_of_something_else_is_not_taken_for_a_published_one(tmp_path):
    (tmp_path / "study.json").write_text("{}")
    assert "holds no published study" in published(tmp_path).output


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("mine")
    result = published(tmp_path / "thesis")
    assert result.exit_code == 1
    assert "holds no published study; name a new folder" in result.output
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["chapter.tex"]
