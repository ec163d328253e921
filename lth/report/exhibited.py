"""One figure or table of a report: its files, and what the page says of it, as far as evidence goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from lth.errors import LackingError
from lth.evidence.evidence import Evidence
from lth.evidence.table import Table, over_seeds, with_seeds
from lth.report.exhibit import Exhibit
from lth.report.figure.interactive import page_of
from lth.report.figure.saved import saved
from lth.report.page import ExhibitEntry, Source
from lth.report.provenance import watched
from lth.setting.terms import terms

Link = Callable[[str], str]


@dataclass(frozen=True)
class Exhibited:
    """What became of a figure or a table."""

    entry: ExhibitEntry
    files: Mapping[str, bytes]  # by artifact path; none where it can't be shown yet


@dataclass(frozen=True)
class _Seed:
    """What one seed's evidence shows."""

    evidence: Evidence
    table: Table
    sentence: str
    read: tuple[str, ...]  # names of what it was read from


def exhibited(exhibit: Exhibit, evidences: Sequence[Evidence], link: Link) -> Exhibited:
    """Return a figure or a table of the seeds that have what it needs, and the page's entry of it.

    Where no seed has everything, it is of the levels up to the last one that a seed has everything of; where
    there is none, the entry says what it waits for.

    Args:
        exhibit: What to show.
        evidences: One a seed, in order; parts of them may be missing.
        link: Returns the address of a run by its id.
    """
    last = evidences[0].last
    lacking: dict[int, str] = {}
    for upto in range(last, 0, -1):
        seeds = []
        for evidence in evidences:
            try:
                seeds.append(_seen(exhibit, replace(evidence, last=upto)))
            except LackingError as lack:
                lacking.setdefault(evidence.seed, lack.name)
        if seeds:
            try:
                files = _files(exhibit, seeds, several=len(evidences) > 1)
            except LackingError as lack:
                lacking.setdefault(seeds[0].evidence.seed, lack.name)
                continue
            told = _lacking(lacking, seeds, upto, last)
            return Exhibited(_entry(exhibit, seeds, files, told, link, several=len(evidences) > 1), files)
    return Exhibited(_entry(exhibit, [], {}, _lacking(lacking, [], last, last), link, several=False), {})


def _seen(exhibit: Exhibit, evidence: Evidence) -> _Seed:
    def everything(watching: Evidence) -> tuple[Table, str]:
        return exhibit.numbers(watching), exhibit.found(watching)

    (table, sentence), read = watched(everything, evidence)
    return _Seed(evidence, table, sentence, read)


def _lacking(lacking: Mapping[int, str], seeds: Sequence[_Seed], upto: int, last: int) -> str:
    """Return what is not shown, and the first thing that it waits for, a clause a seed; nothing if all is."""
    shown = {seed.evidence.seed for seed in seeds}
    waiting = {seed: name for seed, name in lacking.items() if upto < last or seed not in shown}
    if not waiting:
        return ""
    by_name: dict[str, list[str]] = {}
    for seed, name in waiting.items():
        by_name.setdefault(name, []).append(str(seed))
    names = "; ".join(
        f"{name} (seed{'s' if len(of) > 1 else ''} {', '.join(of)})" for name, of in by_name.items()
    )
    if not seeds:
        return f"Not there yet. It waits for {names}."
    parts = [f"levels up to {upto} of {last}"] if upto < last else []
    parts += [f"seed {', '.join(map(str, sorted(shown)))} alone"] if lacking.keys() - shown else []
    return f"Of {' and of '.join(parts)}. The rest waits for {names}."


def _files(exhibit: Exhibit, seeds: Sequence[_Seed], *, several: bool) -> dict[str, bytes]:
    """Return the numbers of each seed and of all, and the figure of all seeds or, without one, of each."""
    files: dict[str, bytes] = {}
    evidences = [seed.evidence for seed in seeds]
    for seed in seeds:
        path = f"{folder(seed.evidence)}/{exhibit.file}"
        files[f"{path}.csv"] = seed.table.csv().encode()
        # A picture takes a second: where one is of all seeds, those of each would be a minute's wait.
        if exhibit.draw is not None and (exhibit.draw_seeds is None or not several):
            files |= saved(exhibit.draw(seed.evidence), path)
        if exhibit.interactive is not None:
            files[f"{path}.html"] = page_of(exhibit.interactive(seed.evidence)).encode()
    if several:
        tables = {seed.evidence.seed: seed.table for seed in seeds}
        files[f"{exhibit.file}.csv"] = with_seeds(tables).csv().encode()
        if exhibit.draw_seeds is not None:
            files |= saved(exhibit.draw_seeds(evidences), exhibit.file)
    return files


def _entry(
    exhibit: Exhibit,
    seeds: Sequence[_Seed],
    files: Mapping[str, bytes],
    lacking: str,
    link: Link,
    *,
    several: bool,
) -> ExhibitEntry:
    own = f"{folder(seeds[0].evidence)}/{exhibit.file}" if seeds else exhibit.file
    path = exhibit.file if several else own
    drawn = path if f"{path}.png" in files else own
    tables = {seed.evidence.seed: seed.table for seed in seeds} if exhibit.draw is None else {}
    playful = seeds and exhibit.interactive is not None
    return ExhibitEntry(
        file=exhibit.file,
        path=path,
        title=terms().reworded(exhibit.title),
        paper=exhibit.paper,
        found=tuple((seed.evidence.seed, seed.sentence) for seed in seeds),
        lacking=lacking,
        image=files.get(f"{drawn}.png"),
        drawn=drawn,
        caption=_caption(exhibit, seeds),
        over_seeds=over_seeds(tables) if len(tables) > 1 else None,
        tables=tuple(tables.items()),
        interactive=f"{own}.html" if playful else None,
        parts=exhibit.interactive(seeds[0].evidence) if seeds and exhibit.interactive is not None else None,
        sources=tuple(sources(seed.evidence, seed.read, link) for seed in seeds),
    )


def _caption(exhibit: Exhibit, seeds: Sequence[_Seed]) -> str:
    """Return which seeds a picture shows, where it does not say so itself."""
    if exhibit.draw is None or exhibit.draw_seeds is not None or len(seeds) < 2:
        return ""
    first, *others = (str(seed.evidence.seed) for seed in seeds)
    return f"Of seed {first} alone; the same of seed {', '.join(others)} lies beside this report, in seed_…/."


def sources(evidence: Evidence, names: Sequence[str], link: Link) -> tuple[int, tuple[Source, ...]]:
    """Return the runs of what has these names, with their addresses, and the seed."""
    return evidence.seed, tuple(
        Source(name, link(evidence.runs[name]), name in evidence.former)
        for name in names
        if name in evidence.runs
    )


def folder(evidence: Evidence) -> str:
    """Return where the files of one seed are."""
    return f"seed_{evidence.seed}"
