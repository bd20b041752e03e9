"""`srl`, which is also `python -m sasrec_llm`."""

import gc
import os


def main() -> None:
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # or it asks every installed package for one
    gc.disable()  # what an import makes stays; looking through it again and again is a tenth of the start
    from sasrec_llm.cli import app

    gc.freeze()  # nor when Python ends, which takes a fifth of a short command
    gc.enable()
    app.main()


if __name__ == "__main__":
    main()
