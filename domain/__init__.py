"""The rules, pure: no I/O, no threads, no clock, no ids of its own."""
