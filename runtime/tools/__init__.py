"""What an agent may use: the mesh of its peers, the workspace, outside MCP servers."""
