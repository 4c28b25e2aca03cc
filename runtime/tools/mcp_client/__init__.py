"""The client's side of an outside MCP server: its process or its URL, its tools, its answers."""
