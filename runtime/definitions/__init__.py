"""Agent definitions: Markdown files with a YAML head, from the project, the user and the package."""
