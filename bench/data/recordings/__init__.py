"""Event recordings: the contract of their data sets, framing, kept frames."""
