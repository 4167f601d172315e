"""Findings about parameters and modes: who trains what, and whether it is in training at all."""

from __future__ import annotations

import numpy as np

from tinygrad_bp.doctor.fitting import DROPPING
from tinygrad_bp.doctor.measurements import Measurements, rms
from tinygrad_bp.doctor.report import Finding, Severity, counted
from tinygrad_bp.nn import BatchNorm1d, BatchNorm2d, BatchNorm3d, Module

__all__ = ["batch_norm_of_one", "evaluation_mode", "frozen_in_optimizer", "left_over_gradients",
           "no_gradient", "not_in_optimizer", "other_optimizer", "strangers_in_optimizer",
           "too_much_dropout", "unregistered_parameters", "weight_decay", "zero_rate"]  # fmt: skip


# --- the optimiser ----------------------------------------------------------------------------


def _strangers(m: Measurements) -> list[str]:
    """Names of what the optimiser trains, and neither the model nor the loss has."""
    known = {id(p) for p in m.parameters.values()} | {id(x) for x in m.step.outside}
    groups = m.subject.optimizer.param_groups if m.subject.optimizer else []
    return [
        name
        for group in groups
        for name, p in zip(group["param_names"], group.parameters, strict=True)
        if id(p) not in known
    ]


def _made_anew(m: Measurements) -> str:
    """The line of code that makes the optimiser, of all parameters."""
    optimizer = m.subject.optimizer
    rate = f", lr={optimizer.param_groups[0]['lr']:g}" if optimizer else ""
    return f"optimizer = optim.{type(optimizer).__name__}(model.parameters(){rate})"


def other_optimizer(m: Measurements) -> Finding | None:
    """An optimiser that has none of the model's parameters."""
    own = [id(p) for p in m.parameters.values()]
    if m.subject.optimizer is None or not own or any(i in m.optimized for i in own):
        return None
    return Finding(
        "other-optimizer", Severity.WRONG, "the optimiser trains another model",
        f"None of its {len(m.optimized)} parameters is one of the model's {len(own)}.",
        "Its steps leave this model where it is.",
        f"{_made_anew(m)}  # after the model is made",
    )  # fmt: skip


def not_in_optimizer(m: Measurements) -> Finding | None:
    """Parameters that get a gradient and are in no optimiser."""
    if m.subject.optimizer is None:
        return None
    left = tuple(n for n, p in m.parameters.items() if p.requires_grad and id(p) not in m.optimized)
    if not left:
        return None
    return Finding(
        "not-in-optimizer", Severity.WRONG, "parameters are in no optimiser",
        f"{len(left)} of {len(m.parameters)} parameters, and they are not frozen.",
        "They stay as they were initialised.",
        f"{_made_anew(m)}  # once the model is complete; or p.requires_grad_(False) for those that "
        "are to stay",
        left,
    )  # fmt: skip


def strangers_in_optimizer(m: Measurements) -> Finding | None:
    """Parameters in the optimiser that the model does not have."""
    strangers = tuple(_strangers(m))
    if not strangers:
        return None
    return Finding(
        "strangers-in-optimizer", Severity.WRONG, "the optimiser has parameters of something else",
        f"{len(strangers)} of its {len(m.optimized)} parameters are not the model's, and the loss "
        "does not depend on them.",
        "Perhaps a layer was replaced after the optimiser was made.",
        f"{_made_anew(m)}  # again, after the layer is replaced",
        strangers,
    )  # fmt: skip


def unregistered_parameters(m: Measurements) -> Finding | None:
    """Tensors that get a gradient, and that neither the model nor the optimiser knows."""
    unknown = [x for x in m.step.outside if id(x) not in m.optimized]
    if not unknown:
        return None
    shapes = ", ".join(str(x.shape) for x in unknown[:3])
    return Finding(
        "unregistered-parameters", Severity.WRONG, "the model trains tensors that it does not list",
        f"Not in model.parameters(): {counted(len(unknown), 'tensor')} with a gradient, of shape "
        f"{shapes}.",
        "They are in no state_dict and get no step; perhaps they are made anew in each call.",
        "self.weight = nn.Parameter(...)  # in __init__; modules in lists, not in sets or objects",
        tuple(x.name for x in unknown if x.name),
    )  # fmt: skip


def frozen_in_optimizer(m: Measurements) -> Finding | None:
    """Frozen parameters in the optimiser, which stay where they are."""
    frozen = tuple(n for n, p in m.parameters.items() if not p.requires_grad
                   and id(p) in m.optimized)  # fmt: skip
    if not frozen:
        return None
    return Finding(
        "frozen-in-optimizer", Severity.NOTE, "frozen parameters are in the optimiser",
        f"{counted(len(frozen), 'parameter')} with requires_grad=False.",
        "They stay where they are, which may be meant.",
        "p.requires_grad_(True)  # if not", frozen,
    )  # fmt: skip


def zero_rate(m: Measurements) -> Finding | None:
    """A learning rate of 0, which is not the beginning of a warm-up."""
    groups = m.subject.optimizer.param_groups if m.subject.optimizer else []
    still = [i for i, g in enumerate(groups) if g["lr"] == 0 and not g.get("initial_lr")]
    if not still:
        return None
    everything = len(still) == len(groups)
    resting = {id(p) for i in still for p in groups[i].parameters}
    return Finding(
        "zero-rate", Severity.WRONG if everything else Severity.NOTE, "the learning rate is 0",
        f"That of {counted(len(still), 'group')} of {len(groups)} in the optimiser.",
        "Nothing is trained." if everything
        else "Parameters of such a group stay where they are, which may be meant.",
        f'optimizer.param_groups[{still[0]}]["lr"] = 1e-3' + ("" if everything else "  # if not"),
        () if everything else tuple(n for n, p in m.parameters.items() if id(p) in resting),
    )  # fmt: skip


# --- gradients that do not arrive, or are there already -----------------------------------------


def no_gradient(m: Measurements) -> Finding | None:
    """Parameters that no gradient reaches: cut off in forward, or never used."""
    missing = tuple(name for name, g in m.step.gradients.items() if g is None)
    if not missing:
        return None
    used = tuple(n for n in missing if _layer_of(n) in m.forward.watch.called)
    if used:
        return Finding(
            "no-gradient", Severity.WRONG, "no gradient reaches some parameters",
            f"{len(missing)} of {len(m.step.gradients)} parameters get none, though their layers "
            "are called.",
            "They are never trained: something cuts the graph behind them, or the loss does not "
            "use what they give.",
            "h = self.layer(x)  # in forward(), with no no_grad(), detach(), .data or .item()",
            missing,
        )  # fmt: skip
    return Finding(
        "no-gradient", Severity.DOUBTFUL, "some parameters are never used",
        f"{len(missing)} of {len(m.step.gradients)} parameters belong to layers that forward() "
        "does not call.",
        "They are never trained, and step() refuses to go on without their gradient.",
        "h = self.layer(h)  # in forward(); or take them out of __init__", missing,
    )  # fmt: skip


def _layer_of(name: str) -> str:
    return name.rpartition(".")[0]


def left_over_gradients(m: Measurements) -> Finding | None:
    """Gradients of an earlier backward pass that no step has used."""
    if not m.left_over:
        return None
    return Finding(
        "left-over-gradients", Severity.DOUBTFUL, "gradients of an earlier backward() are there",
        f"{len(m.left_over)} of {len(m.parameters)} parameters have one that no step has used.",
        "The next backward() adds to it, and step() then refuses the sum.",
        "optimizer.zero_grad()  # before each backward()", tuple(m.left_over),
    )  # fmt: skip


# --- modes ------------------------------------------------------------------------------------

_BATCH_NORM = (BatchNorm1d, BatchNorm2d, BatchNorm3d)


def evaluation_mode(m: Measurements) -> Finding | None:
    """Dropout or batch normalisation in evaluation mode, all of it."""
    named = [(n, mod) for n, mod in m.modules.items()
             if isinstance(mod, (*DROPPING, *_BATCH_NORM))]  # fmt: skip
    off = tuple(name for name, _ in named if not m.modes[name])
    if not off or len(off) < len(named):
        return None
    on_purpose = m.modes[""]  # the model is in training, and these layers are not
    return Finding(
        "evaluation-mode", Severity.NOTE if on_purpose else Severity.DOUBTFUL,
        f"{'layers are' if on_purpose else 'the model is'} in evaluation mode",
        f"{counted(len(off), 'layer')} that would do something else in training, such as "
        f"{type(named[0][1]).__name__}.",
        "Dropout leaves nothing out, and batch normalisation uses old means.",
        "model.train()  # before training, also after each evaluation", off,
    )  # fmt: skip


# Srivastava and others, Dropout (2014), section 7.3: of a layer of one width, errors grow once less
# than 0.4 is kept. Of drawn digits, hidden layers of 32, 128 and 512 units have 1.1 to 2 times the
# errors at 0.9 and 1.7 to 2.3 times at 0.95; wide ones lose nothing at 0.85.
LEFT_OUT = 0.9


def too_much_dropout(m: Measurements) -> Finding | None:
    """Dropout that leaves out nearly all, as where the share to keep was meant."""
    shares = {n: _left_out(mod) for n, mod in m.modules.items() if m.modes[n]}
    names = tuple(name for name, share in shares.items() if share >= LEFT_OUT)
    if not names:
        return None
    share = shares[names[0]]
    return Finding(
        "too-much-dropout", Severity.WRONG if share == 1 else Severity.DOUBTFUL,
        f"dropout leaves out {'everything' if share == 1 else 'nearly everything'}",
        f"{share:.3g} of all numbers are set to 0 in training.",
        "Here p is the share that is left out, not the one that is kept.",
        f"p={1 - share:.2g}  # or 0.5, the usual one" if 1 - share >= 0.05
        else "p=0.5  # the usual one", names,
    )  # fmt: skip


def _left_out(module: Module) -> float:
    found = module.p if isinstance(module, DROPPING) else vars(module).get("dropout")
    return float(found) if isinstance(found, float | int) else 0.0


# Wu and He, Group normalization (2018), figure 1: the error of batch normalisation rises below 8
# examples; of one, the layer subtracts the example from itself.
def batch_norm_of_one(m: Measurements) -> Finding | None:
    """Batch normalisation of a batch of one."""
    names = tuple(n for n, mod in m.modules.items() if isinstance(mod, _BATCH_NORM) and m.modes[n])
    if m.subject.size > 1 or not names:
        return None
    return Finding(
        "batch-norm-of-one", Severity.WRONG, "batch normalisation of a batch of one",
        "The batch has 1 example.",
        "Mean and variance of one example are not those of the data.",
        "nn.GroupNorm(1, channels)  # or nn.LayerNorm, or a larger batch", names,
    )  # fmt: skip


# --- weight decay -----------------------------------------------------------------------------

# Usual decays (1e-4 to 1e-2) are a hundredth of the gradient at the start. Near the end of
# training both are of one size, so it must be far larger to matter.
DOMINATES = 10.0


def weight_decay(m: Measurements) -> Finding | None:
    """A decay that pulls harder than the gradient."""
    pairs = [(m.step.gradients.get(name), p, m.optimized[id(p)]) for name, p in m.parameters.items()
             if id(p) in m.optimized]  # fmt: skip
    pulls = [(g, p, group) for g, p, group in pairs if g is not None and group.get("weight_decay")]
    if not pulls:
        return None
    decoupled = any(_is_decoupled(m, group) for *_, group in pulls)
    decay = _norm([group["weight_decay"] * rms(p.data) * p.size**0.5 for _, p, group in pulls])
    gradient = _norm([_pull(g, decoupled=decoupled) for g, *_ in pulls])
    if not decay > DOMINATES * gradient:
        return None
    value = pulls[0][2]["weight_decay"]
    return Finding(
        "weight-decay", Severity.DOUBTFUL, "weight decay pulls harder than the gradient",
        f"With weight_decay={value:g} it is {decay / gradient:.3g} times as large."
        if gradient else f"weight_decay={value:g}, and the gradient is 0.",
        "The weights shrink to 0, whatever the data say.",
        f"weight_decay={value * gradient / decay / 100:.0e}  # or 1e-4, the usual one",
    )  # fmt: skip


def _is_decoupled(m: Measurements, group: object) -> bool:
    named = type(m.subject.optimizer).__name__ == "AdamW"
    return named or bool(getattr(group, "get", lambda *_: False)("decoupled_weight_decay"))


def _pull(gradient: object, *, decoupled: bool) -> float:
    """How hard a gradient pulls: a decoupled decay stands beside steps of 1 for each weight."""
    g = np.asarray(gradient)
    return float(np.sqrt(np.count_nonzero(g))) if decoupled else rms(g) * g.size**0.5


def _norm(parts: list[float]) -> float:
    return float(np.linalg.norm(parts))
