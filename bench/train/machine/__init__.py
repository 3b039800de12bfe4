"""The machine that trains: device, execution path, graphs, profile; never what is computed."""
