"""Three steps of a recurrent network: a weight matrix used three times is told three things.

Run it: python examples/03_shared_weights.py
"""

import sys

import numpy as np

import tinygrad_bp as bp

rng = np.random.default_rng(0)
W = bp.Tensor(rng.normal(0, 0.6, (2, 2)), requires_grad=True, name="W")  # from state to state
U = bp.Tensor(rng.normal(0, 0.6, (2, 2)), requires_grad=True, name="U")  # from input to state

h = np.zeros(2)
for x in rng.normal(size=(3, 2)):
    h = np.tanh(W @ h + U @ x)
loss = np.sum(h**2)

trace = bp.trace(loss)
w = trace.node(W)
print(f"{w.name} is used {w.consumers} times, and hears from each of them:")
for step in trace.steps_into(w):
    contribution = np.array2string(step.contribution.ravel(), precision=4, suppress_small=True)
    print(f"  from {step.child.name}: {step.formula.text:22} = {contribution}")
print(f"  together {np.array2string(w.grad.ravel(), precision=4, suppress_small=True)}")

page = sys.argv[1] if len(sys.argv) > 1 else "shared_weights.html"
bp.explain(loss, page)
print(f"\nTo go through it step by step, open {page} in a browser.")
