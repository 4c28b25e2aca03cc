"""Everything that moves: the facade, the log, the actors, the workers."""
