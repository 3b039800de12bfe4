"""Where runs are executed: engines behind one interface."""
