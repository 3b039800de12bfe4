"""`python -m bench` is `spikebench`."""

import sys


def main() -> None:
    """Run the command; Ctrl-C while it is still being imported ends it in one line."""
    try:
        from bench.commands.app import main as run
    except KeyboardInterrupt:
        sys.stderr.write("interrupted before anything began\n")
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
