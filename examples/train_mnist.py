"""Train the lesson's network to read digits, in plain sight: python train_mnist.py [MNIST FOLDER].

Without a folder it learns from digits that the library draws itself, in a few seconds.
"""

import sys

import numpy as np

from tinygrad_bp import data, functional, nn, no_grad, optim

rng = np.random.default_rng(0)
if len(sys.argv) > 1:
    images, labels, test_images, test_labels = data.mnist(sys.argv[1])
else:
    images, labels = data.drawn_digits(12_000, rng)  # (12000, 784), (12000,)
    test_images, test_labels = data.drawn_digits(2_000, rng)
wanted = np.eye(10, dtype=np.float32)[labels]  # (12000, 10): 1 at the digit, 0 elsewhere

network = nn.MLP(784, 16, 16, 10, output_activation=nn.Sigmoid(), rng=rng)
optimizer = optim.SGD(network.named_parameters(), lr=1.5)

for epoch in range(1, 11):
    for x, y in data.minibatches(images, wanted, 100, rng):  # (100, 784), (100, 10)
        cost = functional.sum_squares(network(x), y)
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
    with no_grad():
        read = network(test_images).data.argmax(axis=1)  # (2000,)
    print(f"epoch {epoch:2}: {np.mean(read == test_labels):.1%} of the test digits read correctly")
