"""Predictions, held against what the benchmarks measured, and the table of docs/presets.md against them."""

import json
import re
from pathlib import Path

import pytest

from lth.plan.cost import CPU, H100, Hardware, Size, seconds_of
from lth.plan.jobs import CurvatureJob, LineJob, RadiiJob, places, study_jobs
from lth.plan.place import Place, Point
from lth.plan.tasks import Task
from lth.setting.preset import PRESETS, resolve
from lth.setting.setting import Setting

ROOT = Path(__file__).parent.parent.parent
RESNET20, VGG16, DIGITS, TOPICS = 40.8e6, 313.2e6, 0.193e6, 1.79e6  # products of a forward pass
CIFAR, FASHION = (50_000, 10_000), (60_000, 10_000)
SIZES = {
    "digits": Size(1437, 360, DIGITS),
    "topics": Size(2048, 726, TOPICS),
    "resnet20-cifar10": Size(*CIFAR, RESNET20),
    "vgg16-cifar10": Size(*CIFAR, VGG16),
    "resnet20-fashion-mnist": Size(*FASHION, RESNET20 * (28 / 32) ** 2),
    "mnist_lenet_300_100": Size(*FASHION, 0.266e6),
    "cifar_resnet_20": Size(*CIFAR, RESNET20),
    "cifar_vgg_16": Size(*CIFAR, VGG16),
    "imagenet_resnet_50": Size(1_281_167, 50_000, 4089e6),
}
OF_CIFAR = resolve("resnet20-cifar10", {})
HERE = Point.at(Place.imp(1))


def seconds(node: object, setting: Setting, size: Size, hardware: Hardware, threads: int = 1) -> float:
    precision = "fp32" if setting.training.precision == "fp32" else "bf16"
    return seconds_of(Task("key", node, ()), setting, size, hardware, precision, threads)


def study_seconds(setting: Setting, size: Size, hardware: Hardware, threads: int) -> float:
    levels, analysis = setting.pruning.levels, setting.analysis
    nodes = [*places(levels, analysis.every_level), *study_jobs(levels, analysis)]
    return sum(seconds(node, setting, size, hardware, threads) for node in nodes)


@pytest.mark.parametrize(
    ("node", "hardware", "threads", "examples", "measured"),
    [
        (Place.imp(1), H100, 1, CIFAR, 160 * 50_000 / 48_500),
        (Place.imp(1), CPU, 2, CIFAR, 160 * 50_000 / 599),
        (RadiiJob((HERE, Point.projection(1)), "filter"), H100, 1, CIFAR, 30.5),
        (LineJob(HERE, Point.at(Place.imp(0))), H100, 1, CIFAR, 38.7),
        (CurvatureJob(HERE), H100, 1, CIFAR, (250 + 20) / 3.4),
        (CurvatureJob(HERE), CPU, 2, (1280, 100), (240 + 20) * 0.51),
    ],
)
def test_a_prediction_is_within_a_half_of_what_was_measured(node, hardware, threads, examples, measured):
    predicted = seconds(node, OF_CIFAR, Size(*examples, RESNET20), hardware, threads)
    assert measured / 1.5 < predicted < 1.5 * measured


def test_the_reference_study_took_about_what_is_predicted():
    stored = json.loads((ROOT / "results" / "digits" / "study.json").read_text())
    setting = resolve("digits", {name: value for name, value in stored["settings"].items() if name != "preset"})
    predicted = len(stored["evidence_keys"]) * study_seconds(setting, SIZES["digits"], CPU, 1) / 3600
    assert stored["hours_of_all_tasks"] / 2 < predicted < 2 * stored["hours_of_all_tasks"]


@pytest.mark.parametrize(
    ("parameter", "more"),
    [
        ("epochs", "60"),
        ("levels", "9"),
        ("k", "200"),
        ("directions", "90"),
        ("grid", "99"),
        ("matched_loss", "on"),
    ],
)
def test_more_work_takes_longer(parameter, more):
    size = SIZES["digits"]
    less = study_seconds(PRESETS["digits"], size, CPU, 1)
    assert study_seconds(resolve("digits", {parameter: more}), size, CPU, 1) > less


@pytest.mark.parametrize("preset", PRESETS)
def test_the_readme_tells_the_hours_that_are_predicted(preset):
    (row,) = re.findall(
        rf"^\| `{preset}` \| ([\d.,]+) \| ([\d.,]+) \|$",
        (ROOT / "docs" / "presets.md").read_text(),
        re.MULTILINE,
    )
    setting, size = PRESETS[preset], SIZES[preset]
    hours = [
        study_seconds(setting, size, hardware, threads) / 3600
        for hardware, threads in ((CPU, 1 if preset in ("digits", "topics") else 2), (H100, 1))
    ]
    told = [float(cell.replace(",", "")) for cell in row]
    assert told == [pytest.approx(each, rel=0.06) for each in hours]
