"""A report of a study so far, and one of some figures: shown is what there is, and the rest is named."""

from dataclasses import replace

import pytest
from made_evidence import made_evidence

from lth.errors import InputError, LackingError
from lth.evidence.evidence import Evidence, Read
from lth.plan.jobs import study_jobs
from lth.plan.place import Place
from lth.report import Scope, write_report
from lth.report.exhibit import BEYOND, EXHIBITS
from lth.report.exhibited import exhibited
from lth.report.part import parse_figures
from lth.study.record.report import report_note

pytestmark = pytest.mark.usefixtures("without_pictures")

LAST = 2
ALL = (*EXHIBITS, *BEYOND)
BY_FILE = {exhibit.file: exhibit for exhibit in ALL}
WHOLE = {seed: made_evidence(seed, LAST, directions=3, points=5) for seed in (0, 1)}
NAMES = tuple(WHOLE[0].runs)


def link(run_id: str) -> str:
    return f"http://127.0.0.1:5000/#/runs/{run_id}"


def without(evidence: Evidence, lacks) -> Evidence:
    """Return evidence of a study that has not got to what `lacks` says yes to by its name."""
    attained = {place: one for place, one in evidence.attained.items() if not lacks(place.name)}
    measured = {job: one for job, one in evidence.measured.items() if not lacks(job.name)}
    return replace(
        evidence,
        attained=Read(attained, attained.__getitem__),
        measured=Read(measured, measured.__getitem__),
        runs={name: run for name, run in evidence.runs.items() if not lacks(name)},
    )


def of_level(level):
    return lambda name: f"level {level}" in name


PARTS = {
    "nothing_but_the_dense_network": lambda name: name != "dense",
    "trainings_alone": lambda name: name not in {place.name for place in WHOLE[0].attained},
    "no_last_level": of_level(LAST),
    "no_baseline": lambda name: any(kind in name for kind in ("random", "one_shot", "fine", "lr_", "prune_l")),
    "one_baseline_missing": lambda name: "lr_rewind" in name,
    "neither_radii_nor_lines": lambda name: "radii" in name or name.startswith("line"),
    "neither_surface_nor_spectra": lambda name: name.startswith(("surface", "curvature")),
    "level_1_unmeasured": lambda name: name.startswith("curvature") and "level 1" in name,
    "every_third": lambda name: name in NAMES[1::3],
}


@pytest.mark.parametrize("lacks", PARTS.values(), ids=PARTS)
def test_every_exhibit_of_a_part_is_shown_or_says_what_it_waits_for(lacks):
    part = without(WHOLE[0], lacks)
    for number, exhibit in enumerate(ALL):
        evidences = (
            [part, WHOLE[1]] if number % 4 == 0 else [part]
        )  # the others are drawn by the same functions
        entry = exhibited(exhibit, evidences, link).entry
        assert bool(entry.found) or entry.lacking.startswith("Not there yet. It waits for ")


@pytest.mark.parametrize(
    "file", ["fig05_spectra_projection", "fig12_lines_successive", "fig06_radii_projection"]
)
def test_what_runs_over_levels_is_shown_up_to_the_last_that_is_there(file):
    shown = exhibited(BY_FILE[file], [without(WHOLE[0], of_level(LAST))], link)
    assert shown.entry.lacking.startswith(f"Of levels up to {LAST - 1} of {LAST}. The rest waits for ")
    assert f"level {LAST}" in shown.entry.lacking
    assert shown.files[f"seed_0/{file}.csv"].decode().count("\n") > 1


def test_seeds_that_have_a_figure_are_drawn_without_those_that_have_not():
    entry = exhibited(
        BY_FILE["fig14_distances"], [without(WHOLE[0], PARTS["trainings_alone"]), WHOLE[1]], link
    ).entry
    assert entry.lacking == "Of seed 1 alone. The rest waits for distances (seed 0)."
    assert [seed for seed, _ in entry.found] == [1]


def test_a_report_so_far_lists_what_is_missing_and_the_command_and_judges_nothing():
    part = without(WHOLE[0], of_level(LAST))
    missing = [name for name in NAMES if name not in part.runs]
    report = write_report([part, WHOLE[1]], link, scope=Scope(missing={0: missing, 1: []}))
    page, text = report.files["report.html"].decode(), report.files["report.md"].decode().replace("\\", "")
    for shown in (page, text):
        assert f"Seed 0: {len(missing)} of {len(NAMES)} trainings and measurements are missing" in shown
        assert "mlflow run . -e study -P preset=digits" in shown
        assert all(name in shown for name in missing)
    assert report.findings == ()
    assert not any(path.startswith("claims") for path in report.files)
    assert 'id="claims"' not in page
    note = report_note(report)
    assert f"seed 0 lacks {len(missing)} of {len(NAMES)} results" in note
    assert "-P seeds=0,1" in note


def test_a_report_of_some_figures_has_these_alone():
    report = write_report([WHOLE[0]], link, scope=Scope(parse_figures("5,table1")))
    drawn = {f"seed_0/fig05_spectra_projection.{form}" for form in ("csv", "png", "pdf", "svg")}
    assert set(report.files) == {*drawn, "seed_0/table1_projection.csv", "report.html", "report.md"}
    assert "some of its figures alone" in report.files["report.html"].decode()


@pytest.mark.parametrize(
    ("written", "files"),
    [
        ("5", ["fig05_spectra_projection"]),
        ("12,5,5", ["fig05_spectra_projection", "fig12_lines_successive"]),
        (" Fig. 5 , fig12", ["fig05_spectra_projection", "fig12_lines_successive"]),
        ("table1,Table II", ["table1_projection", "table2_radii_projection"]),
        ("beyond_trace", ["beyond_trace"]),
        ("scale", ["beyond_scale"]),
        ("fig13_surface", ["fig13_surface"]),
        ("figure 022", ["fig22_second_cut"]),
    ],
)
def test_figures_are_named_as_people_name_them(written, files):
    assert [exhibit.file for exhibit in parse_figures(written)] == files


@pytest.mark.parametrize("exhibit", ALL, ids=lambda exhibit: exhibit.file)
def test_every_exhibit_is_found_by_the_name_of_its_file(exhibit):
    assert parse_figures(exhibit.file) == (exhibit,)


@pytest.mark.parametrize("written", ["", ",", "0", "23", "99", "table6", "table", "five", "5;12", "-1", "5.5"])
def test_a_figure_that_there_is_not_is_refused_with_those_that_there_are(written):
    if written == "table":
        assert all(exhibit.file.startswith("table") for exhibit in parse_figures(written))
        return
    with pytest.raises(InputError, match=r"^figures='.*(there are 1, 2, .*table9, .*beyond_trace|names none)"):
        parse_figures(written)


def test_what_is_there_is_read_once_it_is_asked_for_and_the_rest_is_lacking_by_name():
    asked = []
    found = Read([Place.imp(0)], lambda place: asked.append(place) or "read")
    assert Place.imp(0) in found
    assert asked == []
    assert found[Place.imp(0)] == "read"
    assert found.get(Place.imp(1)) is None
    with pytest.raises(LackingError, match=r"^level 1 is not there yet"):
        found[Place.imp(1)]


def test_the_jobs_of_these_parts_are_those_of_a_study():
    assert {job.name for job in study_jobs(LAST, WHOLE[0].setting.analysis)} < set(NAMES)
