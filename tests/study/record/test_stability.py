"""What a user reads of a stability: the step, how sure it is, and lines that can be pasted."""

import re
import shlex

import numpy as np
import pytest

from lth.evidence.stability import Pair, Stability
from lth.measure.interpolation import Interpolation
from lth.measure.kind.line import Line
from lth.plan.stability import Probe
from lth.report.figure.stability import draw_stability
from lth.setting.terms import Terms, speaking
from lth.study.record.stability import Asked, stability_note

SURE = {0: [0.3, 0.31, 0.29], 10: [0.3, 0.32, 0.31], 40: [0.0, 0.001, 0.002]}
VAGUE = {0: [0.3, 0.31, 0.29], 10: [0.0, 0.02, 0.03], 40: [0.0, 0.02, 0.03]}


def line(rise: float) -> Line:
    errors = np.array([0.1, 0.1 + rise, 0.1])
    return Line(Interpolation(np.linspace(0, 1, 3), errors, errors, errors, errors), None)


def found_in(rises: dict[int, list[float]], chance: float | None = 0.9) -> Stability:
    pairs = [
        Pair(seed, level, 1 - level / 10, step, (1, 2), line(rise))
        for level in (0, 3)
        for step, of_seeds in rises.items()
        for seed, rise in enumerate(of_seeds)
    ]
    return Stability(tuple(pairs), 0.02, chance=chance)


def asked(found: Stability) -> Asked:
    return Asked(
        title="digits · lr=0.2",
        probe=Probe(found.steps, levels=found.levels, copies=2),
        spelled={0: "0", 10: "10", 40: "2ep"},
        epochs={step: step / 20 for step in found.steps},
        end=100,
        given=["lr=0.2", "network=my own:net"],
        seeds=",".join(map(str, found.seeds)),
    )


def note(rises: dict[int, list[float]]) -> str:
    return stability_note(found_in(rises), asked(found_in(rises)))


def lines_of(text: str) -> dict[str, list[str]]:
    """Return the commands of a text as a shell splits them, by their names."""
    words = [shlex.split(command) for command in re.findall(r"`(lth [^`]+)`", text)]
    return {found[1]: [each for each in found[2:] if each != "-P"] for found in words}


def test_the_step_is_said_with_what_is_shown_and_lines_to_go_on_with(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # no checkout
    text = note(SURE)
    assert "**dense** is stable from step 40 (epoch 2) on; shown to be unstable at step 10 (epoch 0.5)" in text
    assert "**level 3** (70.0% of weights) is stable from step 40" in text
    lines = lines_of(text)
    assert lines["study"] == ["lr=0.2", "network=my own:net", "seeds=0,1,2", "rewind_step=2ep"]
    assert lines["stability"][-3:] == ["levels=0,3", "copies=2", "steps=10,14,20,28,2ep"]


def test_what_is_not_shown_is_said_to_be_open():
    text = note(VAGUE)
    assert "is stable from step 10 (epoch 0.5) on; shown to be unstable at step 0 (epoch 0)" in text
    assert "shown to be stable from none on" in text
    assert "rewind_step=10" in text


def test_one_seed_tells_no_interval_and_later_candidates_are_named_where_none_is_stable(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = note({step: of_seeds[:1] for step, of_seeds in {0: [0.3], 10: [0.3], 40: [0.3]}.items()})
    assert "stable from none of the candidates on" in text
    assert "one seed does not tell: `seeds=0,1,2`" in text
    assert "rewind_step=" not in text
    assert lines_of(text)["stability"][-1] == "steps=45%,60%,75%"


@pytest.mark.parametrize("rises", [SURE, VAGUE, {0: [0.0], 10: [0.0]}])
@pytest.mark.parametrize("said", [Terms(), Terms("mse", "r2", independent=False), Terms("m:cost", "m:skill")])
def test_figure_and_table_name_the_metric_and_the_loss_as_they_are(rises, said):
    found = found_in(rises, 0.9 if said.is_share else None)
    with speaking(said):
        figure = draw_stability(found, asked(found).epochs, "title")
        text = stability_note(found, asked(found))
    figure.canvas.draw()
    error, loss = figure.axes
    assert (error.get_title(), error.get_ylabel()) == (
        f"Barrier in {said.error_name}",
        f"barrier ({said.error_unit})",
    )
    assert loss.get_ylabel() == said.loss_axis("barrier")
    assert said.error_axis in text
    margin = "2 %" if said.is_share else "0.02"
    assert f"counts as a barrier: {margin}" in error.get_legend_handles_labels()[1]
    assert error.get_ylim()[0] <= 0
    guessing = "over a network that guesses" in error.get_legend_handles_labels()[1]
    assert guessing == said.is_share


def test_seeds_are_drawn_thin_beside_their_mean():
    found = found_in(SURE)
    error, _ = draw_stability(found, asked(found).epochs, "title").axes
    thin = [each for each in error.lines if each.get_alpha() is not None]
    assert len(thin) == 3 * 2  # seeds, levels
    means = [container.lines[0].get_ydata() for container in error.containers]
    np.testing.assert_allclose(means, 2 * [[100 * np.mean(values) for values in SURE.values()]])
