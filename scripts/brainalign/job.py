"""What every workflow script does around its work: log, progress lines, one-line errors."""

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from brainalign.errors import InputError


@contextmanager
def job(log_path: str | Path) -> Iterator[logging.Logger]:
    """Run the body of a workflow script with its log file open.

    Log records go to `log_path` and to stderr. An `InputError` or an `OSError` ends the job with
    one line (exit code 1); the traceback of any other exception is kept in the log as well.

    Parameters
    ----------
    log_path : where the job's log is written; its folder is created.

    Yields
    ------
    The logger to report progress with.
    """
    # Files handed over by the workflow are all local: no job may wait for a hub by accident.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    Path(log_path).parent.mkdir(parents=True, exist_ok=True)
    log = logging.getLogger("brainalign")
    log.setLevel(logging.INFO)
    log.propagate = False
    line = logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S")
    handlers: list[logging.Handler] = [
        logging.FileHandler(log_path, mode="w"),
        logging.StreamHandler(sys.stderr),
    ]
    for handler in handlers:
        handler.setFormatter(line)
        log.addHandler(handler)
    try:
        yield log
    except (InputError, OSError) as error:
        log.error("error: %s", " ".join(str(error).split()))
        sys.exit(1)
    except Exception:
        log.error("unexpected error\n%s", traceback.format_exc())
        sys.exit(1)
    finally:
        for handler in handlers:
            handler.close()
            log.removeHandler(handler)
