"""Measuring on a GPU: products, eigenvalues, losses; and one level of a study, trained and measured."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch

from benchmarks.gpu_problem import Problem, rate, say, timed
from lth.measure import Evaluator, HessianOperator, LevelSpace, Weights, leading_spectrum, plane_through
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


def measuring(problem: Problem) -> Mapping[str, object]:
    """Measure what geometry is made of, at the initialisation under the mask."""
    fix_workspaces([problem.device])
    network, point = problem.network, problem.start.weights.to(problem.device)
    space, train = LevelSpace(problem.mask, point), problem.data.train
    found: dict[str, object] = {}
    vector = torch.randn(space.dimension, generator=torch.Generator().manual_seed(0)).to(problem.device)
    for count in _EXAMPLES:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        hessian = HessianOperator(network, point, space, train.take(torch.arange(count)))
        products, memory = rate(partial(hessian, vector)), torch.cuda.max_memory_allocated() / 2**30
        found[f"products_a_second_of_{count}_images"] = products
        say(f"products/s of {count} images", f"{products:.3g} ({memory:.1f} GiB)")
    spectrum, seconds = timed(partial(leading_spectrum, hessian, 100, seed=0))
    found["spectrum"] = {"products": spectrum.num_products, "seconds": seconds, "converged": spectrum.converged}
    say(f"100 eigenvalues of {count} images", f"{seconds:.1f} s, {spectrum.num_products} products")
    del hessian
    evaluate = Evaluator(network, train.take(torch.arange(5000)))
    others = [point.map(lambda t, s=s: t + s if t.is_floating_point() else t) for s in (0.01, 0.02)]
    others[1] = Weights({n: t * 1.1 for n, t in others[1].parameters.items()}, others[1].buffers)
    plane = plane_through(point, *others)
    losses = rate(lambda: evaluate(plane.weights_at(0.1, 0.2)).loss)
    found["losses_a_second_on_a_plane_of_5000_images"] = losses
    say("losses/s on a plane, 5,000 images", f"{losses:.3g}")
    return found


def level(problem: Problem) -> Mapping[str, object]:
    """Train and measure level 1 of `resnet20-cifar10` as a study does, and w(0), which it is pruned from."""
    given = {"levels": 1, "epochs": problem.epochs}
    if problem.epochs != 160:
        given |= {"milestones": "none", "rewind_step": 100}
    setting = resolve("resnet20-cifar10", given)
    prepared, setup = timed(partial(set_up, setting, problem.images, problem.device))
    found: dict[str, object] = {"set_up_seconds": setup}
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
    site = Site(solutions.__getitem__, surveyor, setting)
    total = 0.0
    for job in study_jobs(1, setting.analysis):
        if not set(job.needs) <= set(solutions):
            continue
        torch.cuda.reset_peak_memory_stats()
        _, seconds = timed(partial(take, job, site))
        total += seconds
        found[job.name] = {"seconds": seconds, "peak_memory_gib": torch.cuda.max_memory_allocated() / 2**30}
        say(job.name, f"{seconds:.1f} s ({torch.cuda.max_memory_allocated() / 2**30:.1f} GiB)")
    training = found["training level 1"]["seconds"]  # type: ignore[index]
    found["chain_of_11_minutes"] = (11 * training + 10 * total) / 60
    say("11 trainings and 10 levels' measurements, by these", f"{found['chain_of_11_minutes']:.0f} min")
    return found
