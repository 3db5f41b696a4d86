"""Work that cannot be interrupted, in a process of its own: a library that keeps Python waiting would silence the
job's heartbeat, and could not be cancelled."""

import multiprocessing
import traceback
from collections.abc import Callable

from ..errors import MaquetteError
from ..protocol import Reporter

SECONDS = 0.1


def run_apart(work: Callable, *arguments, reporter: Reporter):
    """What ``work(*arguments)`` returns; both it and they are pickled between processes of ours.

    Raises:
        Cancelled: the artist asked to stop; the work is ended where it is.
        MaquetteError: as the work raised it, or for a process that died.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(theirs, work, arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        while not ours.poll(SECONDS):
            reporter.check()
            if not process.is_alive() and not ours.poll(0):
                raise EOFError
        done, result = ours.recv()
    except EOFError:
        process.join(SECONDS)
        raise MaquetteError(
            f"A part of the work ended by itself (code {process.exitcode}), as it does for want of memory; close other "
            "programs, or ask for fewer triangles."
        ) from None
    finally:
        if process.is_alive():
            process.terminate()
        process.join()
        ours.close()
    if not done:
        raise result
    return result


def _serve(pipe, work: Callable, arguments: tuple) -> None:
    try:
        answer = (True, work(*arguments))
    except MaquetteError as error:
        answer = (False, error)
    except Exception as error:
        traceback.print_exc()
        answer = (False, RuntimeError(f"{type(error).__name__}: {error}"))
    pipe.send(answer)
    pipe.close()
