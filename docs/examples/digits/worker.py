"""One worker of the search: knows the registries' names, and nothing of what is in them."""

import os
import time

from registries import Claims, Grid, Losses, Models, Results

from registry import DuplicateKeyError, RemoteError

PATIENCE_SECONDS = 60.0


def patiently(step):
    """The result of ``step()``, tried again while no server answers: one may be restarting."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return step()
        except RemoteError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def is_mine(point, worker):
    """Whether this worker may try the point: creation is atomic, so exactly one can."""
    try:
        patiently(lambda: Claims.register_artifact(point, {"worker": worker}))
    except DuplicateKeyError:
        return False
    return True


def try_out(point):
    """Train the point's model on the digits and measure it with every published loss."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    task = patiently(lambda: Grid.get_artifact(point))
    model_class = patiently(lambda: Models.get_artifact(task["model"]))
    x, y = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.3, random_state=0, stratify=y)
    started = time.perf_counter()
    model = model_class(**task["parameters"]).fit(x_train, y_train)
    seconds = time.perf_counter() - started
    probabilities = model.predict_proba(x_test)
    losses = patiently(lambda: dict(Losses.items()))
    return {
        **task,
        "losses": {name: loss(probabilities, y_test) for name, loss in losses.items()},
        "seconds": seconds,
    }


def search(worker):
    """Try every point that no other worker has taken."""
    for point in patiently(lambda: list(Grid)):
        if is_mine(point, worker):
            result = {**try_out(point), "worker": worker, "process": os.getpid()}
            patiently(lambda p=point, r=result: Results.register_artifact(p, r))
