"""Read models: events in, rows out. They answer every query and decide nothing."""
