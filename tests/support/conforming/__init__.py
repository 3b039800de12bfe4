"""Energy models of others beside this project's, on drawn networks, and every difference by its cause."""
