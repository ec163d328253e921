"""Studies of several settings side by side: all of them done, then compared in one table and one figure."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence

from lth.errors import InputError
from lth.plan.keys import content_key
from lth.setting.grid import grid
from lth.setting.terms import Terms, in_common, speaking
from lth.study.completion import ALONE, Manner
from lth.study.open import Opening, build_replication
from lth.study.planning import Plan, one_after_the_other
from lth.study.record.comparison import SWEPT, Compared, log_comparison
from lth.study.record.tidy import joined
from lth.study.replication import Replication
from lth.tracking.store import KEY, Store

_VERSION = 1  # of what the comparison shows
_POLL_SECONDS = 2.0


class Sweep:
    """Every combination of some parameters' values, each as a study under every seed.

    The studies are those that `study` does with the same parameters, under the same keys: what is finished is
    found, an interrupted sweep goes on, and any of its studies can have its report. One is in memory at a time.

    Args:
        given: What a user wrote, by name; a parameter of several values is swept.
        seeds: Of each study; none for that of `given`, or its default.
        store: Where everything is tracked.
        say: Tells the user.

    Raises:
        InputError: If a value can't be read or is out of range, nothing is swept, or a study can't be done.
    """

    def __init__(
        self, given: Mapping[str, str], seeds: Sequence[str], store: Store, say: Callable[[str], None]
    ) -> None:
        if "seed" in given and "," in given["seed"]:
            raise InputError("seed has several values; write seeds=0,1,2, which are compared by their mean")
        self._swept, combined = grid(given)
        self._openings = [Opening.read(one) for one in combined]
        self._seeds, self._store, self._say = seeds, store, say
        self._last: Replication | None = None

    @property
    def name(self) -> str:
        """What a person calls it."""
        return f"sweep of {', '.join(self._swept)}, {len(self._openings)} settings"

    def check(self) -> None:
        """Check that each study can be done, before anything is trained for one.

        Raises:
            InputError: If one can't.
        """
        for number in range(len(self._openings)):
            for study in self._replication(number, _quietly).studies:
                study.check()

    def plan(self) -> str:
        """Return what is to be done, in how many hours, and with how many workers how fast; nothing is done.

        What several settings need is counted where the first does it.
        """
        done, plans = set[str](), list[tuple[str, Plan]]()
        for number in range(len(self._openings)):
            plan = self._replication(number, _quietly).plan(done)
            done |= plan.to_do
            plans.append((self._heading(number), plan))
        return one_after_the_other(plans)

    @property
    def worthwhile_workers(self) -> int:
        """How many processes are worth it on this machine: those of one setting, which are done one by one."""
        return self._replication(0, _quietly).worthwhile_workers

    def complete(self, manner: Manner = ALONE) -> str:
        """Complete every study, and compare them; return the run that holds the comparison.

        Args:
            manner: Where tasks are done, and what follows where one fails.

        Raises:
            UnfinishedError: If tasks of a setting failed.
        """
        keys: list[str] = []
        settings: list[Compared] = []
        spoken = set[Terms]()
        for index, opening in enumerate(self._openings):
            values = self._values(opening)
            self._say(self._heading(index))
            replication = self._replication(index, self._say)
            replication.finish(manner)
            studies = replication.studies
            runs = {study.problem.setting.seed: study.run_id for study in studies}
            rows = {study.problem.setting.seed: study.rows() for study in studies}
            every = joined([study.table() for study in studies])
            keys += [study.problem.keys.evidence() for study in studies]
            settings.append(Compared(values, rows, every, runs))
            spoken |= {study.problem.terms for study in studies}
        with speaking(in_common(spoken)):
            return self._compare(settings, keys)

    def comparison(self, run_id: str) -> str:
        """Return the comparison for a terminal: as the run of a sweep states it, without its links."""
        return re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", self._store.note(run_id))

    def where(self, run_id: str, path: str) -> str:
        """Return where a person finds a file of the comparison."""
        return self._store.where(run_id, path)

    def _compare(self, settings: Sequence[Compared], keys: Sequence[str]) -> str:
        swept = {name: [setting.values[name] for setting in settings] for name in self._swept}
        key = content_key({"task": "sweep", "version": _VERSION, "evidence": list(keys), "swept": swept})
        tags = {"kind": "sweep", SWEPT: ",".join(self._swept), KEY: key}
        while (found := self._store.find(key)) is None:
            with self._store.open_alone(self.name, tags, adopt=True) as run:
                if run is not None:
                    said = {name: ",".join(dict.fromkeys(values)) for name, values in swept.items()}
                    seeds = ",".join(map(str, settings[0].rows))
                    run.params({**said, "seeds": seeds}, {})
                    log_comparison(run, settings, self._store.link)
                    return run.run_id
            time.sleep(_POLL_SECONDS)  # another process draws it
        self._say(f"{self.name}: found in run {found}, nothing to compute")
        self._store.point_to(found, self.name)
        return found

    def _replication(self, index: int, say: Callable[[str], None]) -> Replication:
        """Open the studies of a setting; those of the one before are given up, all but their data set."""
        opening, sibling = self._openings[index], None
        if self._last is not None:
            wanted, last = opening.setting().data, self._last.studies[0].problem.setting.data
            if (wanted.dataset, wanted.image_size) == (last.dataset, last.image_size):
                sibling = self._last.studies[0]
        self._last = build_replication(opening, self._seeds, self._store, say, sibling=sibling)
        return self._last

    def _heading(self, index: int) -> str:
        named = " ".join(f"{name}={value}" for name, value in self._values(self._openings[index]).items())
        return f"setting {index + 1} of {len(self._openings)}: {named}"

    def _values(self, opening: Opening) -> dict[str, str]:
        spelled = {"preset": opening.preset or "", **opening.parameters}
        return {name: spelled[name] for name in self._swept}


def _quietly(_line: str) -> None:
    """Say nothing: it is said when the study is done."""
