"""OpenCode as a runtime."""

#: The password of the HTTP server that ``opencode acp`` opens on the loopback interface (see `server`). The name
#: stands here because the ACP client reads it and does without the adapter's imports.
SERVER_PASSWORD = "OPENCODE_SERVER_PASSWORD"
