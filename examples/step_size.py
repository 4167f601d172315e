"""How small should a step be? The V-shaped error of difference formulas: python step_size.py [PNG].

The function is the one with which Squire and Trapp made the complex step known, summed over a few
points. With a file name, the curves are drawn into that file as well. On the command line:

    tinygrad-bp study step-size --at 0.1 0.8 1.5 --plot v.png
    tinygrad-bp study taylor --at 0.1 0.8 1.5
"""

import sys

import numpy as np

from tinygrad_bp.gradcheck.studies import step_sizes, taylor


def f(x):
    """Sum of exp(x) / (sin³x + cos³x): (16,) to a scalar."""
    return np.sum(np.exp(x) / (np.sin(x) ** 3 + np.cos(x) ** 3))


x = np.linspace(0.1, 1.5, 16)
study = step_sizes(f, x)
print(study)
print("\nTaylor remainders of the gradient of this library:")
print(taylor(f, x))
if len(sys.argv) > 1:
    study.plot(sys.argv[1])
    print(f"\nThe curves are drawn in {sys.argv[1]}.")
