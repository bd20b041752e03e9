"""Self-attention: softmax(q kᵀ / √d) v, of the weights a share dropped in training."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sasrec_llm import products
from sasrec_llm.dropout import keep, scaled


def bias(visible: Tensor) -> Tensor:
    """What is added to q kᵀ: 0 where a place may look, -inf where not. [B, T, T]"""
    return torch.zeros(visible.shape, device=visible.device).masked_fill_(~visible, -torch.inf)


def attend(q_k_v: Tensor, bias: Tensor, p: float) -> Tensor:
    """q_k_v [B, T, 3, heads, d], bias [B, T, T], p of the weights to be dropped -> [B, T, heads, d]"""
    if q_k_v.device.type == "cpu" and q_k_v.dtype == bias.dtype:
        if p:
            return _Attention.apply(q_k_v, bias, p)  # type: ignore[no-any-return, no-untyped-call]
        if not torch.is_grad_enabled():
            return _by_head(q_k_v, bias)
    q, k, v = q_k_v.permute(2, 0, 3, 1, 4)  # each [B, heads, T, d]
    found = F.scaled_dot_product_attention(q, k, v, attn_mask=bias[:, None].to(q.dtype), dropout_p=p)
    return found.transpose(1, 2)


def _by_head(q_k_v: Tensor, bias: Tensor) -> Tensor:
    """A few large products; PyTorch's fused kernel makes many small ones, sequence by sequence, and takes longer."""
    out = q_k_v.new_empty(q_k_v.shape[:2] + q_k_v.shape[3:])
    with products.of_rows(out.shape[:2].numel()):
        for head in range(out.shape[2]):
            weight, v = _weights(q_k_v, bias, head)
            out[:, :, head] = torch.bmm(weight, v)
    return out


def _weights(q_k_v: Tensor, bias: Tensor, head: int) -> tuple[Tensor, Tensor]:
    """softmax(q kᵀ / √d) [B, T, T] of a head, and its v [B, T, d]"""
    q, k, v = q_k_v[:, :, :, head].unbind(2)
    weight = torch.baddbmm(bias, q, k.transpose(1, 2), alpha=q.shape[-1] ** -0.5)
    return torch.softmax(weight, -1, out=weight), v


class _Attention(torch.autograd.Function):
    """The same with dropout on a CPU, where PyTorch's fused kernels know none. Head by head, so that the weights of a
    few sequences stay in cache. Their gradient needs no sum over them: Σ_j P_ij dP_ij = dO_i · O_i."""

    @staticmethod
    def forward(ctx: Any, q_k_v: Tensor, bias: Tensor, p: float) -> Tensor:
        batch, length, _, heads, width = q_k_v.shape
        out = q_k_v.new_empty(batch, length, heads, width)
        weights, kept = [], []
        with products.of_rows(batch * length):
            for head in range(heads):
                weight, v = _weights(q_k_v, bias, head)
                weights.append(weight)
                kept.append(keep(weight.shape, p))
                out[:, :, head] = torch.bmm(scaled(kept[-1], p, weight.dtype).mul_(weight), v)
        ctx.save_for_backward(q_k_v, out, *weights, *kept)
        ctx.p = p
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        q_k_v, out, *saved = ctx.saved_tensors
        heads, width = q_k_v.shape[3:]
        found = torch.empty_like(q_k_v)
        with products.of_rows(found.shape[:2].numel()):
            for head, (weight, kept) in enumerate(zip(saved[:heads], saved[heads:], strict=True)):
                q, k, v = q_k_v[:, :, :, head].unbind(2)
                given = gradients[0][:, :, head]
                factor = scaled(kept, ctx.p, weight.dtype)
                of_weight = torch.bmm(given, v.transpose(1, 2)).mul_(factor)
                of_weight.sub_((given * out[:, :, head]).sum(-1, keepdim=True)).mul_(weight).mul_(width**-0.5)
                found[:, :, 0, head] = torch.bmm(of_weight, k)
                found[:, :, 1, head] = torch.bmm(of_weight.transpose(1, 2), q)
                found[:, :, 2, head] = torch.bmm(factor.mul_(weight).transpose(1, 2), given)
        return found, None, None
