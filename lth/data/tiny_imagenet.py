"""Which files of a tiny-imagenet-200 are images of which class: its validation images are the test."""

from __future__ import annotations

from pathlib import Path

from lth.data.reading import shown
from lth.data.tree import Tree
from lth.errors import InputError

_ANNOTATIONS = Path("val", "val_annotations.txt")


def find_tiny_imagenet(root: Path) -> Tree:
    """Return the images of `train/<class>/images/` and, by `val/val_annotations.txt`, of `val/images/`.

    Raises:
        ValueError: If something of it is missing, or a line of the annotations is of another form.
    """
    classes = tuple(sorted(path.name for path in (root / "train").glob("n*") if path.is_dir()))
    if not classes or not (root / _ANNOTATIONS).is_file():
        raise InputError(
            f"{root} holds no train/<class>/images and {_ANNOTATIONS}; unpack tiny-imagenet-200.zip and "
            "name the folder that it makes (data_dir=tiny-imagenet-200)"
        )
    number = {name: place for place, name in enumerate(classes)}
    train = [
        (path, number[name])
        for name in classes
        for path in sorted((root / "train" / name).glob("images/*.JPEG"))
    ]
    test = []
    for line in (root / _ANNOTATIONS).read_text().splitlines():
        file, _, rest = line.partition("\t")
        name = rest.partition("\t")[0]
        if name not in number:
            raise InputError(
                f"{root / _ANNOTATIONS} says {shown(line)[:80]!r}; expected <file> <class> …, by tabs"
            )
        test.append((root / "val" / "images" / file, number[name]))
    if not train or not test:
        raise InputError(
            f"{root} holds {len(train)} training and {len(test)} validation images; unpack it again"
        )
    images, labels = zip(*(tuple(zip(*split, strict=True)) for split in (train, test)), strict=True)
    return Tree(classes, images, labels, {})
