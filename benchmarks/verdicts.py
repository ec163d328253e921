"""How often the rule of a verdict decides and errs, beside the rule before it; on simulated studies.

    python -m benchmarks.verdicts

A study is a table of normal values, a row a seed and a column a case, with means in units of the standard
deviation over seeds. Cases depend on each other: `shared` has a correlation of 0.3 between any two,
`successive` has differences of neighbours, which share a solution with opposite sign, as levels do. The rules:

- `before`: two-sided t intervals of confidence 1 - 5 %/m for m cases; supported if all are above zero, refuted
  if one is below; values without spread decide nothing.
- `5 %`: `lth.evidence.rule` with all of 5 % (an intersection-union test, and Holm).
- `first look`: the same with what the first look at a study of so many seeds may spend (`lth.evidence.looks`).

Everything is drawn from fixed seeds: the figures are the same wherever they are taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click
import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, stdtrit

from benchmarks.environment import environment, print_table, write_results
from lth.evidence.certainty import ALPHA, estimate_mean
from lth.evidence.looks import look_at, spent
from lth.evidence.rule import Verdict, judge_every, judge_mean

NAME = "verdicts"
SEEDS = (3, 5, 10)
LOOKS = (3, 5, 7, 10, 15)
FAR = 30.0  # standard deviations: a case that is never in doubt
Rule = Callable[[np.ndarray], Verdict]  # of a study, (seeds, cases)


@click.command()
@click.option(
    "--studies", default=2000, show_default=True, type=click.IntRange(min=100), help="For each number."
)
def main(studies: int) -> None:
    """Simulate, print and store the tables."""
    surroundings = environment(1, {})
    results = {
        "power": _power(studies),
        "power_against": _power_against(studies),
        "errors": _errors(studies),
        "looks": _looks(studies),
        "counts": _counts(studies),
    }
    write_results(NAME, NAME, surroundings, {"studies": studies}, results)
    for title, rows in results.items():
        headings = list(rows[0])
        print_table(title, headings, [[_shown(row[heading]) for heading in headings] for row in rows])


def _power(studies: int) -> list[dict[str, Any]]:
    """How often a claim that holds in every case is supported, and on average."""
    rows = []
    for effect, cases in ((2, 10), (4, 10), (8, 10), (2, 5), (4, 5), (1, 10)):
        for seeds in SEEDS:
            drawn = _shared(studies, seeds, [effect] * cases)
            shares = {name: _share(rule, drawn, "supported") for name, rule in RULES.items()}
            on_average = _share(_on_average, drawn, "supported")
            rows.append({"effect": effect, "cases": cases, "seeds": seeds, **shares, "on average": on_average})
    return rows


def _power_against(studies: int) -> list[dict[str, Any]]:
    """How often a claim that fails in some of ten cases, and holds far in the others, is refuted."""
    rows = []
    for effect, failing in ((2, 1), (4, 1), (2, 10), (4, 10)):
        for seeds in SEEDS:
            drawn = _shared(studies, seeds, [-effect] * failing + [FAR] * (10 - failing))
            shares = {name: _share(rule, drawn, "refuted") for name, rule in RULES.items()}
            rows.append({"effect": -effect, "failing": failing, "seeds": seeds, **shares})
    return rows


def _errors(studies: int) -> list[dict[str, Any]]:
    """How often a verdict is wrong where that is likeliest: ten cases, of which some have a mean of zero."""
    rows = []
    for wrong, means in (
        ("supported", [0.0] + [FAR] * 9),
        ("supported", [0.0] * 10),
        ("refuted", [0.0] * 10),
        ("refuted", [0.0] * 5 + [FAR] * 5),
    ):
        for dependence, draw in (("shared", _shared), ("successive", _successive)):
            for seeds in SEEDS:
                drawn = draw(studies, seeds, means)
                shares = {name: _share(rule, drawn, wrong) for name, rule in RULES.items()}
                zero = sum(mean == 0 for mean in means)
                rows.append(
                    {"wrong": wrong, "at zero": zero, "dependence": dependence, "seeds": seeds, **shares}
                )
    return rows


def _looks(studies: int) -> list[dict[str, Any]]:
    """How often any of five looks at a study that grows decides, and how often wrongly."""
    rows = []
    for said, means, verdict in (
        ("one case at zero: supported", [0.0], "supported"),
        ("one case at zero: either", [0.0], None),
        ("ten cases, one at zero: supported", [0.0] + [FAR] * 9, "supported"),
        ("ten cases at zero: refuted", [0.0] * 10, "refuted"),
        ("ten cases at 1 sd: supported", [1.0] * 10, "supported"),
        ("ten cases at 2 sd: supported", [2.0] * 10, "supported"),
        ("ten cases at 4 sd: supported", [4.0] * 10, "supported"),
    ):
        drawn = _shared(studies, LOOKS[-1], means)
        looks = [look_at(map(range, LOOKS[:index]), range(seeds)) for index, seeds in enumerate(LOOKS)]
        naive = [[_judged(study[:seeds], ALPHA) for seeds in LOOKS] for study in drawn]
        spent = [
            [_judged(study[:seeds], look.error) for seeds, look in zip(LOOKS, looks, strict=True)]
            for study in drawn
        ]
        rows.append({"": said, "5 % at each": _ever(naive, verdict), "spent": _ever(spent, verdict)})
    return rows


def _counts(studies: int) -> list[dict[str, Any]]:
    """How often three seeds support a claim on a statistic that takes whole steps, as a count of examples does.

    With a margin subtracted no step is at zero. In the rows of mean zero the steps are 0.1 above whole numbers:
    a seed in ten is a step lower than the others, and three that agree are seen more often than not.
    """
    rows = []
    for mean, shift in ((0.0, 0.1), (1.0, 0.0), (2.0, 0.0), (3.0, 0.0)):
        for spread in (0.1, 0.3, 0.6, 1.0, 2.0):
            centre = brentq(_rounded_mean, -9.0, 9.0, args=(spread, mean - shift))
            drawn = np.round(_shared(studies, 3, [centre / spread]) * spread) + shift
            shares = {name: _share(rule, drawn, "supported") for name, rule in OF_COUNTS.items()}
            rows.append({"mean, steps": f"{mean:g}", "sd, steps": f"{spread:g}", **shares})
    return rows


def _rounded_mean(centre: float, spread: float, wanted: float) -> float:
    """Return the mean of a normal value after it was rounded to a whole number, minus the mean wanted."""
    steps = np.arange(1, 30) - 0.5
    return float((ndtr((centre - steps) / spread) - ndtr((-steps - centre) / spread)).sum()) - wanted


def _before(study: np.ndarray) -> Verdict:
    seeds, cases = study.shape
    mean, deviation = study.mean(axis=0), study.std(axis=0, ddof=1)
    half = stdtrit(seeds - 1, 1 - ALPHA / (2 * cases)) * deviation / np.sqrt(seeds)
    known = np.ptp(study, axis=0) > 1e-9
    if (known & (mean + half < 0)).any():
        return "refuted"
    return "supported" if (known & (mean - half > 0)).all() else "undecided"


def _judged(study: np.ndarray, alpha: float, resolution: float = 0.0) -> Verdict:
    cases = [estimate_mean(case.tolist(), resolution=resolution) for case in study.T]
    return judge_every(cases, alpha).verdict


def _on_average(study: np.ndarray) -> Verdict:
    return judge_mean(estimate_mean(study.mean(axis=1).tolist()), spent(len(study)))


def _at_five(study: np.ndarray) -> Verdict:
    return _judged(study, ALPHA)


def _within_half_a_step(study: np.ndarray) -> Verdict:
    return _judged(study, ALPHA, resolution=1.0)


def _first_look(study: np.ndarray) -> Verdict:
    return _judged(study, spent(len(study)))


OF_COUNTS: dict[str, Rule] = {
    "before": _before,
    "t, 5 %": _at_five,
    "within half a step, 5 %": _within_half_a_step,
}
RULES: dict[str, Rule] = {"before": _before, "5 %": _at_five, "first look": _first_look}


def _shared(studies: int, seeds: int, means: Sequence[float]) -> np.ndarray:
    """Return studies whose cases have a correlation of 0.3, (studies, seeds, cases)."""
    stream = np.random.default_rng([studies, seeds, len(means)])
    shared, own = stream.normal(size=(studies, seeds, 1)), stream.normal(size=(studies, seeds, len(means)))
    return np.asarray(means) + np.sqrt(0.3) * shared + np.sqrt(0.7) * own


def _successive(studies: int, seeds: int, means: Sequence[float]) -> np.ndarray:
    """Return studies whose cases are differences of neighbours: correlation -0.5 to the next, (…, cases)."""
    solutions = np.random.default_rng([studies, seeds]).normal(size=(studies, seeds, len(means) + 1))
    return np.asarray(means) + (solutions[..., 1:] - solutions[..., :-1]) / np.sqrt(2)


def _share(rule: Rule, studies: np.ndarray, verdict: str) -> float:
    return sum(rule(study) == verdict for study in studies) / len(studies)


def _ever(looks: Sequence[Sequence[Verdict]], verdict: str | None) -> float:
    """Return the share of studies of which some look gave the verdict; None takes either."""
    wanted = ("supported", "refuted") if verdict is None else (verdict,)
    return sum(any(look in wanted for look in study) for study in looks) / len(looks)


def _shown(cell: object) -> str:
    return f"{100 * cell:.1f} %" if isinstance(cell, float) else str(cell)


if __name__ == "__main__":
    main()
