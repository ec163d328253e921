import pytest

from lth import memory
from lth.memory import available_memory


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Return a function that writes files of cgroups, on a machine with 1,000 bytes to have."""

    class Memory:
        available = 1000

    monkeypatch.setattr("psutil.virtual_memory", Memory)
    monkeypatch.setattr(memory, "_CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "_OWN", tmp_path / "own")

    def write(own: str, files: dict[str, str]) -> None:
        (tmp_path / "own").write_text(own)
        for name, content in files.items():
            (tmp_path / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "cgroup" / name).write_text(content)

    return write


def v2(limit: str, usage: int, idle: int, under: str = "") -> dict[str, str]:
    stat = f"anon 5\ninactive_file {idle}\nactive_file 3\n"
    return {f"{under}memory.max": limit, f"{under}memory.current": f"{usage}\n", f"{under}memory.stat": stat}


def v1(limit: str, usage: int, idle: int, under: str = "memory/") -> dict[str, str]:
    stat = f"inactive_file 1\ntotal_inactive_file {idle}\n"
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat")
    return {f"{under}{name}": text for name, text in zip(names, (limit, f"{usage}\n", stat), strict=True)}


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/\n", {}, 1000),
        ("0::/\n", v2("max\n", 900, 0), 1000),
        ("0::/\n", v2("800\n", 500, 100), 400),
        ("0::/\n", v2("8000\n", 500, 100), 1000),
        ("0::/\n", v2("800\n", 900, 0), 0),
        ("0::/job/step\n", {**v2("700\n", 100, 0, "job/"), **v2("max\n", 50, 0, "job/step/")}, 600),
        ("0::/job/step\n", {**v2("700\n", 100, 0, "job/"), **v2("300\n", 50, 0, "job/step/")}, 250),
        ("4:memory:/\n0::/\n", v1("500\n", 200, 50), 350),
        ("7:cpu,memory:/job\n", v1("500\n", 200, 50, "memory/job/"), 350),
        ("7:cpu:/job\n", v1("500\n", 200, 50, "memory/job/"), 1000),
        ("0::/../elsewhere\n", v2("nonsense", 1, 1), 1000),
        ("nonsense", v2("1\n", 0, 0), 1000),
    ],
)
def test_a_process_has_what_the_least_of_its_cgroups_leaves_it(machine, own, files, expected):
    machine(own, files)
    assert available_memory() == expected


def test_a_machine_without_cgroups_has_what_it_has(machine):
    assert available_memory() == 1000
