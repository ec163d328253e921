"""The page of a report: HTML with all it shows inside, and Markdown with its pictures beside it."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from lth.evidence.table import Table, rounded
from lth.report.figure.interactive import Interactive, library

_MOST_PIXELS_OF_A_COLUMN = 1000


@dataclass(frozen=True)
class Linked:
    """A number as text, and the run it is from."""

    text: str
    link: str | None


@dataclass(frozen=True)
class Source:
    """A solution or a measurement, and its run."""

    name: str
    link: str
    former: bool = False  # stored by an earlier version of lth


Sources = tuple[tuple[int, tuple[Source, ...]], ...]  # by seed


@dataclass(frozen=True)
class Missing:
    """What one seed's study lacks."""

    seed: int
    present: int  # trainings and measurements that are there
    names: tuple[str, ...]  # of those that are not


@dataclass(frozen=True)
class ClaimEntry:
    """What the page says of a claim."""

    id: str
    statement: str
    paper: str
    rule: str
    unit: str
    average: str  # mean over the cases and its interval
    average_verdict: str  # empty for a claim of one case
    verdict: str  # in every case
    where: str  # it holds
    p: str
    p_adjusted: str  # for all claims
    p_exact: str  # by flipping signs
    weakest: str  # case
    deciding: tuple[tuple[str, str], ...]  # what is undecided, and what would decide it
    agreeing: str
    missing: int
    sources: Sources


@dataclass(frozen=True)
class ExhibitEntry:
    """What the page says of a figure or a table."""

    file: str
    path: str  # of its files, without the extension
    title: str
    paper: str
    found: tuple[tuple[int, str], ...]  # a sentence a seed
    lacking: str  # what of it is not there yet, and what that waits for; empty if it is whole
    image: bytes | None  # PNG, of all seeds where they can be drawn together, else of the first
    drawn: str  # path of the image, without the extension
    caption: str  # which seeds the image shows, if it is not all of them
    over_seeds: Table | None  # of a table: mean ± standard deviation, of several seeds
    tables: tuple[tuple[int, Table], ...]  # one a seed, of a table; none of a figure
    interactive: str | None  # path of a page to play with
    parts: Interactive | None  # which the page holds itself
    sources: Sources

    @property
    def narrow(self) -> bool:
        """Whether the image is one column wide, and so would be coarse across the page."""
        return self.image is not None and int.from_bytes(self.image[16:20]) <= _MOST_PIXELS_OF_A_COLUMN


@dataclass(frozen=True)
class Page:
    """Everything the page shows, in its order."""

    title: str
    seeds: tuple[int, ...]
    opening: tuple[str, ...]  # paragraphs: what was done, and what came of it
    notation: tuple[tuple[str, str], ...]  # a symbol or a word, and what it means
    part: bool  # some figures alone, without solutions and claims
    missing: tuple[Missing, ...]  # what is not there yet; empty for a whole study
    remedy: str  # the command that completes it
    setting: tuple[tuple[str, str], ...]
    level_headings: tuple[str, ...]  # with units
    levels: tuple[tuple[int, tuple[tuple[Linked, ...], ...]], ...]
    levels_over_seeds: Table | None  # of several seeds
    counted: bool  # whether the metric has a binomial interval
    judging: str  # how claims are judged, at this look
    declared: str  # which findings were, before the study began
    # Whether the training loss has settled and what that means for claims, and a row a level; None of a part.
    settling: tuple[str, Table] | None
    claims: tuple[ClaimEntry, ...]
    deciding: tuple[str, ...]  # lines on what would decide those that are undecided
    claims_images: tuple[tuple[str, bytes], ...]  # path without extension, and PNG; none where none is judged
    claims_table: Table | None
    exhibits: tuple[ExhibitEntry, ...]
    beyond: tuple[ExhibitEntry, ...]
    sources: Sources
    origin: tuple[tuple[str, str], ...]  # what computed it, when and in how long

    @property
    def library(self) -> str:
        """The elements that draw its interactive figures; empty if it has none."""
        return library() if any(entry.parts for entry in (*self.exhibits, *self.beyond)) else ""


def html(page: Page) -> str:
    """Return one page that needs no other file and no network; whatever users can name is escaped."""
    return _render("report.html", page, escape=True)


def markdown(page: Page) -> str:
    """Return the same as Markdown, for the folder that the pictures are in."""
    return _render("report.md", page, escape=False)


def _render(template: str, page: Page, *, escape: bool) -> str:
    environment = Environment(
        loader=PackageLoader("lth.report"),
        autoescape=escape,  # noqa: S701 Markdown is no HTML: _plain escapes there
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["base64"] = lambda content: base64.b64encode(content).decode()
    environment.filters["plain"] = _plain
    environment.filters["shown"] = _shown
    environment.filters["breakable"] = _breakable
    return environment.get_template(template).render(page=page)


def _plain(text: str) -> str:
    """Return text that Markdown shows as it is, also inside a table."""
    for mark in "\\`*_[]<>|#":
        text = text.replace(mark, f"\\{mark}")
    return text.replace("\n", " ")


def _breakable(text: str) -> Markup:
    """Return escaped text that may be broken within a long name, as narrow tables need."""
    return Markup(str(escape(text)).replace("_", "_<wbr>"))  # noqa: S704 it is escaped


def _shown(cell: str | float | None) -> str:
    """Return a cell of a table as people read it."""
    if cell is None:
        return "–"
    return rounded(cell) if isinstance(cell, float) else str(cell)
