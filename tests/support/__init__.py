"""What tests share: the command, small suites, runs and networks, and what others count."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
