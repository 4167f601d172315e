"""The table of specs: products of matrices."""

from __future__ import annotations

import numpy as np

from specs.calls import Newer, Spec, call, strided, transposed, x, z

ORDERS = (True, "optimal", ["einsum_path", (1, 2), (0, 1)])

# fmt: off

LINALG = [
    Spec(
        np.matmul,
        call(x(2, 3, values=z), x(3)), call(x(3, values=z), x(3, 2, values=z)),
        call(x(3), x(3)), call(x(2, 3), x(3)), call(x(3), x(3, 2)), call(x(2, 3), x(3, 2)),
        call(x(4, 2, 3), x(3, 2)), call(x(2, 3), x(4, 3, 2)), call(x(2, 1, 2, 3), x(4, 3, 2)),
        call(x(3), x(4, 3, 2)), call(x(4, 2, 3), x(3)), call(x(0, 3), x(3, 2)),
        call(x(2, 0), x(0, 3)), call(transposed(2, 3), strided(3, 2)), call(x(1, 1), x(1, 1)),
        call(x(2, 3), np.eye(3)[:, :2]), call(np.eye(3)[:2], x(3, 2)),
    ),
    Spec(
        np.einsum,
        *(call(s, x(2, 3)) for s in ("ij->ji", "ji", "ij->", "ij->j", "i...->...", " i j -> i ")),
        *(call(s, x(2, 3), x(3, 2)) for s in ("ij,jk->ik", "ij,jk", "aB,Bc", "ij,ji->", "ij,kl")),
        *(call(s, x(3, 3)) for s in ("ii->i", "ii", "ii->", "ij...->j...")),
        *(call(s, x(2), x(3)) for s in ("i,j->ij", "i,j", "i,j->", "j,i->ij")),
        call("i,ij,j->", x(2), x(2, 3), x(3)), call("bij,bjk->bik", x(2, 2, 3), x(2, 3, 2)),
        call("iij,j->i", x(2, 2, 3), x(3)), call("iii->i", x(2, 2, 2)), call(",i->i", x(), x(3)),
        call("...ij,...jk->...ik", x(2, 2, 3), x(3, 2)), call("...,...", x(2, 3), x(3)),
        call("i...,i...->...", x(3), x(3, 3)), call("i...,i...->i", x(3), x(3)),
        call("...i,i", x(2, 3), x(3)), call("ij...,j->i...", x(2, 3, 2), x(3)),
        call("i...j,...->...ij", x(2, 3, 2), x(1)), call("i...i->...", x(2, 3, 2)),
        call("...i->i", x(3)), call("i...,...->i...", x(2, 1), x(3)),
        call("ij,ij->ij", x(1, 3), x(2, 3)), call("ij,ij->i", x(2, 1), x(2, 3)),
        call("i,i->", x(1), x(3)), call("i,i->", x(0), x(0)), call("i,i", x(3), np.arange(3.0)),
        call("ij,ij->ij", transposed(2, 3), x(2, 3)),
        *(call("ij,jk,kl->il", x(2, 3), x(3, 4), x(4, 2), optimize=how) for how in ORDERS),
        call(x(2, 3), [0, 1], x(3, 2), [1, 2], [0, 2], optimize=True),
        call("ij,jk->k", x(2, 3), x(3, 2, values=z)),
    ),
    Spec(
        np.dot,
        call(x(3), x(3)), call(x(2, 3), x(3)), call(x(2, 3), x(3, 2)), call(x(), x(3)),
        call(x(2, 2, 3), x(3)), call(x(3), x(2, 3, 2)), call(x(0), x(0)),
        call(x(2, 2, 3), x(2, 3, 2)),
    ),
    Spec(
        np.inner,
        call(x(3), x(3)), call(x(2, 3), x(4, 3)), call(x(2, 2, 3), x(3)), call(x(), x(2)),
        call([1.0, 2.0], x(2)),
    ),
    Spec(np.outer, call(x(2), x(3)), call(x(2, 2), x(3)), call(x(), x(2)), call([1.0, 2.0], x(2))),
    Spec(np.vdot, call(x(2, values=z), x(2, values=z)), call(x(2, values=z), x(2)),
         call(x(3), x(3)), call(x(2, 3), x(2, 3)), call(x(), x())),
    Spec(
        np.tensordot,
        call(x(2, 3), x(3, 2), 1), call(x(2, 3), x(2, 3)), call(x(2), x(3), axes=0),
        call(x(2, 3, 4), x(4, 3), axes=([1, 2], [1, 0])), call(x(2, 3), x(4, 3), axes=(1, 1)),
        call(x(2, 3), x(3, 4), axes=(-1, 0)), call([1.0, 2.0], x(2), axes=1),
    ),
    Spec(
        np.kron,
        call(x(2), x(3)), call(x(2, 3), x(2, 2)), call(x(2), x(2, 2)), call(x(), x(2)),
        call([1.0, 2.0], x(2)), call(np.eye(2), x(2)),
    ),
    Spec(np.linalg.matmul, call(x(2, 3), x(3, 2)), call(x(2, 2, 3), x(3))),
    Spec(np.linalg.outer, call(x(2), x(3))),
    Spec(np.linalg.tensordot, call(x(2, 3), x(3, 2), axes=1), call(x(2, 3), x(2, 3))),
    Spec(np.vecdot, call(x(2, 3, values=z), x(3, values=z)),
         call(x(3), x(3)), call(x(2, 3), x(3)), call(x(2, 1, 3), x(2, 3))),
    Spec(
        np.linalg.vecdot, call(x(2, 3, values=z), x(2, 3), axis=0),
        call(x(3), x(3)), call(x(2, 3), x(2, 3), axis=0), call(x(2, 3), x(3)),
    ),
    Newer("matvec", call(x(2, 3), x(3)), call(x(2, 2, 3), x(2, 3)), call(x(1, 2), [1.0, 2.0])),
    Newer("vecmat", call(x(2, values=z), x(2, 3)),
          call(x(3), x(3, 2)), call(x(2, 3), x(2, 3, 2)), call([1.0, 2.0], x(2, 1))),
]
