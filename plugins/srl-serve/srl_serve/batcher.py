"""What is asked at about the same time is answered together, by one thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")

PATIENT = 0.25  # seconds after which somebody may have gone away, so that it is worth a look
ROUNDS = 3  # of the event loop without anybody new: whoever has come is in
LONGEST = 0.5  # seconds that a batch should take at most: who comes meanwhile has to wait


class FullError(Exception):
    """More wait than may."""


class GoneError(Exception):
    """Nobody waits for the answer."""


@dataclass(frozen=True, slots=True)
class Waiting(Generic[Ask, Answer]):
    question: Ask
    answer: asyncio.Future[Answer]
    gone: Callable[[], Awaitable[bool]]
    since: float


class Batcher(Generic[Ask, Answer]):
    """`answer` is called in a thread of its own with at most `size` questions, and gives an answer or an error for
    each. What came while it worked is the next batch. Questions that take long, as those to a language model on a CPU,
    are answered fewer at a time.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Ask]], Sequence[Answer | Exception]],
        *,
        size: int,
        limit: int,
        done: Callable[[int, float], None] = lambda count, seconds: None,
    ) -> None:
        """`limit`: questions that may wait. `done` is told of each batch: how many, and seconds."""
        self._answer = answer
        self._size, self._most = size, size
        self._done = done
        self._waiting: asyncio.Queue[Waiting[Ask, Answer]] = asyncio.Queue(limit)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="answers")

    @property
    def depth(self) -> int:
        return self._waiting.qsize()

    async def ask(self, question: Ask, gone: Callable[[], Awaitable[bool]]) -> Answer:
        """The answer, or the error of this question alone. A question whose asker is cancelled is dropped."""
        loop = asyncio.get_running_loop()
        asked: Waiting[Ask, Answer] = Waiting(question, loop.create_future(), gone, loop.time())
        try:
            self._waiting.put_nowait(asked)
        except asyncio.QueueFull:
            raise FullError from None
        return await asked.answer

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            while True:
                await self._batch([await self._waiting.get()])
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def _all_are_in(self) -> None:
        """Who comes at the same moment goes along: the event loop is given time to let them in, and no more."""
        quiet, waiting = 0, self._waiting.qsize()
        while quiet < ROUNDS and waiting < self._most:
            await asyncio.sleep(0)
            quiet = quiet + 1 if self._waiting.qsize() == waiting else 0
            waiting = self._waiting.qsize()

    async def _batch(self, batch: list[Waiting[Ask, Answer]]) -> None:
        loop = asyncio.get_running_loop()
        await self._all_are_in()
        while len(batch) < self._most and not self._waiting.empty():
            batch.append(self._waiting.get_nowait())
        for one in batch:
            if loop.time() - one.since > PATIENT and await one.gone() and not one.answer.done():
                one.answer.set_exception(GoneError())
        batch = [one for one in batch if not one.answer.done()]
        if not batch:
            return
        began = time.perf_counter()
        answers: Sequence[Answer | Exception]
        try:
            answers = await loop.run_in_executor(self._thread, self._answer, [one.question for one in batch])
        except Exception as error:
            answers = [error] * len(batch)
        seconds = time.perf_counter() - began
        self._most = min(max(int(LONGEST * len(batch) / seconds), 1), self._size)
        self._done(len(batch), seconds)
        for one, answer in zip(batch, answers, strict=True):
            if one.answer.done():  # cancelled meanwhile
                continue
            if isinstance(answer, Exception):
                one.answer.set_exception(answer)
            else:
                one.answer.set_result(answer)
