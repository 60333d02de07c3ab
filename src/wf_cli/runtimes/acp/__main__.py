"""``python -m wf_cli.runtimes.acp``: the `client`."""

from __future__ import annotations

if __name__ == "__main__":
    from wf_cli.runtimes.acp import client

    client.main()
