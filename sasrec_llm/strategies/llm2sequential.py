"""LLM2Sequential: a sequential encoder's item table starts from language-model embeddings of the item texts
(2402.01339, section 3.3). All that is new is where the table starts; after that it is an encoder by itself.

Items without a row in train do not compete in the loss, so they keep the place their text gave them and can be
recommended.
"""

from __future__ import annotations

from typing import cast

import torch

from sasrec_llm.components import BuildContext
from sasrec_llm.interfaces import TableEncoder
from sasrec_llm.strategies.encoder_only import EncoderOnly
from sasrec_llm.strategies.item_embeddings import embed_items, items_of_train, reduce
from sasrec_llm.strategies.settings import LLM2SequentialSettings


def build(settings: LLM2SequentialSettings, context: BuildContext) -> EncoderOnly:
    encoder = cast(TableEncoder, context.encoder)
    train = items_of_train(context)
    rows = reduce(embed_items(context), encoder.width, train)  # [N, H]
    known = torch.from_numpy(train)
    with torch.no_grad():
        if settings.rescale:
            rows *= encoder.items.weight[1:].std().cpu() / rows[known - 1].std()
        encoder.items.weight[1:] = rows.to(encoder.items.weight)
    encoder.learn_only(known)
    return EncoderOnly(encoder=encoder)
