"""Distorted images: where their pixels come from, and what stays as it was."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_bp.data import Affine, Compose, Distortion, Elastic, drawn_digits, minibatches
from tinygrad_bp.data.augmentation import BLOCK, _interpolated, _smoothing
from tinygrad_bp.errors import DataError, ShapeError

AFFINE = Affine(rotation=20, scaling=0.2, shear=0.2, translation=2)
ELASTIC = Elastic(alpha=30, sigma=3)
BOTH = Compose([AFFINE, ELASTIC])
ALL = {"affine": AFFINE, "elastic": ELASTIC, "both": BOTH, "turned": Compose([ELASTIC, AFFINE])}
each = pytest.mark.parametrize("distort", ALL.values(), ids=ALL)


class Moved(Distortion):
    """By the same rows and columns, for every image."""

    def __init__(self, down, right):
        object.__setattr__(self, "by", (down, right))

    def origins(self, points, n, *_):
        return points[0] - self.by[0] + np.zeros((n, 1, 1)), points[1] - self.by[1]


def noise(*shape, dtype=np.float32, seed=0):
    return (np.random.default_rng(seed).integers(257, size=shape) / 256).astype(dtype)


def new():
    return np.random.default_rng(7)


# --- what every distortion keeps --------------------------------------------------------------


@each
@given(
    st.tuples(st.integers(0, 5), st.integers(1, 12), st.integers(1, 12)),
    st.sampled_from([(), (1,), (3,)]),
    st.sampled_from([np.float32, np.float64, np.float16]),
    st.integers(0, 100),
)
def test_shape_dtype_and_range_stay(distort, shape, channels, dtype, seed):
    images = noise(shape[0], *channels, *shape[1:], dtype=dtype, seed=seed) - dtype(0.25)
    before = images.copy()
    found = distort(images, np.random.default_rng(seed))
    assert found.shape == images.shape
    assert found.dtype == dtype
    assert found.flags.c_contiguous
    assert np.array_equal(images, before)
    for image, original in zip(found, images, strict=True):
        assert image.min() >= min(original.min(), 0)
        assert image.max() <= max(original.max(), 0)


@each
def test_the_generator_decides_and_every_call_is_new(distort):
    images = noise(3, 9, 9)
    rng = new()
    first, second = distort(images, rng), distort(images, rng)
    assert not np.array_equal(first, second)
    rng = new()
    assert np.array_equal(distort(images, rng), first)
    assert np.array_equal(distort(images, rng), second)
    assert not np.array_equal(distort(images), distort(images))


@each
def test_every_image_is_distorted_in_its_own_way(distort):
    found = distort(np.repeat(noise(1, 9, 9), 4, axis=0), new())
    for a, b in itertools.combinations(found, 2):
        assert not np.array_equal(a, b)


@each
def test_channels_are_distorted_alike(distort):
    one = noise(4, 1, 9, 7)
    both = distort(np.concatenate([one, 0.5 * one], axis=1), new())
    assert np.array_equal(both[:, :1], distort(one, new()))
    assert np.array_equal(both[:, 1], 0.5 * both[:, 0])


def test_rows_of_pixels_need_a_shape():
    images = noise(5, 6, 8)
    wanted = BOTH(images, new())
    rows = images.reshape(5, 48)
    shaped = Compose([AFFINE, ELASTIC], shape=(6, 8))
    assert np.array_equal(shaped(rows, new()), wanted.reshape(5, 48))
    assert np.array_equal(
        Affine(rotation=20, shape=(6, 8))(rows, new()),
        Affine(rotation=20)(images, new()).reshape(5, 48),
    )
    inside = Compose([Affine(rotation=20, shape=(6, 8)), Elastic(shape=(6, 8))])
    assert inside(rows, new()).shape == (5, 48)
    assert np.array_equal(Elastic(shape=(6, 8))(images, new()), Elastic()(images, new()))


@pytest.mark.parametrize("shape", [(48,), (5, 48), (5, 6, 9), (1, 2, 3, 6, 8)])
def test_other_shapes_are_refused(shape):
    for distort in Affine(), Elastic(shape=(6, 8)), Compose([Affine()], shape=(6, 8)):
        if shape == (5, 48) and distort != Affine():
            continue
        if shape == (5, 6, 9) and distort == Affine():
            continue
        with pytest.raises(ShapeError, match=r"images of shape \("):
            distort(np.zeros(shape), new())
    with pytest.raises(ShapeError, match=r"rows of pixels, say their shape=\(height, width\)"):
        Affine()(np.zeros((5, 48)))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool, np.complex64])
def test_only_floats_are_interpolated(dtype):
    with pytest.raises(DataError, match=r"astype\(np.float32\)"):
        BOTH(np.zeros((1, 3, 3), dtype))


def test_more_than_a_block_of_images():
    n = 2 * BLOCK // 100 + 3
    images = noise(n, 10, 10)
    found = BOTH(images, new())
    assert all(found.reshape(n, -1).any(axis=1))
    assert len({image.tobytes() for image in found}) == n
    one = noise(1, 300, 300)  # larger than a block
    assert BOTH(one, new()).shape == one.shape


# --- interpolation ----------------------------------------------------------------------------


@pytest.mark.parametrize("distort", [Affine(), Elastic(alpha=0), Compose([])])
def test_no_distortion_changes_nothing(distort):
    for dtype in np.float32, np.float64:
        images = noise(3, 7, 8, dtype=dtype) - dtype(0.5)
        assert np.array_equal(distort(images, new()), images)


@pytest.mark.parametrize(("down", "right"), [(1, 0), (0, -2), (3, 2), (100, 0), (-1e30, 1e30)])
def test_whole_pixels_move_exactly_and_what_comes_in_is_0(down, right):
    image = 1 + np.arange(30.0).reshape(1, 5, 6)
    wanted = np.zeros((5, 6))
    for i, j in np.ndindex(5, 6):
        if 0 <= i - down < 5 and 0 <= j - right < 6:
            wanted[i, j] = image[0, int(i - down), int(j - right)]
    assert np.array_equal(Moved(down, right)(image)[0], wanted)


def test_between_pixels_and_at_the_edge_the_neighbours_are_weighted():
    image = np.array([[[4.0, 8.0], [12.0, 20.0]]])
    assert Moved(0.0, 0.25)(image)[0].tolist() == [[3.0, 7.0], [9.0, 18.0]]
    assert Moved(-0.5, 0.5)(image)[0].tolist() == [[4.0, 11.0], [3.0, 8.0]]


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 10**6))
def test_interpolation_is_scipys(height, width, seed):
    ndimage = pytest.importorskip("scipy.ndimage")
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(3, 2, height, width))
    points = rng.uniform(-3, 9, (2, 3, height, width))
    found = _interpolated(images, tuple(points))
    for n, c in np.ndindex(3, 2):
        wanted = ndimage.map_coordinates(images[n, c], points[:, n], order=1, mode="grid-constant")
        np.testing.assert_allclose(found[n, c], wanted, rtol=0, atol=1e-12)


# --- affine -------------------------------------------------------------------------------------


def blob(row, column, width=2.0):
    """A smooth spot, of which one can tell where it is."""
    y, x = np.ogrid[:41, :41]
    return np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * width**2))[None]


def place_of(image):
    rows, columns = np.indices(image.shape)
    return np.array([(rows * image).sum(), (columns * image).sum()]) / image.sum()


class Always:
    """A generator that draws 1 where it would draw from -1 to 1."""

    def uniform(self, *ends_and_size):
        return np.ones(ends_and_size[-1])


@pytest.mark.parametrize(
    ("options", "moves"),
    [
        ({"rotation": 90}, lambda y, x: (x, -y)),
        ({"scaling": 0.5}, lambda y, x: (1.5 * y, 1.5 * x)),
        ({"shear": 0.5}, lambda y, x: (y, x + 0.5 * y)),
        ({"translation": 3}, lambda y, x: (y + 3, x + 3)),
        ({"rotation": 90, "scaling": 0.5, "shear": 0.5, "translation": 3},
         lambda y, x: (3 + 1.5 * x + 0.75 * y, 3 - 1.5 * y)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("spot", [(0, 0), (5, 2), (-3, 4)])
def test_affine_moves_spots_as_it_says(options, moves, spot):
    """About the centre, (20, 20): first scaled, then slanted, turned and moved."""
    image = blob(20 + spot[0], 20 + spot[1])
    found = Affine(**options)(image, Always())[0]
    np.testing.assert_allclose(place_of(found) - 20, moves(*spot), atol=0.02)


def test_affine_draws_as_far_as_it_says_and_no_farther():
    images = np.repeat(blob(20, 20), 2000, axis=0)
    moved = np.array([place_of(image) for image in Affine(translation=4)(images, new())]) - 20
    assert 3.9 < np.abs(moved).max() < 4.05
    np.testing.assert_allclose(moved.mean(axis=0), 0, atol=0.2)
    np.testing.assert_allclose(moved.std(axis=0), 4 / np.sqrt(3), rtol=0.05)


# --- elastic ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "sigma"), [(1, 4), (9, 0.1), (28, 4), (20, 1.5), (5, 900)])
def test_smoothing_is_that_of_a_gaussian(length, sigma):
    matrix = _smoothing(length, sigma).astype(float)
    everywhere = np.arange(-10_000, 10_001)
    weights = np.exp(-np.minimum(everywhere**2 / (2 * sigma**2), 70))
    places = np.subtract.outer(np.arange(length), np.arange(length))
    wanted = weights[places + 10_000] / weights.sum()
    np.testing.assert_allclose(matrix, wanted, atol=1e-7)


def test_fields_are_those_of_scipys_filter():
    ndimage = pytest.importorskip("scipy.ndimage")
    fields = ELASTIC._fields(3, (11, 14), new())
    draws = 2 * new().random((3, 2, 11, 14), np.float32).astype(float) - 1
    for n, axis in np.ndindex(3, 2):
        wanted = 30 * ndimage.gaussian_filter(draws[n, axis], 3, mode="constant", truncate=10)
        np.testing.assert_allclose(fields[n, axis], wanted, atol=1e-5)


def test_pixels_move_as_far_as_the_docstring_says():
    fields = Elastic()._fields(500, (60, 60), new())[..., 20:40, 20:40]
    assert np.sqrt(np.mean(fields**2)) == pytest.approx(34 / (8 * np.sqrt(3 * np.pi)), rel=0.03)
    assert np.sqrt(np.mean(fields**2)) == pytest.approx(1.4, abs=0.05)


def test_digits_can_still_be_read_as_the_same_ink():
    images, _ = drawn_digits(200, new())
    found = Compose([Affine(rotation=10), Elastic()], shape=(28, 28))(images, new())
    ink, before = found.sum(axis=1), images.sum(axis=1)
    assert np.all(ink > 0.4 * before)
    assert ink.mean() == pytest.approx(before.mean(), rel=0.1)


# --- several ------------------------------------------------------------------------------------


def test_distortions_are_made_in_their_order_and_interpolated_once():
    image = noise(1, 12, 12)
    once = Compose([Moved(0.5, 0.5), Moved(0.5, -0.5)])(image)
    assert np.allclose(once, Moved(1, 0)(image))
    turned, up = Affine(rotation=90), Moved(-3, 0)
    spot = blob(20, 24)  # at the right: a quarter of a turn takes it down
    found = Compose([turned, up])(spot, Always())[0]
    np.testing.assert_allclose(place_of(found), (21, 20), atol=0.02)
    found = Compose([up, turned])(spot, Always())[0]
    np.testing.assert_allclose(place_of(found), (24, 23), atol=0.02)


def test_an_elastic_field_is_carried_by_what_comes_after():
    """Made in one go, or one after the other: the same but for the interpolation."""
    smooth = np.repeat(blob(20, 20, width=5.0), 3, axis=0)
    elastic, moved = Elastic(alpha=40, sigma=5), Moved(4.5, -2.25)
    wanted = moved(elastic(smooth, new()))
    np.testing.assert_allclose(Compose([elastic, moved])(smooth, new()), wanted, atol=0.02)
    np.testing.assert_allclose(
        Compose([moved, elastic])(smooth, new()), elastic(moved(smooth), new()), atol=0.02
    )


def test_other_transforms_may_stand_among_distortions():
    seen = []

    def inverted(images, rng):
        seen.append((images.shape, rng))
        return 1 - images

    rng = new()
    found = Compose([Affine(), inverted, Affine()], shape=(3, 4))(np.zeros((2, 12)), rng)
    assert np.array_equal(found, np.ones((2, 12)))
    assert seen == [((2, 3, 4), rng)]


def test_a_transform_may_cut_images():
    found = Compose([Affine(), lambda images, _: images[:, 1:-1, 1:-1]], shape=(3, 4))
    assert found(np.zeros((2, 12))).shape == (2, 2)


def test_distortions_may_hold_a_generator_of_their_own():
    images = noise(3, 8, 8)
    held = Affine(rotation=20, rng=new())
    first = held(images)
    assert np.array_equal(first, Affine(rotation=20)(images, new()))
    assert not np.array_equal(held(images), first)
    assert np.array_equal(held(images, new()), first)
    pair = Compose([Affine(rotation=20, rng=new()), Elastic(rng=new())])
    assert np.array_equal(
        pair(images), Compose([Affine(rotation=20, rng=new()), Elastic(rng=new())])(images)
    )


@pytest.mark.parametrize(
    "options",
    [{"rotation": -1}, {"scaling": 1}, {"shear": np.nan}, {"translation": np.inf},
     {"rotation": "15"}, {"translation": (1, 2)}],
)  # fmt: skip
def test_affine_options_out_of_range(options):
    with pytest.raises(DataError, match=f"{next(iter(options))} must be a number from 0 to"):
        Affine(**options)


@pytest.mark.parametrize(
    "options", [{"alpha": -1}, {"sigma": 0}, {"sigma": np.nan}, {"alpha": None}]
)
def test_elastic_options_out_of_range(options):
    with pytest.raises(DataError, match=f"{next(iter(options))} must be a number from"):
        Elastic(**options)


def test_what_cannot_be_called_is_no_transform():
    with pytest.raises(DataError, match="is no transform"):
        Compose([Affine(), 3])


def test_the_largest_options_still_give_images():
    images = noise(2, 5, 5)
    for distort in (
        Affine(rotation=1e6, scaling=0.99, shear=1e6, translation=1e6),
        Elastic(alpha=1e6, sigma=0.1),
        Elastic(alpha=1e6, sigma=1000),
    ):
        assert np.isfinite(distort(images, new())).all()


# --- mini-batches -------------------------------------------------------------------------------


def test_mini_batches_are_transformed_anew_each_epoch_and_reproducibly():
    images, labels = noise(10, 6, 6), np.arange(10)
    batches = minibatches(images, labels, 4, new(), transform=BOTH)
    first, second = ([x for x, _ in batches] for _ in range(2))
    again = minibatches(images, labels, 4, new(), transform=BOTH)
    for epoch in first, second:
        for x, (y, _) in zip(epoch, again, strict=True):
            assert np.array_equal(x, y)
    for x, y in batches:
        assert x.shape == (len(y), 6, 6)
        assert not np.array_equal(x, images[y])


def test_other_arrays_are_left_as_they_are():
    rows = np.arange(12.0).reshape(6, 2)
    for x, y, z in minibatches(rows, rows, rows, 4, new(), transform=lambda x, _: -x):
        assert np.array_equal(x, -y)
        assert np.array_equal(y, z)


def test_the_epoch_is_settled_when_the_loop_begins():
    """However far a loop has come, the generator stands where it stood: so it can be saved."""
    images = noise(10, 6, 6)
    rng = new()
    batches = minibatches(images, 2, rng, transform=BOTH)
    loop = iter(batches)
    state = rng.bit_generator.state
    kept = [x for (x,) in loop]
    assert rng.bit_generator.state == state
    rng = new()
    one, other = (iter(minibatches(images, 2, rng, transform=BOTH)) for _ in range(2))
    for (x,), (_,), wanted in zip(one, other, kept, strict=True):
        assert np.array_equal(x, wanted)


def test_a_transform_does_not_change_the_first_order_of_examples():
    y = np.arange(20)
    plain = [b.tolist() for _, b in minibatches(y, y, 6, new())]
    assert [b.tolist() for _, b in minibatches(y, y, 6, new(), transform=lambda x, _: x)] == plain


def test_without_a_generator_a_transform_gets_none():
    seen = []
    list(minibatches(np.arange(5), 2, None, transform=lambda x, rng: seen.append(rng)))
    assert seen == [None, None, None]


def test_origins_may_be_the_same_along_an_axis():
    class Mirror(Distortion):
        def origins(self, points, _, shape, *__):
            rows, columns = points
            return rows, shape[1] - 1 - columns

    images = np.random.default_rng(0).random((2, 3, 4, 5))
    assert np.allclose(Mirror()(images), images[..., ::-1])
