"""Every method is its function: the same values, the same gradient, and PyTorch's where it says so.

A row is written as a user would write it, and run on tensors, on arrays and on PyTorch's tensors.
A function that has no rule yet is compared on a tensor that does not track, and on one that does
as soon as it has one.
"""

from __future__ import annotations

import copy
import difflib
import importlib.util
import inspect
import traceback
from typing import Any

import numpy as np
import pytest
from quick import some_quick

from tinygrad_bp import Tensor, gradients
from tinygrad_bp import functional as F
from tinygrad_bp import rules as own
from tinygrad_bp.errors import ConversionError, InPlaceError, NotDifferentiableError, ShapeError
from tinygrad_bp.explain.symbol import Symbol
from tinygrad_bp.gradcheck import check
from tinygrad_bp.methods import Methods

Array = Any

# fmt: off

# NumPy's arrays have these methods: both sides run the same text, but for what NumPy does in place.
NUMPYS = [
    "t.copy()", "t.copy('C')", "t.round()", "t.round(1)", "t.round(decimals=1)", "t.argsort()",
    "t.argsort(axis=0)", "t.argsort(0)", "t.argsort(axis=-1, stable=True)", "t.take([2, 0])",
    "t.take([1, 0, 1], axis=1)", "t.take([4, 9], mode='wrap')", "t.take(1, 0)", "t.repeat(2)",
    "t.repeat(2, axis=1)", "t.repeat([1, 2], axis=0)", "m.trace()", "m.trace(1)",
    "m.trace(offset=-1, axis1=1, axis2=0)", "m.diagonal()", "m.diagonal(1)", "b.diagonal(0, 1, 2)",
    "t.cumsum()", "t.cumsum(1)", "t.cumsum(axis=0)", "t.cumprod()", "t.cumprod(axis=1)", "t.any()",
    "t.any(axis=0)", "t.all(0)", "t.all(axis=1, keepdims=True)", "t.nonzero()", "v.searchsorted(0)",
    "v.searchsorted([0.5, -3.0], side='right')", "t.conj()", "t.conjugate()", "t.real", "t.imag",
    "t.argmax()", "t.argmax(1)", "t.argmax(axis=0, keepdims=True)", "t.argmin(axis=1)", "t.T",
    "t.argmin(keepdims=True)", "t.item(4)", "t.item(1, 2)", "t[0, 0].item()", "t.tolist()",
    "t.flatten()", "t.flatten('F')", "t.flatten(order='F')", "t.ravel()", "t.ravel('F')",
    "t.ravel(order='F')", "t.reshape(3, 2)", "t.reshape((3, -1))", "t.reshape(3, 2, order='F')",
    "t.reshape(-1)", "t.compress([True, False, True], axis=1)", "t.compress([0, 1, 1])",
    "v.argpartition(1)", "t.argpartition(1, axis=0)", "t.itemsize", "t.nbytes", "t.size", "t.ndim",
    "t.shape", "t.dtype", "t.astype(np.float32)", "t.astype(float, copy=False)", "t.mT",
    "t.astype(int)", "t.min()", "t.max(axis=1)", "t.min(initial=-0.5)", "t.max(initial=9.0)",
    "t.max(axis=1, initial=-9.0, where=t > 0)", "t.min(initial=3.0, where=t < 0)", "t.mean()",
    "t.mean(dtype=np.float32)", "t.mean(axis=0, where=t > -9)", "t.sum(dtype=np.float32)",
    "t.sum(initial=2.0)", "t.sum(axis=0, where=t > 0)", "t.prod(axis=1)", "t.prod(initial=2.0)",
    "t.sum(axis=(0, 1), keepdims=True)", "t.var()", "t.var(axis=0, ddof=1)", "t.std(axis=1)",
    "t.std(ddof=1, keepdims=True)",  "t.clip(-0.5, 0.5)", "t.clip(min=0.0)",
    "t.clip(max=0.25)", "t.dot(v)", "m.dot(m)", "t.transpose()", "t.transpose(1, 0)",
    "t.transpose((1, 0))", "t.transpose(0, 1)", "b.transpose(2, 0, 1)", "t.swapaxes(0, 1)",
    "t[None].squeeze()", "t[None].squeeze(0)", "t[None].squeeze(axis=0)",
]

# What the method says, and what it is a shorter way of saying.
SAME = {
    "m.scatter(1, i, u, reduce='add')": "m.scatter_add(1, i, u)",
    "m.scatter(1, i, u, reduce='multiply')": "m.scatter_reduce(1, i, u, 'prod')",
    "m.scatter(1, i[:, :0], u)": "m.copy()",
    "t.std(correction=1)": "np.std(t, ddof=1)",
    "t.floor_divide(p)": "t // p",
    "m.scatter_add(1, i[:, :2], u)": "m + m.scatter_add(1, i[:, :2], u[:, :2]) - m",
    "t.sort()": "np.sort(t)",
    "t.sort(axis=0)": "np.sort(t, axis=0)",
    "t.sort(axis=0, stable=True)": "np.sort(t, axis=0, stable=True)",
    "t.max(0, True)": "np.max(t, axis=0, keepdims=True)",
    "v.partition(1)": "np.partition(v, 1)",
    "t.choose([t, u, t])": "None",
    "t.max(dim=0)": "np.max(t, axis=0)",
    "t.min(dim=0, keepdim=True)": "np.min(t, axis=0, keepdims=True)",
    "t.cumprod(dim=1)": "np.cumprod(t, axis=1)",
    "t.flip()": "np.flip(t)",
    "t.median(axis=1)": "np.median(t, axis=1)",
    "t.median(dim=0, keepdim=True)": "np.median(t, axis=0, keepdims=True)",
    "t.softmax()": "own.softmax(t)",
    "t.log_softmax()": "own.log_softmax(t)",
    "t.logsumexp()": "own.logsumexp(t)",
    "t.softmax(axis=0)": "own.softmax(t, axis=0)",
    "t.quick_gelu()": "own.quick_gelu(t)",
    "t.layernorm()": "(t - t.mean(1, keepdims=True)) / np.sqrt(t.var(1, keepdims=True) + 1e-5)",
    "t.layernorm(axis=(0, 1), eps=0.5)": "(t - t.mean()) / np.sqrt(t.var() + 0.5)",
    "t.norm(2.0)": "np.linalg.norm(t)",
    "t.swish()": "t * own.sigmoid(t)",
    "t.leakyrelu(0.2)": "np.where(t > 0, t, 0.2 * t)",
    "t.hardtanh()": "own.hardtanh(t)",
    "t.celu(0.5)": "own.celu(t, 0.5)",
    "t.transpose(dim0=1, dim1=0)": "np.swapaxes(t, 0, 1)",
    "t.norm()": "np.linalg.norm(t)",
    "t.copysign(u)": "np.copysign(t, u)",
    "t.fabs()": "np.fabs(t)",
    "t.positive()": "+t",
    "t.divide(p)": "t / p",
    "t.multiply(u)": "t * u",
    "t.subtract(u)": "t - u",
    "t.negative()": "-t",
    "t.equal(t)": "np.array_equal(t, t)",
    "t.equal(u)": "np.array_equal(t, u)",
    "t.equal(v)": "False",
    "t.allclose(t + 1e-9)": "True",
    "t.allclose(u, rtol=0.1)": "np.allclose(t, u, rtol=0.1)",
    "t.isclose(u)": "np.isclose(t, u)",
    "t.dim()": "2",
    "t.numel()": "6",
    "t.count_nonzero()": "6",
    "t.count_nonzero(axis=0)": "np.count_nonzero(t, axis=0)",
    "t.moveaxis(0, 1)": "np.moveaxis(t, 0, 1)",
    "t.asin is not None": "True",
    "t.broadcast_to((2, 2, 3))": "np.broadcast_to(t, (2, 2, 3))",
    "t.split([1, 2], dim=1)": "np.split(t, [1], axis=1)",
    "t.cat(u, p, dim=1)": "np.concatenate([t, u, p], axis=1)",
    "t.cat(u)": "np.vstack([t, u])",
    "t.stack(u, dim=-1)": "np.stack([t, u], axis=-1)",
    "t.stack()": "t[None]",
    "b.shrink(((0, 1), None, (1, 3)))": "b[:1, :, 1:3]",
    "t.pad((1, 2))": "np.pad(t, [(0, 0), (1, 2)])",
    "t.pad(((1, 0), None), value=7.0)": "np.pad(t, [(1, 0), (0, 0)], constant_values=7.0)",
    "t.pad((-1, 2, 1, 0))": "np.pad(t[:, 1:], [(1, 0), (0, 2)])",
    "t.pad((1, 1), 'reflect')": "np.pad(t, [(0, 0), (1, 1)], mode='reflect')",
    "t.pad((1, 1), mode='replicate')": "np.pad(t, [(0, 0), (1, 1)], mode='edge')",
    "t.pad((2, 1), mode='circular')": "np.pad(t, [(0, 0), (2, 1)], mode='wrap')",
    "t.var_mean()": "(np.var(t, ddof=1), np.mean(t))",
    "t.var_mean(axis=1, keepdim=True)":
        "(np.var(t, 1, ddof=1, keepdims=True), np.mean(t, 1, keepdims=True))",
    "t.std_mean(dim=0, correction=0)": "(np.std(t, 0), np.mean(t, 0))",
    "t.einsum('ij,ij->i', t, u)": "(t * u).sum(1)",
    "t.softmin(axis=0)": "own.softmax(-t, axis=0)",
    "t.mod(p)": "t % p",
    "t.logical_xor(u)": "np.logical_xor(t, u)",
    "m.diagonal(1, axis1=1, axis2=0)": "np.diagonal(m, 1, 1, 0)",
    "t.argsort(descending=True)": "np.argsort(-t)",
    "t.pad((-1, 2), 'reflect')": "np.pad(t, [(0, 0), (0, 2)], mode='reflect')[:, 1:]",
    "t.pad((3, -1), 'replicate')": "np.pad(t, [(0, 0), (3, 0)], mode='edge')[:, :-1]",
    "t.pad((2, -1), 'circular')": "np.pad(t[:, :-1], [(0, 0), (2, 0)], mode='wrap')",
    "t.cast(np.float32)": "t.astype(np.float32)",
    "t.cat([u, p], dim=1)": "np.concatenate([t, u, p], axis=1)",
    "t.stack((u, p))": "np.stack([t, u, p])",
    "t.einsum('ij,ij->i', [t, u])": "(t * u).sum(1)",
    "v.meshgrid(t[0], p[1])": "np.meshgrid(v, t[0], p[1], indexing='ij')",
    "v.meshgrid(t[0], indexing='xy')": "np.meshgrid(v, t[0])",
    "t.full_like(2)": "np.full_like(t, 2)",
    "t.full_like(v[0])": "np.full_like(t, v[0])",
    "t.repeat((1, 2), axis=0)": "np.repeat(t, [1, 2], axis=0)",
    "t.cummax(axis=1)": "t.cummax(dim=1)",
    "t.cummin()": "t.cummin(0)",
    "t.idiv(p)": "np.trunc(t / p)",
}

# tinygrad's tensors have the layers and losses as methods.
SAME |= {
    "m.cross_entropy([0, 2, 1], reduction='sum')":
        "F.cross_entropy(m, [0, 2, 1], reduction='sum')",
    "m.cross_entropy(p[[0, 1, 0]], label_smoothing=0.5)":
        "F.cross_entropy(m, p[[0, 1, 0]], label_smoothing=0.5)",
    "m.nll_loss([0, 2, 1], p[0])": "F.nll_loss(m, [0, 2, 1], p[0])",
    "m.sparse_categorical_crossentropy([0, -1, 1])":
        "F.cross_entropy(m, [0, -1, 1], ignore_index=-1)",
    "b.sparse_categorical_crossentropy([[0, 1, 3], [-1, 2, 0]])":
        "F.cross_entropy(b[[0, 0, 0, 1, 1], [0, 1, 2, 1, 2]], [0, 1, 3, 2, 0])",
    "abs(s).binary_crossentropy(abs(s[::-1]))": "F.binary_cross_entropy(abs(s), abs(s[::-1]))",
    "t.binary_crossentropy_logits(abs(s), pos_weight=p)":
        "F.binary_cross_entropy_with_logits(t, abs(s), pos_weight=p)",
    "t.scaled_dot_product_attention(u, p, is_causal=True)":
        "F.scaled_dot_product_attention(t, u, p, is_causal=True)",
    "t.conv2d(u[None, :, :2], v[:1], padding=(1, 0))":
        "F.conv1d(t.pad((1, 0)), u[None, :, :2], v[:1])",
    "b.conv2d(b[None, :, :2, :2], stride=2, padding=1)":
        "F.conv2d(b, b[None, :, :2, :2], stride=2, padding=1)",
    "b.conv2d(b[None, :, :2, :2], padding=(2, 1, 0, 1))":
        "F.conv2d(b.pad((2, 1, 0, 1)), b[None, :, :2, :2])",
    "b[None].conv2d(b[None, None, :, :2, :2])": "F.conv3d(b[None], b[None, None, :, :2, :2])",
    "t.conv_transpose2d(u[:, None])": "F.conv_transpose1d(t, u[:, None])",
    "b.conv_transpose2d(b[:, None, :2], stride=2)":
        "F.conv_transpose2d(b, b[:, None, :2], stride=2)",
    "b.avg_pool2d()": "F.avg_pool2d(b, 2)",
    "b.avg_pool2d((2,), 1)": "F.avg_pool1d(b, 2, 1)",
    "b.avg_pool2d(2, padding=(1, 0, 0, 1))": "F.avg_pool2d(b.pad((1, 0, 0, 1)), 2)",
    "b.avg_pool2d(2, padding=(1, 0, 0, 1), count_include_pad=False)":
        "F.avg_pool2d(b.pad((1, 0, 0, 1)), 2) / [[0.5, 1], [0.25, 0.5]]",
    "b.max_pool2d(2, 1)": "F.max_pool2d(b, 2, 1)",
    "b.max_pool2d((2,), dilation=2)": "F.max_pool1d(b, 2, dilation=2)",
    "b[None].max_pool2d((1, 2, 2))": "F.max_pool3d(b[None], (1, 2, 2))",
    "b.max_pool2d(2, padding=(1, 0, 0, 1), return_indices=True)[0]":
        "F.max_pool2d(b.pad((1, 0, 0, 1), value=-np.inf), 2)",
    "b.max_unpool2d(*[np.arange(12).reshape(1, 3, 4)[[0, 0]]], 1)": "b.copy()",
    "b.interpolate(6)": "F.interpolate(b, 6, mode='linear')",
    "b[None].interpolate((5, 6), align_corners=True)":
        "F.interpolate(b[None], (5, 6), mode='bilinear', align_corners=True)",
    "b[None, None].interpolate((3, 5, 6))":
        "F.interpolate(b[None, None], (3, 5, 6), mode='trilinear')",
    "b[None].interpolate((2, 2), 'nearest')": "F.interpolate(b[None], (2, 2))",
}

# PyTorch's tensors have these methods: both sides run the same text.
TORCHS = [
    "t.sum(0, True)", "t.mean(-1, True)", "t.sum((0, 1), True)", "t.argmax(1, True)",
    "t.view(3, 2)", "t.view(-1)", "t.view((6, 1))", "t.unsqueeze(0)", "t.unsqueeze(-1)",
    "t.view_as(u)", "t.reshape_as(t.T)", "t.unflatten(1, (3, 1))", "t.permute(1, 0)",
    "b.permute(2, 0, 1)", "b.permute((1, 2, 0))", "b.movedim(0, 2)", "b.swapdims(0, -1)", "t.t()",
    "v.t()", "t.unsqueeze(1).squeeze(1)", "t.squeeze(dim=0)", "t[None].squeeze(dim=0)",
    "t[None, :, None].squeeze(dim=(0, 1))", "b.flatten(1)", "b.flatten(0, 1)",
    "b.flatten(start_dim=1, end_dim=2)", "b.flatten(-2)", "t[:, None].expand(2, 4, 3)",
    "t[:, :1].expand(-1, 4)", "v.expand(2, 3)", "v.expand((2, 3))", "v.expand_as(t)",
    "t.tile(2, 1)", "t.tile((1, 2))", "t.repeat_interleave(2)", "t.repeat_interleave(2, dim=0)",
    "t.flip(0)", "t.flip(0, 1)", "t.flip((1,))", "t.flip([0])", "t.roll(1, 0)", "t.roll(2)",
    "t.roll((1, 2), (0, 1))", "t.split(2, dim=1)", "t.split(2, 1)", "t.split([1, 2], 1)",
    "b.split(1)", "t.chunk(2)", "t.chunk(2, dim=1)", "b.chunk(3, 2)", "t.unbind()",
    "t.unbind(dim=1)", "t.select(1, 2)", "t.narrow(1, 1, 2)", "m.tril()", "m.triu(1)",
    "m.tril(diagonal=-1)", "m.diag()", "v.diag()", "v.diag(diagonal=1)",
    "t.sum(dim=1)", "t.sum(dim=(0, 1))", "t.sum(dim=[0, 1], keepdim=True)", "t.mean(dim=0)",
    "t.prod(dim=1, keepdim=True)", "t.amax(dim=1)", "t.amin(dim=0, keepdim=True)", "t.amax()",
    "t.var(dim=1)", "t.std(dim=0)", "t.std(dim=0, keepdim=True)", "t.var(unbiased=False)",
    "t.std(unbiased=True)", "t.var(dim=1, unbiased=False)", "t.var(correction=0)",
    "t.std(dim=1, correction=2)", "t.argmax(dim=1)", "t.argmin(dim=0, keepdim=True)", "t.argmax()",
    "t.any(dim=0)", "t.all(dim=1, keepdim=True)", "t.cumsum(dim=1)", "t.cumsum(0)",
    "t.argsort(dim=0)", "t.argsort()", "t.norm()", "t.norm(2)", "t.norm(dim=1)",
    "t.norm(p=2, dim=0, keepdim=True)", "t.norm(p='fro')", "t.norm(1)", "t.norm(3, 1)",
    "t.matmul(m)", "t.mm(m)", "b.bmm(b.mT)", "m.mv(v)", "v.outer(v)", "v.inner(v)", "v.dot(v)",
    "m.addmm(m, m)", "m.addmm(m, m, beta=0.5, alpha=2)", "v.addmv(m, v)", "t.add(u)",
    "t.add(u, alpha=3)", "t.sub(u)", "t.sub(u, alpha=0.5)", "v[0].masked_select(v > 0)",
    "t.mul(u)", "t.div(p)", "t.neg()",
    "t.div(p, rounding_mode='floor')", "t.div(p, rounding_mode='trunc')", "t.true_divide(p)",
    "p.pow(u)", "t.pow(2)", "t.pow(3)", "p.pow(-0.5)", "t.remainder(p)",
    "t.fmod(p)", "t.atan2(u)", "t.arctan2(u)", "t.hypot(u)", "t.logaddexp(u)", "t.logaddexp2(u)",
    "t.maximum(u)", "t.minimum(u)", "t.fmax(u)", "t.fmin(u)", "t.eq(u)", "t.ne(u)", "t.lt(u)",
    "t.le(t)", "t.gt(u)", "t.ge(t)", "t.lerp(u, 0.25)", "t.addcmul(u, p)",
    "t.addcmul(u, p, value=2)", "t.addcdiv(u, p, value=-1)", "t.clamp(-0.5, 0.5)",
    "t.clamp(min=0.0)", "t.clamp(max=0.5)", "t.clamp_min(0.1)", "t.clamp_max(0.1)",
    "t.where(t > 0, u)", "t.masked_fill(t > 0, 7.0)", "t.masked_select(t > 0)", "t.round()",
    "t.abs()", "t.absolute()", "t.reciprocal()", "t.square()", "p.sqrt()", "p.rsqrt()", "t.exp()",
    "t.exp2()", "t.expm1()", "p.log()", "p.log2()", "p.log10()", "p.log1p()", "t.sin()", "t.cos()",
    "t.tan()", "s.asin()", "s.acos()", "s.atan()", "s.arcsin()", "s.arccos()", "t.arctan()",
    "t.sinh()", "t.cosh()", "t.tanh()", "t.asinh()", "(p + 1).acosh()", "s.atanh()", "t.arcsinh()",
    "(p + 1).arccosh()", "s.arctanh()", "t.deg2rad()", "t.rad2deg()", "t.sinc()", "t.erf()",
    "t.sign()", "t.floor()", "t.ceil()", "t.trunc()", "t.frac()", "t.isnan()", "t.isinf()",
    "t.isfinite()", "t.nan_to_num()", "t.sigmoid()", "t.relu()", "t.softmax(dim=1)",
    "t.softmax(0)", "t.log_softmax(dim=0)", "t.log_softmax(-1)", "t.logsumexp(dim=1)",
    "t.logsumexp(0)", "t.logsumexp(dim=1, keepdim=True)", "t.clone()", "t.contiguous()", "t.cpu()",
    "t.unfold(1, 2, 1)", "b.unfold(1, 2, 1)", "b.unfold(-1, 2, 2)", "b.unfold(dimension=0, size=1,"
    "step=1)", "t.topk(2)", "b.topk(2, dim=1)", "b.topk(3, -1, largest=False)", "t.cummax(1)",
    "t.cummax(dim=0)", "b.cummin(-1)", "t.logcumsumexp(1)", "(50 * b).logcumsumexp(dim=0)",
    "m.argsort(descending=True)", "m.argsort(dim=0, descending=True)", "b.diagonal(dim1=1, dim2=2)",
    "b.diagonal(1, dim1=0, dim2=-1)", "t.logical_not()", "t.logical_and(u)",
    "t.logical_or(u)",
    "t.double()", "t.float()", "t.half()", "t.type_as(u.float())", "t.to(u.float())",
    "t.to('cpu')", "t.numel()", "t.dim()", "t.clone().detach()", "t.tolist()", "t[0, 1].item()",
    "t.logsumexp((0, 1))", "t.logsumexp(dim=(0, 1), keepdim=True)", "t.norm(2, 0, True)",
    "t.topk(2)",
    "t.topk(1, 0, False)", "t.topk(0)", "b.topk(2, dim=1)", "t.kthvalue(2)",
    "t.kthvalue(1, 0, True)", "t.msort()", "t.cummax(1)", "t.cummin(dim=0)", "t.logcumsumexp(1)",
    "b.logcumsumexp(-1)", "(100 * t).logcumsumexp(0)", "t.aminmax()", "t.aminmax(dim=1)",
    "t.quantile(0.3)", "t.quantile(0.3, dim=1, keepdim=True)", "t.nansum(dim=0)",
    "t.nanmean(dim=1)",
    "t.quantile(0.3, dim=0, interpolation='midpoint')", "t.nanquantile(0.3, dim=1)", "t.diff()",
    "t.diff(dim=0)", "b.diff(2)", "t.diff(prepend=u)", "t.addbmm(b[:, :2, :], b.mT[:, :, :])",
    "t.tensor_split(2)", "b.tensor_split([1, 3], 2)", "b.tensor_split(3, dim=-1)", "m.cross(m + 1)",
    "b.split_with_sizes([1, 3], 2)", "b.unfold(2, 2, 1)", "b.unfold(-1, 3, 2)", "b.unfold(0, 1, 1)",
    "b.sum_to_size(3, 1)", "b.sum_to_size(1, 3, 4)", "m.baddbmm(b.mT[:, :3], b[:, :, :3], alpha=2)",
    "m.addr(v, v * 2, beta=0.5, alpha=3)", "v.ger(v)", "v.vdot(v + 1)", "m.H", "b.mH", "m.det()",
    "m.slogdet()[1]", "(m @ m.T).logdet()", "m.inverse()", "t.pinverse()", "m.matrix_power(3)",
    "m.matrix_exp()", "(9 * m).matrix_exp() * 1e-9", "(m @ m.T).cholesky()", "t.dist(u)",
    "(m @ m.T).cholesky(upper=True)", "m.cholesky_solve(m.tril())",
    "m.cholesky_solve(m.triu(), upper=True)",
    "t.dist(u, 3)", "b.renorm(2, 1, 1.5)", "b.renorm(1, 0, 4.0)", "t.cov()", "t.cov(correction=0)",
    "t.corrcoef()", "v.cov()", "m.triangular_solve(m)[0]", "p.lgamma()", "p.digamma()",
    "p.polygamma(0)", "p.polygamma(1)", "p.polygamma(4)", "(p + 1).mvlgamma(3)",
    "(s.abs()).logit()",
    "(s.abs()).logit(0.3)", "m.triangular_solve(m, upper=False, unitriangular=True)[0]",
    "m.triangular_solve(m, transpose=True)[0]", "t.masked_scatter(t > 0, u)",
    "v.masked_select(t > 0)",
    "t.select_scatter(v, 0, 1)", "t.slice_scatter(u[:, :2], 1, 0, 3, 2)", "m.diagonal_scatter(v)",
    "t.diagonal_scatter(v[:2], 1)", "b.diagonal_scatter(b[:, :3, 0], 0, 1, 2)",
    "t.sum([0, 1])", "b.mean([0, -1], True)", "b.amax([1, 2])", "b.logsumexp(1, True)",
    "b.logsumexp([0, 1])", "m.argsort(0, True)", "b.flip(())", "b.flip(-1)", "t.topk(2).values",
    "b.topk(2, dim=1).indices", "t.cummax(1).values", "t.cummin(dim=0).indices",
    "t.kthvalue(2).values", "t[0, 0].logcumsumexp(0)", "t[0, 0].cummax(0)", "t.unfold(1, 0, 1)",
    "b.unfold(-1, 0, 2)",
]

# fmt: on

# Texts with an index of integers, which PyTorch wants as a tensor of its own.
INDEXED = [
    "t.gather(1, i)",
    "t.gather(0, i)",
    "b.gather(2, k)",
    "b.gather(-1, k)",
    "t.gather(dim=1, index=i[:1, :1])",
    "m.scatter_add(1, i, u)",
    "m.scatter_add(0, i, u)",
    "m.scatter_add(dim=-1, index=i[:, :2], src=u[:, :2])",
    "m.scatter(1, i[:, :1], u[:, :1])",
    "m.scatter(0, i[:1], u[:1])",
    "b.scatter(2, k[..., ::2], 2 * b[:, :1, :2])",
    "m.scatter(1, i[:, :1], 7.0)",
    "m.scatter(1, i[:, :1], value=7.0)",
    "t.index_select(1, j)",
    "b.index_select(dim=0, index=j)",
    "t.take_along_dim(i, 1)",
    "t.take_along_dim(i[:1], dim=0)",
    "t.take_along_dim(i)",
    "m.scatter(1, e, m + 1)",
    "m.scatter(0, i, 7.0)",
    "m.scatter_reduce(1, i, u, 'sum')",
    "m.scatter_reduce(1, i, u, 'prod')",
    "m.scatter_reduce(0, i, u, 'mean')",
    "m.scatter_reduce(0, i, u, 'amax')",
    "m.scatter_reduce(1, i, u, 'amin', include_self=False)",
    "m.scatter_reduce(1, i, u, 'prod', include_self=False)",
    "m.scatter_reduce(1, i, u, 'mean', include_self=False)",
    "m.index_add(0, j, m)",
    "m.index_add(1, j, m, alpha=2)",
    "t.index_copy(0, j[:2], u)",
    "t.index_fill(1, j, 2.0)",
    "t.index_fill(1, j, v[0])",
    "m.index_reduce(0, j, m + 1, 'prod')",
    "m.index_reduce(1, j, m + 1, 'amax')",
    "t.index_put((i[0], j), v, accumulate=True)",
    "m.index_put((j[:2], i[0, :2]), v[:2])",
]

# Whose functions, or their arguments, have no rule yet: on tensors that track they may still raise.
WAITING = (
    "cumprod", "initial=", "where=", "mean(dtype", "median", "norm(1)", "norm(3",
)  # fmt: skip

INDICES = {
    "i": np.array([[0, 1, 1], [1, 0, 0]]),
    "j": np.array([1, 0, 1]),
    "k": np.array([[[3, 0, 0]], [[2, 2, 1]]]),
    "e": np.array([[2, 0, 1], [0, 1, 2], [1, 2, 0]]),
}


def arrays() -> dict[str, Array]:
    rng = np.random.default_rng(0)
    return {
        "t": rng.permutation(np.linspace(-1.3, 1.4, 6)).reshape(2, 3),
        "u": rng.uniform(-2, 2, (2, 3)),
        "p": rng.uniform(0.5, 2, (2, 3)),
        "s": rng.uniform(-0.8, 0.8, (2, 3)),
        "m": rng.uniform(-2, 2, (3, 3)),
        "b": rng.uniform(-2, 2, (2, 3, 4)),
        "v": np.array([-0.7, 0.4, 1.1]),
    }


def tensors(**options: Any) -> dict[str, Tensor]:
    return {name: Tensor(a, **options) for name, a in arrays().items()}


def run(text: str, values: dict[str, Any]) -> Any:
    return eval(text, {"np": np, "own": own, "F": F, **INDICES, **values})  # noqa: S307  (the texts above)


def tolerance_of(text: str, exact: float) -> float:
    """How many digits are alike; PyTorch's trigamma has nine."""
    words = {"half": 1e-2, "float": 1e-6, "gamma(": 1e-8}
    return next((loose for word, loose in words.items() if word in text), exact)


def parts_of(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple | list) else [result]


def assert_alike(found: Any, wanted: Any, tolerance: float = 0.0) -> None:
    """The same kind of thing, with the same values, shapes and dtypes."""
    assert len(parts_of(found)) == len(parts_of(wanted))
    for mine, its in zip(parts_of(found), parts_of(wanted), strict=True):
        if not isinstance(mine, Tensor | np.ndarray):
            assert mine == its
            continue
        values, wanted_values = (a.data if isinstance(a, Tensor) else a for a in (mine, its))
        assert (values.shape, values.dtype) == (wanted_values.shape, wanted_values.dtype)
        np.testing.assert_allclose(values, wanted_values, rtol=tolerance, atol=tolerance)


def gradients_of(text: str) -> list[Array] | None:
    """The gradients for a gradient that arrives at every tensor; None if a rule is missing."""
    given = tensors(requires_grad=True)
    try:
        outputs = [y for y in parts_of(run(text, given)) if isinstance(y, Tensor)]
    except NotDifferentiableError:
        assert any(part in text for part in WAITING)
        return None
    outputs = [y for y in outputs if y.requires_grad]
    if not outputs:
        return []
    total = sum(np.sum(y.double() * seed_for(y.shape)) for y in outputs)
    total.backward()
    return [np.zeros(x.shape) if x.grad is None else x.grad.data for x in given.values()]


def seed_for(shape: tuple[int, ...]) -> Array:
    return np.cos(np.arange(np.prod(shape, dtype=int)) + 1.0).reshape(shape)


# --- NumPy's methods --------------------------------------------------------------------------


@pytest.mark.parametrize("text", NUMPYS)
def test_a_method_of_numpys_gives_what_it_gives_on_arrays(text: str) -> None:
    wanted = run(text, arrays())
    for options in ({}, {"requires_grad": True}):
        try:
            found = run(text, tensors(**options))
        except NotDifferentiableError:
            assert options, "a function needs no rule where nothing tracks"
            assert any(part in text for part in WAITING)
            continue
        assert_alike(found, wanted)


@pytest.mark.parametrize(
    "text", some_quick((text for text in NUMPYS if text[:2] in ("t.", "m.", "v.")), 3)
)
def test_the_gradient_of_a_method_of_numpys_is_that_of_differences(text: str) -> None:
    found = gradients_of(text)
    dtypes = ("float32", "astype")
    if not found or any(word in text for word in dtypes):
        return
    name = text[0]
    others = arrays()

    def f(x: Array) -> Array:
        return run(text, {**others, name: x})

    report = check(f, others[name])
    assert report.ok, str(report)


def test_numpys_arrays_have_no_method_that_is_not_here_or_explained() -> None:
    t = Tensor([[1.0]])
    for name in dir(np.ndarray):
        if name.startswith("_") or hasattr(t, name):
            continue
        with pytest.raises(AttributeError, match=r"[Ww]rite "):
            getattr(t, name)


# --- shorter ways to say it -------------------------------------------------------------------


@pytest.mark.parametrize(("text", "longer"), SAME.items())
def test_a_method_is_its_function(text: str, longer: str) -> None:
    if longer == "None":
        with pytest.raises(TypeError):
            run(text, tensors())
        return
    assert_alike(run(text, tensors()), run(longer, tensors()), 1e-15)
    found, wanted = gradients_of(text), gradients_of(longer)
    assert (found is None) == (wanted is None)
    for g, h in zip(found or [], wanted or [], strict=True):
        np.testing.assert_allclose(g, h, rtol=1e-12, atol=1e-12)


def test_choose_is_for_integers() -> None:
    index = Tensor(np.array([0, 1, 0]))
    assert index.choose([np.zeros(3), np.ones(3)]).tolist() == [0.0, 1.0, 0.0]


# --- PyTorch's methods ------------------------------------------------------------------------


@pytest.mark.parametrize("text", [*TORCHS, *INDEXED])
def test_a_method_of_pytorchs_runs_and_differentiates(text: str) -> None:
    if "gamma" in text:
        pytest.importorskip("scipy")
    run(text, tensors())
    found = gradients_of(text)
    assert found is None or all(np.isfinite(g).all() for g in found)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch")
@pytest.mark.filterwarnings("ignore")  # of PyTorch's about its own old names
@pytest.mark.parametrize("text", [*TORCHS, *INDEXED])
def test_a_method_of_pytorchs_gives_what_it_gives_there(text: str) -> None:
    import torch

    its = {name: torch.tensor(a, requires_grad=True) for name, a in arrays().items()}
    indices = {name: torch.tensor(a) for name, a in INDICES.items()}
    wanted = run(text, {**its, **indices})
    found = run(text, tensors())
    for y, z in zip(parts_of(found), parts_of(wanted), strict=True):
        if isinstance(z, torch.Tensor):
            loose = tolerance_of(text, 1e-12)
            assert np.shape(y) == tuple(z.shape)
            np.testing.assert_allclose(np.asarray(y), z.detach().numpy(), rtol=loose, atol=loose)
        else:
            assert y == z
    outputs = [z for z in parts_of(wanted) if getattr(z, "requires_grad", False)]
    mine = gradients_of(text)
    if not outputs or mine is None or not mine:
        # What is flat in PyTorch, too, has the gradient 0 there.
        assert mine is None or not any(
            g is not None and g.any()
            for z in outputs
            for g in torch.autograd.grad(z.sum(), list(its.values()), allow_unused=True)
        )
        return
    total = sum((z.double() * torch.tensor(seed_for(tuple(z.shape)))).sum() for z in outputs)
    theirs = torch.autograd.grad(total, list(its.values()), allow_unused=True)
    for g, h in zip(mine, theirs, strict=True):
        wanted_g = np.zeros(g.shape) if h is None else h.numpy()
        loose = tolerance_of(text, 1e-11)
        np.testing.assert_allclose(g, wanted_g, rtol=loose, atol=loose)


COMPLEX = ["z.real", "z.imag", "z.conj()", "z.abs()", "z.angle()", "z.exp().abs()", "z.T.mT"]


@pytest.mark.parametrize("text", COMPLEX)
def test_methods_of_complex_tensors(text: str) -> None:
    values = np.array([[1 + 2j, -0.5 + 0.25j]])
    z = Tensor(values, requires_grad=True)
    y = run(text, {"z": z})
    np.abs(y).sum().backward()
    assert z.grad is not None
    assert z.grad.dtype == values.dtype
    if text in ("z.real", "z.imag", "z.conj()", "z.T.mT"):
        np.testing.assert_array_equal(y.data, run(text, {"z": values}))
    if importlib.util.find_spec("torch") is not None:
        import torch

        its = torch.tensor(values, requires_grad=True)
        wanted = run(text, {"z": its})
        wanted.abs().sum().backward()
        np.testing.assert_allclose(y.data, wanted.resolve_conj().detach().numpy(), rtol=1e-12)
        np.testing.assert_allclose(z.grad.data, its.grad.resolve_conj().numpy(), rtol=1e-12)


def test_pytorchs_words_choose_pytorchs_default_and_numpys_choose_numpys() -> None:
    t = tensors()["t"]
    assert t.std().data == np.std(t.data)
    assert t.std(axis=0).tolist() == np.std(t.data, axis=0).tolist()
    assert t.std(dim=0).tolist() == np.std(t.data, axis=0, ddof=1).tolist()
    assert t.std(dim=0, ddof=0).tolist() == np.std(t.data, axis=0).tolist()


# --- where the two disagree, nothing happens in silence ---------------------------------------


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("t.repeat(2, 3)", TypeError, "PyTorch's repeat is t.tile"),
        ("t.repeat([2, 3])", TypeError, "PyTorch's repeat is t.tile"),
        ("t.argsort(0, 'stable')", TypeError, "stable=True"),
        ("t.pad((1, 1), mode='typo')", ValueError, "'typo' is not one of 'constant', 'reflect',"),
        ("t.pad((3, 0), mode='reflect')", ShapeError, "[(0, 0), (3, 0)] are more than there is"),
        ("t.pad((0, 4), mode='circular')", ShapeError, "more than there is of (2, 3)"),
        ("t.pad((3, -1), mode='circular')", ShapeError, "more than there is of (2, 2)"),
        ("t.pad((-4, 0))", ShapeError, "cut off more than there is"),
        ("t.div(u, rounding_mode='typo')", ValueError, "is not one of None, 'floor', 'trunc'"),
        ("m.scatter(1, i, u, reduce='typo')", ValueError, "not one of None, 'add', 'multiply'"),
        ("m.scatter_reduce(1, i, u, 'typo')", ValueError, "one of 'sum', 'prod', 'mean', 'amax'"),
        ("m.scatter(2, i, u)", np.exceptions.AxisError, "axis 2 is out of bounds"),
        ("m.scatter(1, i)", TypeError, "src and value are two names"),
        ("b.conv2d(v)", ShapeError, "conv1d: a weight has 3 axes"),
        ("b.conv2d(b[None], padding=(1, 1, 1))", ValueError, "one for each of 2 axes"),
        ("b.interpolate((2, 2))", ValueError, "one for each of 1 axes"),
        ("t.roll((1, 2))", ValueError, "are not as many"),
        ("t.unfold(1, 2, -1)", ValueError, "at least 1 apart, not -1"),
        ("b.transpose(0, 1)", ValueError, "t.swapaxes(0, 1)"),
        ("b.transpose(-1, -2)", ValueError, "t.swapaxes(-1, -2)"),
        ("t.view(np.float32)", TypeError, "t.astype(dtype)"),
        ("t.view('f4')", TypeError, "t.astype(dtype)"),
        ("b.t()", ValueError, "t.mT"),
        ("t.sum(axis=0, dim=0)", TypeError, "two names"),
        ("t.softmax(0, dim=0)", TypeError, "two names"),
        ("t.split([1, 1], dim=1)", ValueError, "do not add up"),
        ("t.gather(0, j)", ValueError, "does not fit"),
        ("t.squeeze(axis=0)", ValueError, "size not equal to one"),
        ("t.to('cuda')", TypeError, "cuda"),
        ("t.sort(dim=0)", TypeError, "t.argsort(axis=1) the positions"),
        ("t.sort(descending=True)", TypeError, "np.flip"),
        ("t.sum(0, np.float32)", TypeError, "as in dtype=..."),
        ("t.var(False)", TypeError, "takes an axis"),
    ],
)
def test_what_is_ambiguous_raises_and_says_what_to_write(
    text: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as raised:
        run(text, tensors())
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fill", "Write np.full_like(t, value), or t.data = new_values"),
        ("flat", "Write t.ravel()."),
        ("put", "t.data = new_values"),
        ("resize", "Write t.reshape(shape)."),
        ("itemset", "np.where"),
        ("long", "integers carry no gradient"),
        ("int", "integers carry no gradient"),
        ("tobytes", "It is about memory: write t.data.tobytes."),
        ("strides", "write t.data.strides."),
        ("device", "a tensor is where its array is"),
        ("cuda", "model.to(cupy.asarray)"),
        ("grad_fn", "Write t.op."),
        ("add_", "Nothing is recorded in place: write t = t.add(...)."),
        ("relu_", "write t = t.relu(...)."),
        ("kron", "Write np.kron(t)."),
        ("unsqeeze", "Did you mean 'unsqueeze'?"),
        ("requires_gard", "Did you mean 'requires_grad'?"),
        ("nothing_like_it", "a Tensor has no attribute 'nothing_like_it'."),
    ],
)
def test_a_name_that_is_not_here_is_answered_with_the_right_one(name: str, message: str) -> None:
    with pytest.raises(AttributeError) as raised:
        getattr(Tensor([1.0]), name)
    assert message in str(raised.value)


def test_names_like_one_that_is_not_here_are_looked_for_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes a millisecond, and a recurrent layer asks `hasattr` in every call."""
    assert not hasattr(Tensor([1.0]), "batch_sizes")
    monkeypatch.setattr(difflib, "get_close_matches", None)
    assert not hasattr(Tensor([1.0]), "batch_sizes")


@pytest.mark.parametrize("name", ["unsqeeze", "kron", "nothing_like_it"])
def test_python_adds_no_guess_of_its_own_to_the_answer(name: str) -> None:
    with pytest.raises(AttributeError) as raised:
        getattr(Tensor([1.0]), name)
    (shown,) = traceback.format_exception_only(raised.value)
    assert shown == f"AttributeError: {raised.value}\n"


def test_to_takes_dtypes_and_arrays_and_knows_no_devices() -> None:
    t = Tensor([1.0, 2.0])
    for wanted in (np.float32, "float32", np.dtype("f4"), np.zeros(1, np.float32)):
        assert t.to(wanted).dtype == np.float32
    assert t.to("cpu:0") is t
    with pytest.raises(TypeError, match=r"Tensor\(cupy.asarray\(values\)\)"):
        t.to("cuda:0")


def test_a_method_of_an_array_that_meets_a_tracking_tensor_is_not_silent() -> None:
    with pytest.raises((NotDifferentiableError, ConversionError)):
        np.ones(2).dot(Tensor([1.0, 2.0], requires_grad=True))
    with pytest.raises(InPlaceError):
        Tensor([1.0, 2.0])[0] = 1.0


# --- what tensors alone have ------------------------------------------------------------------


def test_copies_of_tensors() -> None:
    t = Tensor([1.0, 2.0], requires_grad=True, name="w")
    for copied in (copy.copy(t), copy.deepcopy(t)):
        assert (copied.tolist(), copied.requires_grad, copied.name) == ([1.0, 2.0], True, "w")
        assert copied.is_leaf
        assert not np.shares_memory(copied.data, t.data)
    assert not t.copy().is_leaf
    assert not t.clone().is_leaf


def test_the_array_itself_comes_back_where_nothing_is_to_be_done() -> None:
    t = Tensor([1.0, 2.0], requires_grad=True)
    assert t.cpu() is t
    assert t.contiguous() is t
    assert t.to("cpu") is t
    assert t.conj() is t
    assert t.astype(float, copy=False) is t
    assert t.astype(float) is not t


def test_options_may_be_tensors() -> None:
    t = Tensor([-1.0, 2.0], requires_grad=True)
    slope = Tensor(0.5, requires_grad=True)
    t.leaky_relu(slope).sum().backward()
    assert slope.grad is not None
    assert slope.grad.tolist() == -1.0
    assert t.grad is not None
    assert t.grad.tolist() == [0.5, 1.0]


def test_every_reader_of_rules_has_the_methods() -> None:
    x = Symbol("x", np.array([1.0, 2.0]))
    assert str(x.exp().sum()) == "sum(exp(x))"
    assert str(x.maximum(0)) == "maximum(x, 0)"
    assert str(x.softmax()) == "softmax(x)"

    def f(t: Any) -> Any:
        return (t.silu() + t.log_softmax(dim=0) + t.square().cumsum(0)).mean()

    assert check(f, np.array([0.5, -1.0, 2.0])).ok


def test_every_method_says_what_it_does_and_is_called_as_it_is_named() -> None:
    for name, method in inspect.getmembers(Methods, inspect.isfunction):
        if not name.startswith("_"):
            assert method.__doc__
            assert method.__qualname__.split(".")[0].endswith("Methods")


# --- what runs along an axis ------------------------------------------------------------------


@pytest.mark.slow
def test_the_logarithm_of_a_complex_determinant_is_complex() -> None:
    for m in (np.array([[1 + 2j, 0.5], [1j, -1 - 1j]]), np.array([[-3j, 1], [2, 0.5 + 1j]])):
        found = Tensor(m).logdet()
        assert np.isclose(found.item(), np.log(np.linalg.det(m)), rtol=1e-13)
        report = check(lambda x: x.logdet(), m, second_order=True, forward=True)
        assert report.ok, str(report)


def test_logcumsumexp_keeps_its_digits() -> None:
    x = np.array([-np.inf, -1000.0, 1000.0, 999.0, -np.inf])
    with np.errstate(divide="ignore", under="ignore"):
        y = Tensor(x).logcumsumexp()
        wanted = np.logaddexp.accumulate(x)
    np.testing.assert_allclose(y.data, wanted, rtol=1e-15)
    assert check(lambda t: t.logcumsumexp(0), np.array([[1.0, 9.0], [3.0, -9.0], [-2.0, 9.5]])).ok


def test_of_several_that_are_scattered_to_one_place_the_last_stays() -> None:
    t, src = Tensor(np.zeros(2), requires_grad=True), Tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = t.scatter(0, [1, 1], src)
    assert y.tolist() == [0.0, 2.0]
    y.sum().backward()
    assert t.grad is not None
    assert src.grad is not None
    assert (t.grad.tolist(), src.grad.tolist()) == ([1.0, 0.0], [0.0, 1.0, 0.0])


def test_labels_become_rows() -> None:
    labels = Tensor(np.array([[1], [0]]))
    assert labels.one_hot().tolist() == [[[0.0, 1.0]], [[1.0, 0.0]]]
    assert labels.one_hot(3).shape == (2, 1, 3)


def test_arrays_to_be_joined_may_be_in_one_tuple() -> None:
    a, b = Tensor([1.0, 2.0]), Tensor([3.0, 4.0])
    assert Tensor.stack((a, b), dim=1).tolist() == [[1.0, 3.0], [2.0, 4.0]]
    assert Tensor.cat([a, b]).tolist() == [1.0, 2.0, 3.0, 4.0]


def test_rounded_quotients_of_integers_are_exact_integers() -> None:
    a, b = Tensor(np.array([7, -7, 2**60 + 1])), np.array([2, 2, -1])
    for mode, wanted in (("floor", [3, -4, -(2**60) - 1]), ("trunc", [3, -3, -(2**60) - 1])):
        found = a.div(b, rounding_mode=mode)
        assert (found.dtype, found.tolist()) == (int, wanted)
    assert Tensor(1.0).div(0.1, rounding_mode="floor") == 9.0  # 0.1 is more than a tenth


def test_repeats_in_a_tuple_are_pytorchs() -> None:
    with pytest.raises(TypeError, match=r"t\.tile\(2, 3\)"):
        Tensor(np.ones((2, 2))).repeat((2, 3))


def test_the_nuclear_norm_is_of_matrices() -> None:
    a = np.arange(12.0).reshape(2, 3, 2)
    expected = np.linalg.norm(a, "nuc", axis=(1, 2))
    np.testing.assert_allclose(Tensor(a[0]).norm("nuc").data, expected[0])
    np.testing.assert_allclose(Tensor(a).norm("nuc", dim=(1, 2)).data, expected)


def test_a_plain_number_depends_on_nothing() -> None:
    t = Tensor([1.0, 2.0], requires_grad=True)
    assert gradients(np.sum(np.floor(t)), [t]) == [None]
