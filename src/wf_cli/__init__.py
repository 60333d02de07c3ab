"""wf: a workflow CLI whose plans run on pools of coding agents.

Start reading at ``contract/lifecycle.py``, then ``spool/layout.py``, then ``worker/loop.py``.
"""

__version__ = "0.4.0"
