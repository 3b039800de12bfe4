"""Every operation of a network, counted while it runs."""
