import pytest
import torch
from problems import training_data

from lth.data import Examples
from lth.data.augment import Augmenter

EXAMPLES = training_data().train  # 40 grey images of 6x6: a border of one pixel, nine possible crops


def random_images(shape: tuple[int, int, int], count: int = 64) -> Examples:
    images = torch.randint(1, 255, (count, *shape), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    mean = torch.full((shape[0], 1, 1), 100.0)
    return Examples(images, torch.arange(count), mean, torch.full_like(mean, 50.0))


def all_of(augmenter: Augmenter, epoch: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    return augmenter.batch(torch.arange(count), augmenter.epoch(epoch))


@pytest.mark.parametrize("augmentation", ["none", "crop", "crop_flip"])
def test_inputs_are_a_function_of_seed_and_epoch_only(augmentation):
    first, second = Augmenter(EXAMPLES, augmentation, 3), Augmenter(EXAMPLES, augmentation, 3)
    for epoch in (5, 0, 2):
        all_of(first, epoch, 40)  # history that must not matter
    assert torch.equal(all_of(first, 2, 40)[0], all_of(second, 2, 40)[0])


@pytest.mark.parametrize("augmentation", ["crop", "crop_flip"])
def test_another_epoch_or_seed_gives_other_inputs(augmentation):
    inputs = all_of(Augmenter(EXAMPLES, augmentation, 3), 2, 40)[0]
    assert not torch.equal(inputs, all_of(Augmenter(EXAMPLES, augmentation, 3), 3, 40)[0])
    assert not torch.equal(inputs, all_of(Augmenter(EXAMPLES, augmentation, 4), 2, 40)[0])


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (2, 16, 24)])
@pytest.mark.parametrize("augmentation", ["crop", "crop_flip"])
def test_every_input_is_a_crop_of_the_zero_padded_raw_image(shape, augmentation):
    """Against a loop over the examples, pixel by pixel out of a padded copy, then flipped, then normalised."""
    channels, height, width = shape
    examples = random_images(shape)
    augmenter = Augmenter(examples, augmentation, 1)
    draws = augmenter.epoch(0)
    inputs, _ = augmenter.batch(torch.arange(64), draws)
    border = min(height, width) // 8
    for i in range(64):
        padded = torch.zeros(channels, height + 2 * border, width + 2 * border)
        padded[:, border : border + height, border : border + width] = examples.images[i].float()
        top, left = int(draws.row[i]), int(draws.column[i])
        assert 0 <= min(top, left) <= max(top, left) <= 2 * border
        crop = padded[:, top : top + height, left : left + width]
        if draws.flipped is not None and draws.flipped[i]:
            crop = torch.stack([crop[:, :, width - 1 - column] for column in range(width)], dim=-1)
        assert torch.equal(inputs[i], (crop - 100.0) / 50.0)


def test_every_crop_occurs_and_about_half_are_flipped():
    examples = random_images((1, 8, 8), 2000)
    draws = Augmenter(examples, "crop_flip", 0).epoch(0)
    offsets = set(zip(draws.row.tolist(), draws.column.tolist(), strict=True))
    assert offsets == {(row, column) for row in range(3) for column in range(3)}
    assert abs(int(draws.flipped.sum()) - 1000) < 4 * 22.4  # binomial(2000, 1/2), standard deviation 22.4


def test_a_border_of_four_pixels_belongs_to_images_of_32():
    draws = Augmenter(random_images((3, 32, 32), 500), "crop", 0).epoch(0)
    assert set(draws.row.tolist()) == set(range(9))


def test_crops_without_flips_flip_nothing():
    assert Augmenter(EXAMPLES, "crop", 0).epoch(0).flipped is None


def test_none_is_normalisation_alone():
    inputs, labels = all_of(Augmenter(EXAMPLES, "none", 0), 7, 40)
    assert torch.equal(inputs, EXAMPLES.normalise(EXAMPLES.images))
    assert torch.equal(labels, EXAMPLES.labels)


@pytest.mark.parametrize("augmentation", ["none", "crop", "crop_flip"])
def test_a_batch_holds_what_each_example_gets_alone(augmentation):
    augmenter = Augmenter(EXAMPLES, augmentation, 0)
    draws = augmenter.epoch(1)
    index = torch.tensor([7, 3, 39, 0, 3])
    inputs, labels = augmenter.batch(index, draws)
    assert inputs.shape == (5, 1, 6, 6)
    assert torch.equal(labels, EXAMPLES.labels[index])
    for position, i in enumerate(index):
        alone, _ = augmenter.batch(i.reshape(1), draws)
        assert torch.equal(alone[0], inputs[position])


def test_augmenting_changes_neither_the_images_nor_the_global_random_state():
    images, state = EXAMPLES.images.clone(), torch.get_rng_state()
    all_of(Augmenter(EXAMPLES, "crop_flip", 0), 0, 40)
    assert torch.equal(EXAMPLES.images, images)
    assert torch.equal(torch.get_rng_state(), state)
