"""Measuring on a GPU: products, eigenvalues, losses; and one level of a study, trained and measured."""

from __future__ import annotations

from functools import partial
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu_problem import Problem, check, rate, say, timed
from lth.measure import Evaluator, HessianOperator, LevelSpace, Spectrum, Weights, plane_through
from lth.measure.kind.site import Site
from lth.measure.kind.take import take
from lth.measure.surveyor import Surveyor
from lth.plan.jobs import study_jobs
from lth.plan.place import Place
from lth.setting.preset import resolve
from lth.solution.problem import plan, set_up, solve
from lth.solution.solution import Solution
from lth.training.determinism import fix_workspaces

_EXAMPLES = (128, 1000, 5000)
_EPOCHS = 160  # of the preset


def measuring(problem: Problem, found: dict[str, Any]) -> None:
    """Measure what geometry is made of, at the initialisation under the mask."""
    fix_workspaces([problem.device])
    network, point = problem.network, problem.start.weights.to(problem.device)
    space, train = LevelSpace(problem.mask, point), problem.data.train
    vector = torch.randn(space.dimension, generator=torch.Generator().manual_seed(0)).to(problem.device)
    for count in _EXAMPLES:
        with check(found, f"products/s of {count} images"):
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            hessian = HessianOperator(network, point, space, train.take(torch.arange(count)))
            products, memory = rate(partial(hessian, vector)), torch.cuda.max_memory_allocated() / 2**30
            found[f"products_a_second_of_{count}_images"] = products
            say(f"products/s of {count} images", f"{products:.3g} ({memory:.1f} GiB)")
            del hessian
    evaluate = Evaluator(network, train.take(torch.arange(5000)))
    others = [point.map(partial(_shifted, by)) for by in (0.01, 0.02)]
    others[1] = Weights({n: t * 1.1 for n, t in others[1].parameters.items()}, others[1].buffers)
    plane = plane_through(point, *others)
    losses = rate(lambda: evaluate(plane.weights_at(0.1, 0.2)).loss)
    found["losses_a_second_on_a_plane_of_5000_images"] = losses
    say("losses/s on a plane, 5,000 images", f"{losses:.3g}")


def _shifted(by: float, tensor: Tensor) -> Tensor:
    return tensor + by if tensor.is_floating_point() else tensor


def level(problem: Problem, found: dict[str, Any]) -> None:
    """Train w(0) and level 1 of `resnet20-cifar10`, and take one measurement of each kind there."""
    given: dict[str, object] = {"levels": 1, "epochs": problem.epochs}
    if problem.epochs != _EPOCHS:
        given |= {"milestones": "none", "rewind_step": 100}
    setting = resolve("resnet20-cifar10", given)
    prepared, found["set_up_seconds"] = timed(partial(set_up, setting, problem.images, problem.device))
    solutions: dict[Place, Solution] = {}
    previous = None
    for place in (Place.imp(0), Place.imp(1)):
        start = plan(prepared, place, previous, solutions.get(Place.imp(0)))
        solution, seconds = timed(partial(solve, prepared, place, start, previous))
        solutions[place], previous = solution, solution
        last = solution.history[-1]
        found[f"training {place.name}"] = {
            "seconds": seconds,
            "test_accuracy": last.test.accuracy,
            "training_loss": last.train.loss,
        }
        say(
            f"training {place.name}, {problem.epochs} epochs",
            f"{seconds:.1f} s, test accuracy {last.test.accuracy:.4f}, training loss {last.train.loss:.4f}",
        )
    surveyor = Surveyor(prepared.network, prepared.data, setting.analysis.hessian_examples, setting.seed)
    _measure_level(Site(solutions.__getitem__, surveyor, setting), found)
    if "failed_checks" in found:
        return
    longest = found["training level 1"]["seconds"] * _EPOCHS / problem.epochs
    measured = sum(each["seconds"] * each["such_a_level"] for each in found["measurements"].values())
    found["chain_of_11_minutes"] = {"training": 11 * longest / 60, "measuring": 10 * measured / 60}
    say(f"11 trainings of {_EPOCHS} epochs, by these", f"{11 * longest / 60:.0f} min")
    say("measurements of 10 levels, by these", f"{10 * measured / 60:.0f} min")


def _measure_level(site: Site, found: dict[str, Any]) -> None:
    """Take one measurement of each kind at level 1, first of that whose time is least known."""
    there = (Place.imp(0), Place.imp(1))
    jobs = [
        job for job in study_jobs(1, site.setting.analysis) if job.level == 1 and set(job.needs) <= set(there)
    ]
    found["measurements"] = {}
    order = sorted(jobs, key=lambda job: (job.measure != "spectra", job.measure))
    for measure, alike in groupby(order, key=lambda job: job.measure):
        first, *others = alike
        with check(found, first.name):
            torch.cuda.reset_peak_memory_stats()
            results, seconds = timed(partial(take, first, site))
            memory = torch.cuda.max_memory_allocated() / 2**30
            such = 1 + len(others)
            noted = {"seconds": seconds, "peak_memory_gib": memory, "such_a_level": such}
            said = f"{seconds:.1f} s ({memory:.1f} GiB), {such} such a level"
            if measure == "spectra":
                spectrum = results["spectrum"]
                assert isinstance(spectrum, Spectrum)
                noted |= {"products": spectrum.num_products, "converged": spectrum.converged}
                said += f", {spectrum.num_products} products"
            found["measurements"][first.name] = noted
            say(first.name, said)
