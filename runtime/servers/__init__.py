"""The ways in for other processes: MCP, HTTP, the daemon. Each maps requests to the facade, and nothing else."""
