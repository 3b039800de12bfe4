"""Plug-ins: found by scanning, described from their source, imported only when used and trusted."""
