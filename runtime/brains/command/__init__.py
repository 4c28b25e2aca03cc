"""Agents that are programs: any agent's command line as a child process, its run an effectful step."""
