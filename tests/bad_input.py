"""What users may get wrong: a command line, and what lth says of it in one line before any work.

docs/faults.md shows the same; `python tests/bad_input.py` prints its table.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = "{folder}"  # stands for a directory that `make` has filled


@dataclass(frozen=True)
class BadInput:
    """One command line that is refused."""

    command: str
    arguments: tuple[str, ...]
    said: str  # a part of the line that names value and remedy
    make: Callable[[Path], None] | None = None

    def __str__(self) -> str:
        return f"{self.command} {' '.join(self.arguments)}"[:100].encode("unicode_escape").decode()

    def line(self, folder: Path) -> list[str]:
        """Return the arguments, with `folder` in the place of its sign."""
        if self.make is not None:
            self.make(folder)
        return [argument.replace(FOLDER, str(folder)) for argument in self.arguments]


def _image(path: Path, size: tuple[int, int] = (6, 6), mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros(size, dtype=np.uint16 if mode == "I;16" else np.uint8)).save(path)


def _folder(root: Path) -> None:
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            _image(root / split / name / "1.png")


def _no_test(root: Path) -> None:
    for name in ("cat", "dog"):
        _image(root / "train" / name / "1.png")


def _empty_class(root: Path) -> None:
    _folder(root)
    (root / "train" / "dog" / "1.png").unlink()


def _class_without_training(root: Path) -> None:
    _folder(root)
    _image(root / "test" / "fox" / "1.png")


def _corrupt_image(root: Path) -> None:
    _folder(root)
    (root / "train" / "cat" / "2.png").write_bytes(b"\x89PNG no image")


def _truncated_image(root: Path) -> None:
    _folder(root)
    _image(root / "train" / "cat" / "2.png", (60, 60))
    content = (root / "train" / "cat" / "2.png").read_bytes()
    (root / "train" / "cat" / "2.png").write_bytes(content[: len(content) // 2])


def _transparent_image(root: Path) -> None:
    _folder(root)
    Image.new("RGBA", (6, 6), (9, 9, 9, 0)).save(root / "train" / "cat" / "2.png")


def _huge_image(root: Path) -> None:
    _folder(root)
    header = b"BM" + bytes(8) + bytes([54, 0, 0, 0, 40, 0, 0, 0])  # and then width, height, planes, bits
    size = (60_000).to_bytes(4, "little")
    (root / "train" / "cat" / "2.bmp").write_bytes(header + size + size + bytes([1, 0, 24, 0]) + bytes(99))


def _two_sizes(root: Path) -> None:
    _folder(root)
    _image(root / "train" / "cat" / "2.png", (7, 6))


def _sixteen_bits(root: Path) -> None:
    _folder(root)
    _image(root / "train" / "cat" / "2.png", mode="I;16")


def _truncated_idx(root: Path) -> None:
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (root / f"{name}-ubyte").write_bytes(b"\x00\x00\x08\x03\x00")


def _setting(name: str, value: str, said: str, command: str = "train_dense") -> BadInput:
    return BadInput(command, (f"--{name}={value}",), said)


def _data(function: str, said: str) -> BadInput:
    return _setting("dataset", f"odd_problem:{function}", said)


def _network(function: str, said: str) -> BadInput:
    return _setting("network", f"odd_problem:{function}", said)


def _images(make: Callable[[Path], None], said: str, dataset: str = "imagefolder") -> BadInput:
    return BadInput("train_dense", (f"--dataset={dataset}", f"--data_dir={FOLDER}"), said, make)


LEVELS = [
    BadInput("imp_level", (), "Missing option '--level'"),
    BadInput("imp_level", ("--level=",), "'' is not a level"),
    BadInput("imp_level", ("--level=0",), "0 is the dense network; use train_dense"),
    BadInput("imp_level", ("--level=-1",), "-1 is not a level"),
    BadInput("imp_level", ("--level=abc",), "'abc' is not a level; write a whole number, such as 3"),
    BadInput("imp_level", ("--level=3.5",), "'3.5' is not a level"),
    BadInput("imp_level", ("--level=nan",), "'nan' is not a level"),
    BadInput("imp_level", ("--level=101",), "101 is not a level; write a whole number from 0 to 100"),
    BadInput("imp_level", ("--level=1", "--from_run=abc"), "there is no run 'abc'"),
    BadInput("imp_level", ("--level=1", "--from_run=../../etc"), "there is no run '../../etc'"),
    BadInput("imp_level", ("--level=1", "--from_run="), "there is no run ''"),
    BadInput("baseline", ("--level=1",), "Missing option '--kind'"),
    BadInput("baseline", ("--level=1", "--kind=magic"), "'magic' is not one of"),
    BadInput("baseline", ("--level=1", "--kind=one-shot"), "did you mean one_shot?"),
    BadInput("baseline", ("--level=0", "--kind=one_shot"), "0 is the dense network"),
    BadInput("analyze", ("--level=x",), "'x' is not a level"),
    BadInput("analyze", ("--measures=entropy",), "'entropy' unknown; known are spectra, radii"),
    BadInput("analyze", ("--measures=",), "measures='': '' unknown"),
    BadInput("analyze", ("--fresh=true",), "fresh=true needs a level"),
    BadInput("analyze", ("--level=0", "--measures=lines"), "level 0 has no lines of its own; it has spectra"),
    BadInput("study", ("--seeds=0,x",), "seeds='0,x' are not whole numbers; write 0,1,2 or 0-2"),
    BadInput("study", ("--seeds=",), "seeds='' are not whole numbers"),
    BadInput("study", ("--seeds=0,00",), "seeds='0,00' names seed 0 twice; give each once"),
    BadInput("study", ("--seeds=1", "--seed=1"), "leave one of them out"),
    BadInput("report", ("--fresh=true",), "report draws anew anyway"),
    BadInput("main", ("--fresh=true",), "one entry point at a time"),
    BadInput("train_dense", ("--epoch=3",), "No such option"),
    BadInput("train_dense", ("3",), "Got unexpected extra argument (3)"),
]

PARAMETERS = [
    _setting("preset", "nope", "preset='nope' is unknown; choose one of digits, topics"),
    _setting("preset", "", "preset='' is unknown"),
    _setting("seed", "-1", "seed=-1 is out of range; expected a whole number from 0 to 2147483647"),
    _setting("seed", "2147483648", "seed=2147483648 is out of range"),
    _setting("seed", "1e3", "seed='1e3': expected a whole number"),
    _setting("seed", "٣", "seed='٣': expected a whole number"),
    _setting("seed", "1_0", "seed='1_0': expected a whole number"),
    _setting("epochs", "0", "epochs=0 is out of range; expected a whole number from 1 to 1000000"),
    _setting("epochs", "many", "epochs='many': expected a whole number"),
    _setting("epochs", "", "epochs='': expected a whole number"),
    _setting("epochs", "1000000000000000000000", "epochs='1000000000000000000000': expected a whole number"),
    _setting("epochs", "9" * 1001, "has 1,001 characters; write at most 1,000"),
    _setting("batch_size", "1", "batch_size=1 is out of range; expected at least 2 (BatchNorm)"),
    _setting("lr", "-0.1", "lr=-0.1 is out of range; expected a positive number"),
    _setting("lr", "0", "lr=0.0 is out of range"),
    _setting("lr", "nan", "lr='nan': expected a finite number"),
    _setting("lr", "1e999", "lr='1e999': expected a finite number"),
    _setting("lr", "1e300", "lr=1e+300 is out of range; expected a positive number below 3.4e+38"),
    _setting("lr", "0,1", "lr='0,1': expected a number"),
    _setting("momentum", "1", "momentum=1.0 is out of range; expected a number in [0, 1)"),
    _setting("momentum", "-0.1", "momentum=-0.1 is out of range"),
    _setting("weight_decay", "inf", "weight_decay='inf': expected a finite number"),
    _setting("weight_decay", "-1", "weight_decay=-1.0 is out of range; expected zero or more"),
    _setting("weight_decay", "1e300", "weight_decay=1e+300 is out of range; expected zero or more, below"),
    _setting("milestones", "2ep,x", "'x' is not a step; write iterations as `500` or epochs as `2ep`"),
    _setting("milestones", "", "milestones='': expected a list such as a,b, or none"),
    _setting("milestones", "2ep,1ep", "milestones=2ep,1ep do not rise; write them in order"),
    _setting("milestones", "9ep", "milestone 9ep is step 27, but training ends at step 9"),
    _setting("rewind_step", "9", "rewind_step=9 is step 9, but training ends at step 9"),
    _setting("rewind_step", "-2", "'-2' is not a step"),
    _setting("rewind_step", "2 epochs", "'2 epochs' is not a step"),
    _setting("fine_tune_epochs", "0", "fine_tune_epochs=0 is out of range"),
    _setting("fine_tune_lr", "0", "fine_tune_lr=0.0 is out of range"),
    _setting("optimizer", "rmsprop", "a function of parameters that returns torch.optim.RMSprop"),
    _setting("schedule", "cosin", "did you mean cosine?"),
    _setting("precision", "fp8", "precision='fp8' is unknown; choose one of auto, fp32, bf16"),
    _setting("compile", "yes", "compile='yes' is unknown; choose one of"),
    _setting("trajectory", "all", "trajectory='all' is unknown; choose one of"),
    _setting("augmentation", "flip", "augmentation='flip' is unknown; choose one of"),
    _setting("train_examples", "1000", "1000 examples were asked for, but there are 48; write `all`"),
    _setting("train_examples", "1.5", "a fraction of examples lies in (0, 1], got 1.5"),
    _setting("train_examples", "nan", "a fraction of examples lies in (0, 1], got nan"),
    _setting("train_examples", "0", "a number of examples is at least 1, got 0"),
    _setting("train_examples", "some", "'some' is not an amount of examples; write a number"),
    _setting("train_examples", "17", "leave a last batch of one, which BatchNorm can't normalise"),
    _setting("epoch_examples", "1000", "epoch_examples=1000: 1000 examples were asked for"),
    _setting("prune_fraction", "1.5", "prune_fraction=1.5 is out of range; expected a number in (0, 1)"),
    _setting("prune_fraction", "nan", "prune_fraction='nan': expected a finite number"),
    _setting("levels", "0", "levels=0 is out of range; expected a whole number from 1 to 100", "study"),
    _setting("k", "0", "k=0 is out of range; expected at least 1"),
    _setting("k", "abc", "k='abc': expected a whole number"),
    _setting("second_k", "1", "second_k=1.0 is out of range; expected a share of k, in (0, 1)"),
    _setting("trace_probes", "1", "trace_probes=1 is out of range; expected at least 2"),
    _setting("density_probes", "1", "density_probes=1 is out of range"),
    _setting("density_steps", "0", "density_steps=0 is out of range"),
    _setting("hessian_examples", "-5", "a number of examples is at least 1, got -5"),
    _setting("directions", "1", "directions=1 is out of range; expected at least 2"),
    _setting("direction_norm", "l2", "direction_norm='l2' is unknown; choose one of plain, filter"),
    _setting("cutoff_margin", "0", "cutoff_margin=0.0 is out of range; expected positive"),
    _setting("points", "1", "points=1 is out of range; expected at least 3"),
    _setting("grid", "2", "grid=2 is out of range; expected at least 3"),
    _setting("plane", "0,last", "plane=0,last is out of range; expected three solutions"),
    _setting("plane", "0,last,magic", "'magic' is no solution of this study; write a level from 0 to 2"),
    _setting("plane", "0,2,last", "plane=0,2,last names one solution twice"),
    _setting("every_level", "magic", "every_level=magic is unknown; choose from one_shot"),
    _setting("every_level", "", "every_level='': expected a list such as a,b, or none"),
    _setting("matched_loss", "true", "matched_loss='true' is unknown; choose one of off, on"),
    _setting("vectors", "true", "vectors='true' is unknown; choose one of off, on"),
    _setting("halvings", "7", "halvings=7 is out of range; expected a whole number from 0 to 6"),
    _setting("halvings", "-1", "halvings=-1 is out of range; expected a whole number from 0 to 6"),
    _setting("loss_margin", "0", "loss_margin=0.0 is out of range; expected positive"),
    _setting("error_margin", "2", "error_margin=2.0 is out of range; expected a number in (0, 1)"),
    _setting("device", "tpu", "device='tpu' is unknown; choose auto, cpu, cuda or cuda:N"),
    _setting("device", "meta", "device='meta' is not supported (float64 is needed); choose cpu or cuda"),
    _setting("device", "cuda:99", "CUDA devices are here; choose cpu or auto"),
    _setting("device", "cpu,cpu", "device='cpu,cpu' names one device twice"),
    _setting("keep_every", "-1", "keep_every='-1' is not a number of seconds; write 30"),
    _setting("keep_every", "nan", "keep_every='nan' is not a number of seconds"),
    _setting("patience", "long", "patience='long' is not a number of seconds; write 300"),
    _setting("unsent", "", "unsent='' names no folder; leave it out for ./lth-unsent"),
    _setting("unsent", "/etc/hosts/x", "unsent='/etc/hosts/x': /etc/hosts is a file; name a folder"),
    _setting("fresh", "maybe", "'maybe' is neither true nor false"),
    _setting("from_run", "abc", "from_run has no meaning here; leave it out"),
]

DATA = [
    _setting("dataset", "imagenet", "dataset='imagenet' is unknown; choose one of digits, topics"),
    _setting("dataset", "", "dataset='': expected a name"),
    _setting("dataset", "../../etc/passwd", "dataset='../../etc/passwd' is unknown"),
    _setting("dataset", "<b>ü</b>", "dataset='<b>ü</b>' is unknown"),
    _setting("dataset", "imagefolder", "dataset=imagefolder needs data_dir"),
    _setting("data_dir", "/no/such/place", "data_dir='/no/such/place' is not a directory"),
    _setting("data_dir", "", "data_dir='' names no directory; write . for this one"),
    _setting("data_dir", "x" * 300, "is not a directory"),
    BadInput("train_dense", ("--dataset=digits", f"--data_dir={FOLDER}"), "reads no data_dir", _folder),
    _data("missing_class", "training labels are [0, 2]; expected every class 0, 1, … to occur"),
    _data("one_class", "training labels are [0]; expected every class"),
    _data("unknown_test_class", "test label 3 never occurs in training"),
    _data("flat_images", "images are torch.uint8 of shape (48, 36); expected uint8 or float32 of shape"),
    _data("double_images", "images are torch.float64"),
    _data("nan_images", "an image holds NaN or infinity"),
    _data("float_labels", "labels are torch.float32 of shape (48,); expected int64"),
    _data("negative_labels", "label -1 is negative; expected 0, 1, …"),
    _data("fewer_labels", "labels are torch.int64 of shape (47,); expected int64 of shape (48,)"),
    _data("no_test_split", "test split: labels are torch.int64 of shape (0,)"),
    _data("larger_test_images", "training images are (1, 6, 6), test images (1, 7, 7); make them equal"),
    _data("no_images", "odd_problem:no_images returned str; expected an lth.data.ImageData"),
    _data("failing_images", "odd_problem:failing_images raised RuntimeError: the archive is broken"),
    _data("no_such_function", "odd_problem:no_such_function can't be loaded"),
    _images(_no_test, "test has no class directories; expected train/<class>/* and test/<class>/*"),
    _images(_empty_class, "dog holds no image"),
    _images(_class_without_training, "test has classes that train lacks: fox"),
    _images(_corrupt_image, "2.png can't be decoded"),
    _images(_truncated_image, "2.png can't be decoded"),
    _images(_transparent_image, "2.png has transparent pixels"),
    _images(_huge_image, "2.bmp can't be decoded"),
    _images(_two_sizes, "resize all images to one size"),
    _images(_sixteen_bits, "convert it to 8 bits a channel"),
    _images(_truncated_idx, "ends within its header; fetch it again", "fashion-mnist"),
]

NETWORKS = [
    _setting("network", "alexnet", "network='alexnet' is unknown; choose resnet20, resnet8-w8"),
    _setting("network", "torchvision:resnet81", "did you mean torchvision:resnet18?"),
    _setting("network", "", "network='': expected a name"),
    _setting("network", "resnet21", "depth 8, 14, 20"),
    _setting("network", "resnet20-w0", "network=resnet20-w0: a width is at least 1"),
    _setting("network", "vgg17", "network=vgg17: VGG has depth 11, 13, 16, 19, got 17"),
    _setting("network", "lenet-0", "a hidden width is at least 1"),
    _setting("network", "os.path:join", "has no source file"),
    _setting("network", "torchvision.models:resnet18", "write torchvision:resnet18"),
    _setting("network", "no.such:thing", "no.such:thing can't be loaded"),
    _setting("network", "math:pi", "math:pi is a float; expected a function"),
    _network("nothing_to_prune", "the network has no convolution or fully-connected layer"),
    _network("wrong_number_of_outputs", "maps 2 images to (2, 4); expected (2, 3)"),
    _network("wrong_channels", "rejects inputs (1, 6, 6)"),
    _network("no_module", "odd_problem:no_module returned str; expected a torch.nn.Module"),
    _network("failing_network", "odd_problem:failing_network raised KeyError: 'width'"),
    _network("without_arguments", "odd_problem:without_arguments can't be called with"),
    _network("infinite_outputs", "maps zeros to NaN or infinity at its start"),
    _network("half_precision", "parameter 0.weight is torch.float64; weights are trained and measured in"),
]

# Refused where the level or the measurement is known, with status 1 and nothing trained.
LATE = [
    BadInput("analyze", ("--level=1", "--k=1000"), "k=1000 exceeds the 49 dimensions of level 1"),
    BadInput("study", ("--basis_gib=1e-9",), "of a study basis_gib"),
    BadInput("analyze", ("--level=1", "--hessian_examples=1000"), "hessian_examples=1000: 1000 examples were"),
    BadInput("imp_level", ("--level=4", "--prune_fraction=0.9"), "leaves none after"),
    BadInput("imp_level", ("--level=1", "--prune_fraction=1e-9"), "prunes none of the 48 weights left"),
    BadInput("study", ("--prune_fraction=0.6",), "the next-larger band needs as many again"),
]

EARLY = [*LEVELS, *PARAMETERS, *DATA, *NETWORKS]


def table() -> str:
    """Return the table of docs/faults.md."""
    lines = ["| input | what is said |", "|---|---|"]
    for case in [*EARLY, *LATE]:
        made = f" ({case.make.__name__.strip('_').replace('_', ' ')})" if case.make is not None else ""
        shown = " ".join([case.command, *case.arguments])
        shown = shown if len(shown) < 90 else f"{shown[:60]}…"
        shown, said = (text.replace("|", "\\|").replace("`", "'") for text in (shown, case.said))
        lines.append(f"| `{shown}`{made} | {said.replace('<', '&lt;')} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
