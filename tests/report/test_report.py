"""The report of made-up evidence: complete, self-contained, the same whenever it is drawn, and safe to open."""

import re
import statistics
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from conftest import save_blanks
from made_evidence import made_evidence

from lth.evidence.claim import CLAIMS, MATCHED_CLAIMS
from lth.evidence.evidence import Evidence
from lth.evidence.table import plus_minus
from lth.plan.place import Place
from lth.report import Report, write_report
from lth.report.exhibit import BEYOND, EXHIBITS, exhibits_beyond
from lth.report.opening import opening
from lth.setting.terms import Terms, speaking

LAST = 2

pytestmark = pytest.mark.usefixtures("without_pictures")


def link(run_id: str) -> str:
    return f"http://127.0.0.1:5000/#/experiments/1/runs/{run_id}"


def quick(seed: int) -> Evidence:
    return made_evidence(seed, LAST, directions=3, points=5)


@pytest.fixture(scope="module")
def report() -> Report:
    with pytest.MonkeyPatch.context() as patched:
        save_blanks(patched)
        return write_report([quick(1), quick(0)], link)


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    return report.files["report.html"].decode()


def test_every_figure_and_table_of_every_seed_is_a_file_with_its_numbers_beside_it(report):
    for seed in (0, 1):
        for exhibit in (*EXHIBITS, *BEYOND):
            path = f"seed_{seed}/{exhibit.file}"
            assert report.files[f"{path}.csv"].decode().count("\n") > 1, path
            # Of those that one figure shows of all seeds there are no pictures of each.
            is_own = exhibit.draw is not None and exhibit.draw_seeds is None
            assert (f"{path}.png" in report.files) == is_own, path
    assert {"report.html", "report.md", "claims.png", "claims.csv", "verdicts.csv"} <= set(report.files)
    assert "seed_0/fig13_surface.html" in report.files


def test_every_exhibit_of_several_seeds_has_the_numbers_of_all_and_a_figure_where_they_can_be_drawn(report):
    for exhibit in (*EXHIBITS, *BEYOND):
        table = report.files[f"{exhibit.file}.csv"].decode().splitlines()
        assert table[0].startswith("seed,")
        assert {row.split(",")[0] for row in table[1:]} == {"0", "1"}, exhibit.file
        drawn = exhibit.draw is not None and exhibit.file != "fig13_surface"
        assert (f"{exhibit.file}.png" in report.files) == drawn, exhibit.file


@pytest.mark.parametrize(
    ("rewind", "done"),
    [
        ("weights", "were pruned, the others were set back to an early state of the first training"),
        ("lr", "were pruned, and the others were trained on, by the learning rates from an early step"),
        ("none", "were pruned, and the others were trained on at a small constant learning rate"),
    ],
)
def test_a_reader_is_told_first_what_a_level_went_back_to(rewind, done):
    assert done in opening([made_evidence(rewind=rewind)], [])[0]


def test_a_metric_that_is_not_counted_has_no_word_of_a_binomial_interval(page, monkeypatch):
    assert "binomial interval of 95 % of an accuracy" in page
    monkeypatch.setattr("lth.report.compose.EXHIBITS", ())
    monkeypatch.setattr("lth.report.compose.exhibits_beyond", lambda _evidence: ())
    with speaking(Terms("mse", "r2")):
        written = write_report([quick(0)], link).files
    for file in ("report.html", "report.md"):
        assert "What is known of a number stands beside it: within how much" in written[file].decode()
        assert "binomial" not in written[file].decode()


def test_whether_the_loss_has_settled_is_said_before_the_claims_it_bears_on(page, report):
    said = "From level to level the training loss "
    assert page.index("Each verdict is wrong") < page.index(said) < page.index('<table class="cards">')
    assert "With matched_loss=on they are also compared at one loss" in page
    assert said in report.files["report.md"].decode()
    assert "matched" not in report.files["claims.csv"].decode()


def test_what_was_measured_at_one_loss_has_claims_of_its_own_and_a_figure_of_all_seeds(monkeypatch):
    monkeypatch.setattr("lth.report.compose.EXHIBITS", ())
    monkeypatch.setattr("lth.report.compose.exhibits_beyond", lambda evidence: exhibits_beyond(evidence)[-1:])
    seeds = [made_evidence(seed, LAST, directions=3, points=5, matched_loss="on") for seed in (0, 1)]
    found = write_report(seeds, link)
    page, rows = found.files["report.html"].decode(), found.files["claims.csv"].decode()
    assert [finding.claim.id for finding in found.findings[22:]] == [claim.id for claim in MATCHED_CLAIMS]
    assert all(f"\n{claim.id}," in rows for claim in MATCHED_CLAIMS)
    assert "Of 22 verdicts in every case" in page
    assert "; of 6 beside them " in page
    assert {"beyond_matched.png", "beyond_matched.csv"} <= set(found.files)
    assert page.count("projection on level 1 and level 1 at one loss") >= 2  # the runs that numbers are from


def test_tables_give_mean_and_deviation_over_the_seeds_before_each_seed(page, report):
    assert page.count("Mean ± standard deviation over the seeds") == 7
    assert page.index("Mean ± standard deviation over 2 seeds") < page.index("<h3>Seed 0</h3>")
    losses = [quick(seed).attained[Place.imp(1)].train_loss for seed in (0, 1)]
    expected = plus_minus(statistics.mean(losses), statistics.stdev(losses))
    assert f"<td>{expected}</td>" in page
    assert report.files["solutions.csv"].decode().count("level 1,") == 2


def test_the_page_holds_22_figures_7_tables_and_every_claim_with_its_verdict(page):
    assert len(re.findall(r'<h3 id="fig\d\d_', page)) == 22
    assert len(re.findall(r'<h3 id="table\d_', page)) == 7
    for claim in CLAIMS:
        assert f'id="claim-{claim.id}"' in page
    assert page.count('class="verdict supported"') + page.count('class="verdict undecided"') >= len(CLAIMS)


class References(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if "src" in given or tag in ("link", "script", "iframe"):
            loads = given.get("src") or given.get("href")
            self.loaded += [loads] if loads or tag != "script" else []
        if tag == "a":
            self.links.append(given["href"])
        if "id" in given:
            self.anchors.add(given["id"])


def test_the_page_loads_nothing_from_anywhere_and_every_link_leads_somewhere(page, report):
    found = References()
    found.feed(page)
    assert found.loaded
    assert all(source.startswith("data:image/png;base64,") for source in found.loaded)
    for target in found.links:
        inside = target.startswith("#") and target[1:] in found.anchors
        assert inside or target.startswith("http://127.0.0.1:5000/#/") or target in report.files, target


def test_numbers_of_the_table_lead_to_the_run_they_are_from(page):
    evidence = quick(0)
    for name in ("dense", "curvature at level 1", "line from level 1 to level 2"):
        assert link(evidence.runs[name]) in page


def test_from_the_same_evidence_in_another_order_every_byte_is_the_same(report):
    """But for pictures, which `test_whole_study` and `test_claims_figure` compare."""
    again = write_report([quick(0), quick(1)], link)
    assert list(report.files) == list(again.files)
    assert {name for name in report.files if report.files[name] != again.files[name]} == set()


def test_one_seed_is_said_to_decide_nothing_and_what_a_user_can_name_is_escaped():
    evil = "<script>alert(1)</script>|`x`"
    setting = quick(0).setting
    data = replace(setting.data, dataset=evil)
    named = replace(quick(0), setting=replace(setting, network=evil, data=data))
    alone = write_report([named], link)
    page, text = alone.files["report.html"].decode(), alone.files["report.md"].decode()
    assert "One seed gives no interval" in page
    assert {finding.verdict for finding in alone.findings} == {"undecided"}
    assert evil not in page
    assert "&lt;script&gt;alert(1)" in page
    assert evil not in text
    assert "\\<script\\>alert(1)" in text
    for name, content in alone.files.items():
        assert not name.endswith(".html") or evil.encode() not in content, name


def test_the_page_says_with_what_error_where_a_claim_holds_and_what_would_decide_the_others(page):
    assert (
        "Each verdict is wrong with a probability of at most 2.5 %. Of 22 verdicts in every case at most"
        in page
    )
    assert "holds for all 7 baselines" in page
    assert page.count('<span class="size">') == len(CLAIMS)
    alone = write_report([quick(0)], link)
    for text in (alone.files["report.html"].decode(), alone.files["report.md"].decode().replace("\\", "")):
        assert "mlflow run . -e study -P preset=digits" in text
        assert "- R1a on average: one seed has no spread" in text
    assert {each.claim for each in alone.deciding} == {claim.id for claim in CLAIMS}


@pytest.fixture
def without_exhibits(monkeypatch):
    monkeypatch.setattr("lth.report.compose.EXHIBITS", ())
    monkeypatch.setattr("lth.report.compose.exhibits_beyond", lambda evidence: ())


@pytest.mark.usefixtures("without_exhibits")
def test_a_report_after_others_is_judged_more_strictly_and_says_so():
    later = write_report([quick(0), quick(1), quick(2)], link, earlier=[[5, 6], [7, 8]])
    assert {finding.look.number for finding in later.findings} == {3}
    assert "this is look 3 at this study" in later.files["report.html"].decode()
    assert "this is look 3 at this study" in later.files["report.md"].decode()


@pytest.mark.usefixtures("without_exhibits")
def test_what_was_left_to_the_machine_is_shown_beside_what_it_came_to():
    evidence = quick(0)
    auto = replace(evidence.setting.training, precision="auto", compile="on")
    alone = replace(evidence, setting=replace(evidence.setting, training=auto))
    page = write_report([alone], link, {"precision": "bf16", "compile": "on"}).files["report.md"].decode()
    assert "| precision | auto: bf16 |" in page
    assert "| compile | on |" in page


def test_markdown_shows_the_same_figures_by_their_files(report):
    text = report.files["report.md"].decode()
    pictures = re.findall(r"!\[.*?\]\(([^)]*)\)", text)
    assert len([path for path in pictures if re.search("(^|/)fig", path)]) == 22
    assert [path for path in pictures if path.startswith("seed_")] == ["seed_0/fig13_surface.png"]
    assert text.count("Of seed 0 alone") == 1
    assert set(pictures) <= set(report.files)
