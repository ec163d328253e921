"""A study's claims, seeds, margins and settings, written down before it begins."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from mlflow import MlflowClient
from tiny_problem import OPTIONS, make_study

from lth.command import study
from lth.errors import InputError
from lth.evidence.claim import CLAIMS, MATCHED_CLAIMS, claims_of
from lth.evidence.declaration import as_declared
from lth.plan.place import Place
from lth.study.record.declaration import DOCUMENT, declarations
from lth.study.record.report import earlier_reports
from lth.study.replication import Replication
from lth.tracking.store import Store


def artifact(run_id: str, path: str) -> str:
    return Path(MlflowClient().download_artifacts(run_id, path)).read_text()


def test_what_is_declared_is_found_again_and_is_no_look_at_results(tracking):
    said: list[str] = []
    studies = [make_study(seed=seed) for seed in "01"]
    replication = Replication(studies, said.append)
    run_id = replication.declare()
    assert replication.declare() == run_id
    problem = studies[0].problem
    (found,) = declarations(studies[0].store, problem)
    assert (found.where, found.seeds, len(found.claims)) == (run_id, (0, 1), len(CLAIMS))
    written = json.loads(artifact(run_id, DOCUMENT))
    assert written["settings"]["loss_margin"] == problem.setting.flat()["loss_margin"]
    assert "seed" not in written["settings"]
    assert {claim["id"] for claim in written["claims"]} == {claim.id for claim in CLAIMS}
    assert earlier_reports(studies[0].store, [study.problem for study in studies]) == []
    assert declarations(studies[0].store, make_study(loss_margin="0.7").problem) == [], "another study"


def test_claims_at_one_loss_are_declared_where_they_will_be_judged_and_else_came_after(tracking):
    replication = Replication([make_study()], print)
    run_id = replication.declare()
    problem = make_study(matched_loss="on").problem
    (found,) = declarations(Store(), problem)  # of the same study
    assert found.where == run_id
    said = as_declared([found], [0], claims_of(problem.setting))
    names = ", ".join(claim.id for claim in MATCHED_CLAIMS)
    assert said.endswith(f"and 22 of the 28 claims; {names} came after.")
    other = Replication([make_study(matched_loss="on", seed="7")], print).declare()
    (declared,) = [each for each in declarations(Store(), problem) if each.where == other]
    assert set(declared.claims) == {claim.id for claim in (*CLAIMS, *MATCHED_CLAIMS)}


def test_a_declaration_after_the_first_result_is_refused(tracking):
    study = make_study()
    run_id = study.solution(Place.imp(0))
    with pytest.raises(
        InputError, match=f"too late: dense of .* is in run {run_id} already; declare other seeds"
    ):
        Replication([study], print).declare()


@pytest.mark.usefixtures("with_two_blank_figures")
def test_a_report_says_which_of_its_findings_were_declared(finished):
    study = make_study()
    run_id = Replication([study], print).report()
    page = artifact(run_id, "report.md")
    assert "Nothing was declared before this study began" in page
    assert "Nothing was declared before this study began" in Replication([study], print).verdicts(run_id)


def test_a_study_can_be_declared_and_left_for_later(tracking):
    result = CliRunner().invoke(study.main, [*OPTIONS, "--seeds=0,1", "--declare=only"])
    assert result.exit_code == 0, result.output
    assert [run.data.tags["kind"] for run in Store().search("tags.kind != ''")] == ["declaration"]


def test_reports_made_elsewhere_are_the_first_looks_at_a_study_and_count_once(tracking):
    said: list[str] = []
    studies = [make_study(seed=seed) for seed in "01"]
    replication, store = Replication(studies, said.append), studies[0].store
    replication.declare()
    for _ in range(2):
        replication.count_reports([[0, 1], [0, 1, 2]])
    problems = [study.problem for study in studies]
    assert earlier_reports(store, problems) == [[0, 1], [0, 1, 2]]
    assert sum("counted as a look" in line for line in said) == 2
    (declared,) = declarations(store, problems[0])
    assert declared.reported == {0, 1, 2}, "they were made before anything here"
    assert earlier_reports(store, [make_study(loss_margin="0.7").problem]) == [], "another study"


def test_reports_elsewhere_are_given_as_their_seeds(tracking):
    result = CliRunner().invoke(study.main, [*OPTIONS, "--seeds=0,1", "--declare=only", "--reported=0-2+0,4"])
    assert result.exit_code == 0, result.output
    assert earlier_reports(Store(), [make_study().problem]) == [[0, 1, 2], [0, 4]]
    for reported, said in (
        ("0-2+", "reported='0-2+', of which seeds='' are"),
        ("0-2+3", "over one seed"),
    ):
        refused = CliRunner().invoke(study.main, [*OPTIONS, "--seeds=0,1", f"--reported={reported}"])
        assert refused.exit_code != 0
        assert said in " ".join(refused.output.split())
    planned = CliRunner().invoke(study.main, [*OPTIONS, "--seeds=0,1", "--plan=true", "--reported=0-2"])
    assert "no claim is judged here" in " ".join(planned.output.split())


def test_a_report_that_was_drawn_is_drawn_anew_once_an_earlier_one_is_told_of(tracking):
    replication = Replication([make_study(seed=seed) for seed in "01"], print)
    key = replication.task().key
    replication.count_reports([[0, 2]])
    assert replication.task().key != key
