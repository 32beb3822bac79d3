"""`python -m streams.cli` is `loyalty`."""

from streams.cli.main import main

main()
