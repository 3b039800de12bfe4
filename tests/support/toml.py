"""TOML as text, of any value: what the standard library reads and does not write."""

import json
import re


def as_toml(document):
    """A document with one line a key, tables inline; None, which TOML lacks, as a date."""
    return "".join(f"{_key(key)} = {_value(value)}\n" for key, value in document.items())


def _value(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str):
        return _quoted(value)
    if value is None:
        return "1979-05-27"
    return str(value).lower() if isinstance(value, bool | float) else f"{value}"


def _key(key):
    return key if isinstance(key, str) and re.fullmatch(r"[A-Za-z0-9_-]+", key) else _quoted(str(key))


def _quoted(text):
    if text.isascii():
        return json.dumps(text).replace("\x7f", "\\u007f")
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text) + '"'
