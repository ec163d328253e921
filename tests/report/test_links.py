"""A browser follows every link of a report in a frame without rights, as MLflow shows it."""

import base64
import json

import pytest
from browser import BROWSER, opened, told_by
from conftest import save_blanks
from made_evidence import made_evidence

from lth.report import write_report

RUN = "http://127.0.0.1:5000/#/experiments/1/runs/"

pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")

# Clicks every link inside the page with all details shut, and says which led nowhere or to what stayed shut.
DRIVER = """<script>
addEventListener("error", (event) => parent.postMessage(JSON.stringify({fault: event.message}), "*"));
addEventListener("load", () => {
  const found = {origin: window.origin, links: [], lost: []};
  for (const link of document.querySelectorAll('a[href^="#"]')) {
    for (const details of document.querySelectorAll("details")) details.open = false;
    scrollTo(0, 0);
    link.click();
    const name = link.getAttribute("href");
    const target = document.getElementById(name.slice(1));
    const top = target ? target.getBoundingClientRect().top : NaN;
    const atEnd = scrollY + innerHeight + 3 >= document.documentElement.scrollHeight;
    found.links.push(name);
    const there = Math.abs(top) < 40 || (atEnd && top >= 0);
    if (!there || target.closest("details:not([open])")) found.lost.push(name);
  }
  const box = document.getElementById("address");
  const shown = () => (box.hidden ? null : box.querySelector("input").value);
  document.querySelector("a[target=_blank]").click();
  found.run = shown();
  document.querySelector("#address button").click();
  found.closed = shown();
  document.querySelector('a[href$=".pdf"]').click();
  found.file = shown();
  window.drawn.then(() => {
    found.plots = document.querySelectorAll(".js-plotly-plot").length;
    parent.postMessage(JSON.stringify(found), "*");
  });
});
</script>"""
# As MLflow does it: a frame that may run scripts and nothing else, its page from a blob.
FRAME = """<!DOCTYPE html><body><script>
addEventListener("message", (event) => tell(event.data));
const page = Uint8Array.from(atob("%s"), (character) => character.charCodeAt(0));
const frame = document.createElement("iframe");
Object.assign(frame, {sandbox: "allow-scripts", width: 1000, height: 800});
frame.src = URL.createObjectURL(new Blob([page], {type: "text/html"}));
document.body.append(frame);
</script></body>"""


@pytest.fixture(scope="module")
def page():
    with pytest.MonkeyPatch.context() as patched:
        save_blanks(patched)
        report = write_report([made_evidence(0, 1, directions=3, points=5)], lambda run: f"{RUN}{run}")
    return report.files["report.html"].decode()


@pytest.fixture(scope="module")
def found(page, tmp_path_factory):
    page = page.replace("</body>", f"{DRIVER}</body>")
    folder = tmp_path_factory.mktemp("browser")
    frame = folder / "frame.html"
    frame.write_text(FRAME % base64.b64encode(page.encode()).decode())
    told = json.loads(told_by(frame.as_uri(), folder / "profile"))
    assert "fault" not in told, told
    return told


def test_every_link_of_the_contents_leads_there_and_opens_what_it_leads_to(found):
    assert found["origin"] == "null"  # no rights
    assert {"#levels", "#claims", "#figures", "#claim-R1a", "#fig13_surface", "#origin"} <= set(found["links"])
    assert found["lost"] == []


def test_a_link_to_elsewhere_is_told_where_it_can_not_be_followed(found):
    assert found["run"].startswith(RUN)
    assert found["closed"] is None
    assert found["file"].endswith(".pdf")


def test_the_surface_is_drawn_on_the_page_itself(found):
    assert found["plots"] == 2


def test_nothing_is_wider_than_a_phone_or_than_a_table_has_room_for_on_a_page_of_paper(page, tmp_path):
    (tmp_path / "report.html").write_text(page)
    with opened(tmp_path / "profile", width=400) as tab:
        tab.go((tmp_path / "report.html").as_uri())
        tab.waits("document.readyState === 'complete'")
        assert tab.value("document.documentElement.scrollWidth") <= 400
        tab.size(695, 1017)  # of A4 within its margins
        tab.tell("Emulation.setEmulatedMedia", media="print")
        assert tab.value("document.documentElement.scrollWidth") <= 695
        clipped = (
            "[...document.querySelectorAll('.scroll')].filter((box) => box.scrollWidth > box.clientWidth + 1)"
        )
        assert tab.value(f"{clipped}.length") == 0
        assert tab.value("getComputedStyle(document.querySelector('.cards')).display") == "table"
