"""`python -m textclf_lesson.deploy.serve '{"folder": …, "port": 0}'`: the service as a child of another process.

It stops when its standard input ends, so never outlives its parent. People use `textclf serve`.
"""

import json
import os
import signal
import sys
import threading

from textclf_lesson.base.errors import ModelError, ServiceError
from textclf_lesson.deploy.serve.server import serve


def _stop_with_parent() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    try:
        serve(**json.loads(sys.argv[1]))
    except (ServiceError, ModelError, ValueError, OSError) as error:
        sys.exit(str(error))
