"""Several continuations of one prompt, packed into one row behind it: nothing is copied and nothing padded."""

from __future__ import annotations

import torch
from torch import Tensor

from sasrec_llm.backbones.asked import only_at
from sasrec_llm.backbones.writing import ReadPrompts

WRITTEN = 512  # tokens behind the prompts at a time: enough for a matrix product, few enough for their attention


def branch_states(model: object, prompts: Tensor, lengths: Tensor, branches: Tensor, branch_lengths: Tensor) -> Tensor:
    """Prompts [B, L, D] of `lengths` [B], branches [B, C, S, D] of `branch_lengths` [B, C], all right-padded -> the
    states after the last token of each branch [B, C, D]."""
    read = ReadPrompts(model=model, embeddings=prompts, lengths=lengths)
    rows = len(prompts) if prompts.device.type == "cpu" else 1  # on a GPU the more at once the better
    at_once = max(WRITTEN // max(rows * int(branch_lengths.float().mean()), 1), 1)
    found = []
    for some, ends in zip(*(torch.split(given, at_once, 1) for given in (branches, branch_lengths)), strict=True):
        found.append(written(read, some, ends))
        read.forget()
    return torch.cat(found, dim=1)


def written(read: ReadPrompts, branches: Tensor, lengths: Tensor) -> Tensor:
    """All branches of a row in one row of W tokens; each sees the prompt and itself."""
    longest, width = branches.shape[2:]
    steps = torch.arange(longest, device=lengths.device)
    real = (steps < lengths[:, :, None]).flatten(1)  # [B, C * S]
    place = real.byte().argsort(dim=1, descending=True, stable=True)[:, : int(real.sum(1).max())]  # [B, W]
    branch, depth = place // longest, place % longest
    sees = (branch[:, :, None] == branch[:, None]) & (depth[:, :, None] >= depth[:, None])
    tokens = branches.flatten(1, 2).gather(1, place[..., None].expand(-1, -1, width))
    last = lengths.cumsum(1) - 1  # [B, C]
    with only_at(read.decoder, last):
        states = read.go_on(tokens, depth, sees)
    return states.gather(1, last[..., None].expand(-1, -1, width))


def each_branch(prompts: Tensor, lengths: Tensor, branches: Tensor, branch_lengths: Tensor) -> tuple[Tensor, Tensor]:
    """The plain way: every branch behind a copy of its prompt -> [B * C, L, D] and their lengths [B * C]."""
    count = branches.shape[1]
    whole = torch.cat([prompts[:, None].expand(-1, count, -1, -1), branches], dim=2).flatten(0, 1)
    steps = torch.arange(whole.shape[1], device=lengths.device)
    before = lengths.repeat_interleave(count)[:, None]
    place = torch.where(steps < before, steps, steps - before + prompts.shape[1])
    ends = before[:, 0] + branch_lengths.flatten()
    place = place.clamp(max=whole.shape[1] - 1)[..., None].expand(-1, -1, whole.shape[2])
    return whole.gather(1, place)[:, : int(ends.max())], ends
