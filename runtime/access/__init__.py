"""Who may do what: principals, their tokens, and the guarded door to the facade."""
