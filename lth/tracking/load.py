"""Solutions pulled from the tracking store for downstream analysis."""

from __future__ import annotations

from lth.setting.preset import PRESETS
from lth.solution.solution import Solution
from lth.tracking.store import FROM_RUN, KEY, Store


def load_by_run(run_id: str) -> Solution:
    """Return the solution of a run, with its trajectory.

    Raises:
        ValueError: If the run does not exist or holds no solution.
    """
    return Store().load_solution(run_id, trajectory=True)


def load_by_place(*, level: int, kind: str, preset: str, seed: int, changes: str) -> Solution:
    """Return the latest finished solution of this place in a study, with its trajectory.

    Solutions that continue the lineage of another study are left out: name them by their run.

    Raises:
        ValueError: If there is none, or there are several of different content.
    """
    if preset not in PRESETS:
        raise ValueError(f"preset={preset!r} is unknown; choose one of {', '.join(PRESETS)}")
    store = Store()
    place = {"kind": kind, "level": str(level), "preset": preset, "seed": str(seed)}
    for name, value in place.items():
        if "'" in value:
            raise ValueError(f"{name}={value!r} holds a quote; no run has such a tag")
    filters = [f"tags.{name} = '{value}'" for name, value in place.items()]
    runs = store.search(" AND ".join([*filters, "attributes.status = 'FINISHED'"]))
    wanted = " ".join(sorted(changes.split()))
    runs = [run for run in runs if FROM_RUN not in run.data.tags]
    fitting = [run for run in runs if run.data.tags.get("changes", "") == wanted]
    described = ", ".join(f"{name}={value}" for name, value in place.items())
    if not fitting:
        seen = sorted({run.data.tags.get("changes", "") for run in runs})
        other = f"; with other changes there is {', '.join(map(repr, seen))}" if seen else "; train it first"
        raise ValueError(f"no finished solution has {described}, changes={changes!r}{other}")
    if len({run.data.tags[KEY] for run in fitting}) > 1:
        choices = ", ".join(f"{run.info.run_id} ({run.data.tags.get('dataset')})" for run in fitting)
        raise ValueError(f"several solutions have {described}; name one by its run_id: {choices}")
    return store.load_solution(fitting[0].info.run_id, trajectory=True)
