"""What this process may use of the machine. It imports nothing of the course: the service needs it without lessons."""

import os


def cores() -> int:
    """How many processor cores this process may use, 1 or more."""
    allowed = getattr(os, "sched_getaffinity", None)  # Linux: a container may grant fewer cores than there are
    return len(allowed(0)) if allowed else os.cpu_count() or 1
