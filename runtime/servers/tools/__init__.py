"""The tool surface: one row for each tool an MCP client sees, made of calls to the facade."""
