"""What is compared with what."""

from __future__ import annotations

from case import Case
from data_cases import DATA
from encoder_cases import ENCODERS
from llm_cases import LANGUAGE_MODELS

CASES: dict[str, Case] = {**ENCODERS, **LANGUAGE_MODELS, **DATA}
