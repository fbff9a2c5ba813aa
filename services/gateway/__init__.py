"""REST and WebSocket over a replica of the log: what people see and how they control the mesh."""
