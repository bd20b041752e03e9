"""`srl serve [RUN]`"""

from __future__ import annotations

import gc
from typing import Annotated

import typer

from srl_serve.settings import Settings


def serve(
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="A finished run, or the folder of an export; default: the latest"),
    ] = None,
    host: Annotated[str, typer.Option(help="Where to listen; other machines can reach 0.0.0.0")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for one that is free")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(envvar="SRL_SERVE_TOKEN", help="What who asks must know; needed where other machines can ask"),
    ] = None,
    candidates: Annotated[int, typer.Option(min=1, help="Items that a language model is asked about one by one")] = 100,
    batch_size: Annotated[int, typer.Option(min=1, help="Questions that are answered together")] = 64,
    queue: Annotated[int, typer.Option(min=1, help="Questions that may wait; more get 503")] = 256,
) -> None:
    """Answer over HTTP: /recommend, /score, /items, /health, /metrics, /openapi.json, and a page at /.

    Example: srl serve dual-stage-cpu --port 8000
    """
    settings = Settings(host=host, port=port, token=token, batch_size=batch_size, queue=queue)
    from sasrec_llm import load_run
    from srl_serve.app import make_app
    from srl_serve.guard import Guard
    from srl_serve.metrics import Metrics
    from srl_serve.server import Server, listen

    with listen(settings) as place:
        loaded = load_run(run, candidates=candidates)
        title = loaded.catalogue.title_of(1)
        loaded.recommend(user="", history=[title], k=1)  # what is made on first use is made before anybody waits
        loaded.catalogue.search(title)
        metrics = Metrics()
        guard = Guard(make_app(loaded, settings, metrics), settings=settings, metrics=metrics)

        def ready() -> None:
            shown, taken = place.getsockname()[:2]
            typer.echo(f"{loaded.name} · {len(loaded.catalogue):,} items", err=True)
            typer.echo(f"http://{f'[{shown}]' if ':' in shown else shown}:{taken} · Ctrl-C ends it", err=True)

        gc.collect()
        gc.freeze()  # looking through all that is loaded again and again would make everybody wait 0.2 seconds
        try:
            Server(guard, ready).run(sockets=[place])
        finally:
            gc.unfreeze()
