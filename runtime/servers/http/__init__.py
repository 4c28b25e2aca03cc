"""The facade as JSON over HTTP: operations, their OpenAPI document, and event streams."""
