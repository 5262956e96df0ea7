"""Text classification, taught by measurement: the helper package of the course."""

import os

__version__ = "0.1.0"

# Idle OpenMP threads are to sleep. By default they spin, and where two programs share the cores, both then take many
# times as long. It is read when a numerical library is loaded, so it stands here, before any of them.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if os.environ.get("TEXTCLF_OFFLINE") == "1":
    from textclf_lesson import offline

    offline.guard()
