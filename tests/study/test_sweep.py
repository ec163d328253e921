"""A sweep does a study of every setting, after all were checked, and compares them once."""

import re
from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from tiny_problem import PARAMETERS

from lth.errors import InputError
from lth.evidence.summary import LevelRow
from lth.evidence.table import Table
from lth.setting.terms import Terms
from lth.study import sweep as module
from lth.study.completion import Manner
from lth.study.open import Opening
from lth.study.sweep import Sweep
from lth.tracking.store import Store


class Studies:
    """Stands for those of one setting: notes what is asked of them, in `said`."""

    def __init__(self, opening: Opening, seeds: Sequence[str], said: list[str]) -> None:
        self.studies = [self._study(opening, int(seed), said) for seed in seeds]
        self._said = said

    def finish(self, _manner: Manner) -> None:
        self._said += [f"complete {study.about}" for study in self.studies]

    def _study(self, opening: Opening, seed: int, said: list[str]) -> SimpleNamespace:
        lr, setting = opening.parameters["lr"], opening.with_seed(str(seed)).setting()
        row = LevelRow("dense", "imp", 0, 1.0, float(lr), 0.5 + seed / 10)
        keys = SimpleNamespace(evidence=lambda: f"{lr} {seed}")
        return SimpleNamespace(
            problem=SimpleNamespace(setting=setting, keys=keys, terms=Terms()),
            check=lambda: said.append(f"check {lr} {seed}"),
            about=f"{lr} {seed}",
            run_id="run",
            rows=lambda: [row],
            table=lambda: Table(("seed", "solution", "train_loss"), ((seed, "dense", float(lr)),)),
        )


@pytest.fixture
def said(tracking, monkeypatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(
        module,
        "build_replication",
        lambda opening, seeds, _store, _say, sibling=None: Studies(opening, seeds, said),
    )
    return said


@pytest.mark.usefixtures("with_two_blank_figures")
def test_all_settings_are_checked_before_any_is_done_and_what_compares_them_is_found_again(said):
    told: list[str] = []
    sweep = Sweep({"lr": "0.1,0.2"}, ["0", "1"], Store(), told.append)
    sweep.check()
    first = sweep.complete()
    pairs = [f"{lr} {seed}" for lr in ("0.1", "0.2") for seed in (0, 1)]
    assert said == [*(f"check {pair}" for pair in pairs), *(f"complete {pair}" for pair in pairs)]
    again = Sweep({"lr": "0.1,0.2"}, ["0", "1"], Store(), told.append)
    assert again.complete() == first
    assert told[-1].endswith(f"found in run {first}, nothing to compute")
    run = Store().run(first)
    assert (run.data.params["lr"], run.data.params["seeds"], run.data.tags["kind"]) == (
        "0.1,0.2",
        "0,1",
        "sweep",
    )
    assert set(Store().files(first, "")) == {
        "comparison.csv",
        "comparison.md",
        "comparison.png",
        "solutions.csv",
    }
    shown = again.comparison(first)
    assert "lr=0.2 (seed 0, seed 1)" in shown
    assert "http" not in shown
    assert Sweep({"lr": "0.1,0.2"}, ["0"], Store(), told.append).complete() != first, "other seeds"


@pytest.mark.usefixtures("with_two_blank_figures")
@pytest.mark.parametrize("finished", [0, 1, 2])
def test_a_sweep_interrupted_at_any_setting_compares_nothing_and_the_same_line_goes_on(
    said, monkeypatch, finished
):
    line = {"lr": "0.1,0.2,0.3"}, ["0"], Store(), print
    finish = Studies.finish

    def interrupted(studies: Studies, manner: Manner) -> None:
        if len(said) == finished:
            raise KeyboardInterrupt
        finish(studies, manner)

    with monkeypatch.context() as stopped:
        stopped.setattr(Studies, "finish", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Sweep(*line).complete()
    assert Store().search("tags.kind = 'sweep'") == []
    run_id = Sweep(*line).complete()
    assert said == [f"complete {lr} 0" for lr in (*("0.1", "0.2", "0.3")[:finished], "0.1", "0.2", "0.3")]
    assert [run.info.run_id for run in Store().search("tags.kind = 'sweep'")] == [run_id]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"lr": "0.05,-1"}, "lr=-1.0 is out of range"),
        ({"lr": "0.1,0.2", "bogus": "1"}, "'bogus' is not a parameter"),
        ({"seed": "0,1"}, "write seeds=0,1,2"),
        ({"levels": "1,200"}, "levels=200 is out of range"),
        ({"preset": "digits,nope"}, "preset='nope' is unknown"),
        ({"lr": "0.05"}, "nothing is swept"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_anything_is_opened(said, given, expected):
    with pytest.raises(InputError, match=expected):
        Sweep(given, [], Store(), print)
    assert said == []


def test_a_plan_counts_what_settings_share_where_the_first_does_it(tracking):
    told = Sweep({**PARAMETERS, "levels": "1", "k": "2,3"}, ["0"], Store(), print).plan()
    first, second, together = re.split(r"\n\n(?:setting 2 of 2: k=3\n|all 2, one after the other: )", told)
    assert first.startswith("setting 1 of 2: k=2\n")

    def counts(plan: str, row: str) -> list[int]:
        """Return how many are there, and to do."""
        (line,) = [line for line in plan.splitlines() if line.startswith(row)]
        return [int(word) for word in line.removeprefix(row).split()[:2]]

    for row in ("dense trainings", "other trainings", "radii", "lines"):
        assert counts(second, row) == counts(first, row)[::-1] != [0, 0]
    assert counts(second, "spectra") == counts(first, "spectra") == [0, 12]
    assert together.startswith(f"{counts(first, 'all')[1] + counts(second, 'all')[1]} tasks to do\n")
    assert not Store().search("")
