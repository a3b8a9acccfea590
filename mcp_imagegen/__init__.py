"""An MCP server for OpenAI's image models."""
