"""Plug-ins: found by scanning, described from their source, imported only when used and trusted."""

from bench.plugins.registry import FOLDERS

# A kind that reads finished records alone joins here: the registry's own source is among what makes a record.
FOLDERS["convention"] = "energy/conventions"
