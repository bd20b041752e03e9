"""Calibration of likes: probabilities made honest on validation, reported beside the raw ones.

P(like) = 1 / (1 + exp(-(a · logit + b))): Platt's fit finds a and b, a temperature only a. The order of the rows stays,
and with it AUC, unless a < 0: then the scores were worse than chance on validation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from sasrec_llm.recipe import Calibration

FREE = 1e6  # inverse strength of the ridge on a: none to speak of

Floats = NDArray[np.float64]


def calibrate(how: Calibration, logits: Floats, *, on: Floats, labels: NDArray[np.int64]) -> Floats:
    """`logits` after the fit to the logits `on` and the labels of other rows."""
    line = LogisticRegression(C=FREE, fit_intercept=how == "platt").fit(on[:, None], labels)
    return np.asarray(line.decision_function(logits[:, None]), np.float64) if len(logits) else logits
