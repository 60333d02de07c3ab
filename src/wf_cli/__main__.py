"""``python -m wf_cli`` is the same program as ``wf``."""

from wf_cli.cli.main import main

if __name__ == "__main__":
    main()
