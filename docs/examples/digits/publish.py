"""Publishes what the workers will use. Nothing of this file can be imported by them: it is a ``__main__``."""

import argparse
from itertools import product

import numpy as np
from registries import Claims, Grid, Losses, Models, Results
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier


@Losses.register_artifact
def cross_entropy(probabilities, labels):
    """Mean negative log-likelihood of the true labels."""
    chosen = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.clip(chosen, 1e-12, 1.0)).mean())


@Losses.register_artifact
def error_rate(probabilities, labels):
    """Share of wrong labels."""
    return float((probabilities.argmax(axis=1) != labels).mean())


@Models.register_artifact
class SoftmaxRegression:
    """Multinomial logistic regression by gradient descent with momentum."""

    def __init__(self, learning_rate=0.5, momentum=0.9, penalty=1e-4, steps=200):
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.penalty = penalty
        self.steps = steps

    def fit(self, x, y):
        self.scale_ = np.abs(x).max() or 1.0
        inputs = self._with_bias(x)
        targets = np.eye(y.max() + 1)[y]
        self.weights_ = np.zeros((inputs.shape[1], targets.shape[1]))
        velocity = np.zeros_like(self.weights_)
        for _ in range(self.steps):
            gradient = inputs.T @ (self._softmax(inputs) - targets) / len(x) + self.penalty * self.weights_
            velocity = self.momentum * velocity - self.learning_rate * gradient
            self.weights_ += velocity
        return self

    def predict_proba(self, x):
        return self._softmax(self._with_bias(x))

    def _with_bias(self, x):
        return np.hstack([x / self.scale_, np.ones((len(x), 1))])

    def _softmax(self, inputs):
        scores = inputs @ self.weights_
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)


# Importable classes travel as their names.
Models.register_artifact("forest", RandomForestClassifier)
Models.register_artifact("neighbours", KNeighborsClassifier)

SPACES = {
    "SoftmaxRegression": {
        "learning_rate": [0.1, 0.5, 1.0],
        "penalty": [0.0, 1e-4, 1e-2],
        "steps": [100, 300],
    },
    "forest": {"n_estimators": [25, 50, 100], "max_depth": [8, 16], "random_state": [0]},
    "neighbours": {"n_neighbors": [1, 3, 5, 9], "weights": ["uniform", "distance"]},
}


def points(most):
    """Every point of the grid, by name, of each parameter at most that many values."""
    for model, space in SPACES.items():
        for values in product(*(values[:most] for values in space.values())):
            parameters = dict(zip(space, values, strict=True))
            settings = ",".join(f"{name}={value}" for name, value in parameters.items())
            yield f"{model}({settings})", {"model": model, "parameters": parameters}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="at most two values of each parameter")
    options = parser.parse_args()
    for registry in (Results, Claims):
        registry.clear_artifacts()
    report = Grid.safe_register_batch(dict(points(most=2 if options.quick else None)), skip_invalid=False)
    print(f"published {len(Losses)} losses, {len(Models)} models and a grid of {report['total']} points")
