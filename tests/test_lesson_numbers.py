"""The lesson's pinned numbers: a chain of single neurons, and what one image of a 2 wants."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import tinygrad_bp as bp
from tinygrad_bp import Tensor, data, nn
from tinygrad_bp import functional as F
from tinygrad_bp.primitives import sigmoid


def lesson_net(seed: int, sizes: tuple[int, ...]) -> nn.MLP:
    """Standard normal parameters, all biases drawn before all weights."""
    r = np.random.RandomState(seed)
    biases = [r.randn(n, 1).ravel() for n in sizes[1:]]
    weights = [r.randn(m, n) for n, m in pairwise(sizes)]
    net = nn.MLP(*sizes, output_activation=nn.Sigmoid(), dtype=float)
    for p, values in zip(
        net.parameters(), (v for pair in zip(weights, biases, strict=True) for v in pair),
        strict=True,
    ):  # fmt: skip
        p.data = values
    return net


def test_the_chain_of_single_neurons() -> None:
    r = np.random.RandomState(6)
    b = [Tensor(r.randn(), requires_grad=True) for _ in range(3)]
    w = [Tensor(r.randn(), requires_grad=True) for _ in range(3)]
    a = [Tensor(0.5)]
    z = []
    for w_l, b_l in zip(w, b, strict=True):
        z.append(w_l * a[-1] + b_l)
        a.append(sigmoid(z[-1]))
    cost = (a[-1] - 1.0) ** 2
    np.testing.assert_allclose([v.item() for v in z], [-0.761330, -0.062682, 0.660140], atol=5e-7)
    np.testing.assert_allclose(cost.item(), 0.116082, atol=5e-7)
    (by_a2,) = bp.gradients(cost, [a[2]])
    cost.backward()
    found = [v.grad.item() for pair in zip(w, b, strict=True) for v in pair if v.grad is not None]
    pinned = [0.00942011, 0.0188402, -0.0111146, -0.0349121, -0.0741341, -0.1530639]
    np.testing.assert_allclose(found, pinned, atol=1e-7)
    assert by_a2 is not None
    np.testing.assert_allclose(by_a2.item(), -0.1397858, atol=1e-7)
    np.testing.assert_allclose(0.484335 * 0.224626 * -0.681416, found[4], atol=1e-6)


@pytest.mark.mnist
def test_what_one_image_of_a_2_wants(mnist_folder: Path) -> None:
    mnist = data.mnist(mnist_folder)
    image, label = np.asarray(mnist.train_images[5], float), mnist.train_labels[5]
    image = np.round(image * 255) / 255
    assert label == 2
    net = lesson_net(0, (784, 16, 16, 10))
    target = np.eye(10)[label]
    hidden2 = sigmoid(net[2](sigmoid(net[0](image))))
    output = sigmoid(net[4](hidden2))
    cost = F.sum_squares(output, target)
    by_output, by_hidden2 = bp.gradients(cost, [output, hidden2])
    cost.backward()
    g = np.concatenate([p.grad.data.ravel() for p in net.parameters() if p.grad is not None])
    assert g.size == 13_002
    assert np.count_nonzero(g) == 3_466 == 188 * 16 + 16 + 256 + 16 + 160 + 10
    np.testing.assert_allclose(cost.item(), 4.10611, atol=5e-6)
    np.testing.assert_allclose(np.linalg.norm(g), 2.30729, atol=5e-6)
    np.testing.assert_allclose(
        output.data,
        [0.4570, 0.8440, 0.1991, 0.9957, 0.4439, 0.5655, 0.9942, 0.0054, 0.2024, 0.0751],
        atol=5e-5,
    )
    assert by_output is not None
    assert by_hidden2 is not None
    np.testing.assert_allclose(
        -by_output.data,
        [-0.914, -1.688, 1.602, -1.991, -0.888, -1.131, -1.988, -0.011, -0.405, -0.150],
        atol=5e-4,
    )
    np.testing.assert_allclose(-by_hidden2.data[[8, 13, 4]], [-1.1340, 1.3291, -0.1653], atol=5e-5)
    bias_nudges = -net[4].bias.grad.data
    np.testing.assert_allclose(bias_nudges[[2, 3]], [0.2554, -0.0085], atol=5e-5)
