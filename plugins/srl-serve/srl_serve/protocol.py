"""What comes in over a connection, in at most so many bytes."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from srl_serve.settings import HEAD_BYTES


class Bounded(HttpToolsProtocol):
    """httptools reads heads, trailers and the sizes of chunks for as long as they come. Bodies are the Guard's."""

    _beside = 0  # bytes of this request that are not of its body

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._beside = 0

    def on_body(self, body: bytes) -> None:
        self._beside -= len(body)
        super().on_body(body)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._beside += len(data)
        if self._beside > HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(f"The head of a request may have {HEAD_BYTES:,} bytes.")
