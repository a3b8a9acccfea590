"""The MCP server: lists the tools and resources, and hands each call to its handler."""
