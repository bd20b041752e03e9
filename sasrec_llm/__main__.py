"""`python -m sasrec_llm` is `srl`."""

from sasrec_llm.cli.app import main

main()
