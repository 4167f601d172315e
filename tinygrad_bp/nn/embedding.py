"""Tables whose rows are learnt: vectors for words and other things that are counted."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from tinygrad_bp import functional as F
from tinygrad_bp.errors import ModuleError
from tinygrad_bp.nn import init
from tinygrad_bp.nn.module import Module, Parameter
from tinygrad_bp.state import replace_all, tracer, tracers
from tinygrad_bp.tensor import Tensor, array_of

__all__ = ["Embedding", "EmbeddingBag"]


class _Table(Module):
    """What has a table of vectors."""

    def _make(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        padding_idx: int | None,
        max_norm: float | None,
        norm_type: float,
        refused: dict[str, bool],
        weight: Any,
        freeze: bool,
        rng: np.random.Generator | None,
        dtype: Any,
    ) -> None:
        for name, value in refused.items():
            if value:
                raise ModuleError(f"{name} is not here: gradients of tables are dense and plain")
        if num_embeddings < 1 or embedding_dim < 1:
            raise ModuleError(f"a table of {num_embeddings} by {embedding_dim} is none")
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ModuleError(f"padding_idx {padding_idx} is not one of {num_embeddings} rows")
        if max_norm is not None and not max_norm > 0:
            raise ModuleError(f"max_norm must be above 0, not {max_norm}")
        shape = (num_embeddings, embedding_dim)
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.max_norm = max_norm
        self.norm_type = norm_type
        if weight is None:
            weight = init.normal(shape, rng or np.random.default_rng()).astype(dtype)
            if self.padding_idx is not None:
                weight[self.padding_idx] = 0
        elif np.shape(weight) != shape:
            raise ModuleError(f"a table of shape {np.shape(weight)} was given for {shape}")
        self.weight = Parameter(weight, requires_grad=not freeze)

    @classmethod
    def from_pretrained(cls, embeddings: Any, freeze: bool = True, **options: Any) -> Self:  # noqa: FBT001, FBT002
        """Make a layer of a table (rows, features), frozen by default; options as of the class.

        >>> Embedding.from_pretrained([[1.0, 2.0], [3.0, 4.0]])([1])
        Tensor([[3., 4.]])
        """
        if np.ndim(embeddings) != 2:
            raise ModuleError(f"a table is (rows, features), not of shape {np.shape(embeddings)}")
        made: Any = cls
        found: Self = made(*np.shape(embeddings), _weight=embeddings, _freeze=freeze, **options)
        return found

    def _shorten(self, indices: Any) -> None:
        """Shorten the rows that are looked up to `max_norm`; in a new array, for older graphs."""
        if self.max_norm is None:
            return
        if tracers and (run := tracer()):
            run.refuse(
                f"{type(self).__name__}(max_norm={self.max_norm}) shortens rows of its table: "
                "no compiled step can do. Leave max_norm out, or call the step without compiling it"
            )
        values = self.weight.data
        if not isinstance(values, np.ndarray):
            return
        rows = np.unique(array_of(indices))
        if not rows.size or rows[0] < 0 or rows[-1] >= self.num_embeddings:
            return  # an error says so soon
        lengths = np.linalg.norm(values[rows], self.norm_type, axis=1)
        long = lengths > self.max_norm
        if np.any(long):
            shortened = values.copy()
            scale = self.max_norm / (lengths[long] + 1e-7)  # PyTorch's
            shortened[rows[long]] *= scale.reshape(-1, 1)
            replace_all([], [], ([self.weight], ["_value"], [shortened]))

    def _options(self, **others: Any) -> str:
        given = {"padding_idx": self.padding_idx, "max_norm": self.max_norm, **others}
        shown = [f"{name}={value!r}" for name, value in given.items() if value is not None]
        return ", ".join([f"{self.num_embeddings}, {self.embedding_dim}", *shown])


class Embedding(_Table):
    """A table of vectors that are looked up by number: (...) to (..., embedding_dim).

    It starts from N(0, 1). The row `padding_idx` starts at 0 and receives no gradient. With
    `max_norm`, rows that are longer by the norm of `norm_type` are shortened when they are looked
    up. Raises `LabelError` for numbers that are no rows, `ModuleError` for `scale_grad_by_freq` and
    `sparse`, which are not here.

    >>> layer = Embedding(10, 3, padding_idx=0)
    >>> layer([[1, 2, 0, 0]]).shape, layer([0]).tolist()
    ((1, 4, 3), [[0.0, 0.0, 0.0]])
    """

    def __init__(  # noqa: PLR0917  (PyTorch's)
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,  # noqa: FBT001, FBT002
        sparse: bool = False,  # noqa: FBT001, FBT002
        _weight: Any = None,
        _freeze: bool = False,  # noqa: FBT001, FBT002
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float32,
    ) -> None:
        refused = {"scale_grad_by_freq": scale_grad_by_freq, "sparse": sparse}
        self._make(
            num_embeddings, embedding_dim, padding_idx=padding_idx, max_norm=max_norm,
            norm_type=norm_type, refused=refused, weight=_weight, freeze=_freeze, rng=rng,
            dtype=dtype,
        )  # fmt: skip

    def forward(self, input: Any) -> Tensor:
        """Return the rows."""
        self._shorten(input)
        return F.embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        """Return the sizes and options."""
        return self._options()


class EmbeddingBag(_Table):
    """Sums, means or maxima of bags of vectors that are looked up by number: (bags, embedding_dim).

    Called with numbers (bags, size), or with all of them in one axis and `offsets`, where each bag
    starts. Options are as in `Embedding`, and `functional.embedding_bag` says what they do.

    >>> layer = EmbeddingBag(10, 3, mode="sum")
    >>> layer([1, 2, 4, 5], offsets=[0, 1]).shape
    (2, 3)
    """

    def __init__(  # noqa: PLR0917  (PyTorch's)
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,  # noqa: FBT001, FBT002
        mode: str = "mean",
        sparse: bool = False,  # noqa: FBT001, FBT002
        _weight: Any = None,
        include_last_offset: bool = False,  # noqa: FBT001, FBT002
        padding_idx: int | None = None,
        *,
        _freeze: bool = False,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float32,
    ) -> None:
        if mode not in ("sum", "mean", "max"):
            raise ModuleError(f"mode must be 'sum', 'mean' or 'max', not {mode!r}")
        refused = {"scale_grad_by_freq": scale_grad_by_freq, "sparse": sparse}
        self._make(
            num_embeddings, embedding_dim, padding_idx=padding_idx, max_norm=max_norm,
            norm_type=norm_type, refused=refused, weight=_weight, freeze=_freeze, rng=rng,
            dtype=dtype,
        )  # fmt: skip
        self.mode = mode
        self.include_last_offset = include_last_offset

    def forward(self, input: Any, offsets: Any = None, per_sample_weights: Any = None) -> Tensor:
        """Return a vector for each bag."""
        self._shorten(input)
        return F.embedding_bag(
            input,
            self.weight,
            offsets,
            mode=self.mode,
            per_sample_weights=per_sample_weights,
            include_last_offset=self.include_last_offset,
            padding_idx=self.padding_idx,
        )

    def extra_repr(self) -> str:
        """Return the sizes and options."""
        return self._options(mode=self.mode)
