"""The command line: arguments become calls of the facade, answers become text or JSON. Nothing is decided here."""
