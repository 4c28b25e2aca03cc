"""What drives an agent: functions on a context of recorded steps."""
