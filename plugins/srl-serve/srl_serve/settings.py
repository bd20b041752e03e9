"""Where it listens, whom it lets in, and how much anybody may ask."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from sasrec_llm import UsageError

MOST_ITEMS = 100  # of one answer
MOST_TITLES = 200  # of one question
LONGEST_TITLE = 1000  # characters
BODY_BYTES = 64 * 1024
HEAD_BYTES = 64 * 1024
MAKE_TOKEN = "export SRL_SERVE_TOKEN=$(openssl rand -hex 32)"


@dataclass(frozen=True, slots=True)
class Settings:
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    batch_size: int = 64  # questions answered together
    queue: int = 256  # questions that may wait
    timeout_s: float = 30.0  # of one request

    def __post_init__(self) -> None:
        if self.token is not None and not re.fullmatch(r"[!-~]+", self.token):
            raise UsageError("a token is one word of ASCII characters", hint=MAKE_TOKEN)
        if self.token is None and not self.is_local:
            raise UsageError(f"{self.host} can be reached from other machines, so a token is needed", hint=MAKE_TOKEN)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"
