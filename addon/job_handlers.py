"""Who brings the results of which request into the scene."""

from collections.abc import Callable

from .job_record import JobRecord

Handler = Callable[[JobRecord, dict], None]

results: dict[str, Handler] = {}
previews: dict[str, Handler] = {}
failures: dict[str, Callable[[JobRecord], None]] = {}
sceneless: set[str] = set()


def on_result(kind: str, *, scene: bool = True) -> Callable[[Handler], Handler]:
    """Decorate ``handler(job, result)``: brings a result into the scene, once, inside one undo step.

    It finds objects by ``obj["maquette_job"]`` or by the names in ``job.context``, which may be gone, and raises
    MaquetteError with a sentence if it cannot go on. Files named in the result lie in ``job.folder``. With
    ``scene=False`` it touches no scene: it needs no undo step, and any open file will do.
    """
    (sceneless.discard if scene else sceneless.add)(kind)
    return _into(results, kind)


def on_preview(kind: str) -> Callable[[Handler], Handler]:
    """Decorate ``handler(job, preview)``, where preview is ``{"name": str, "path": Path}``; called while the job runs,
    possibly often, and outside any undo step."""
    return _into(previews, kind)


def on_failure(kind: str) -> Callable:
    """Decorate ``handler(job)``: the job ended without a result; ``job.message`` says why."""
    return _into(failures, kind)


def _into(handlers: dict, kind: str) -> Callable:
    def register_handler(handler):
        handlers[kind] = handler
        return handler

    return register_handler
