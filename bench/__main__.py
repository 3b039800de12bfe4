"""`python -m bench` is `spikebench`."""

from bench.cli import main

main()
