"""What is known of items before anybody has liked them: a year, categories, and the words of their text."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.utils.extmath import randomized_svd
from torch import Tensor

Floats = NDArray[np.float64]

YEAR = re.compile(r"\b(1[89]\d\d|20\d\d)\b")
MOST_CATEGORIES = 32
TEXT_WIDTH = 64


def years(texts: Sequence[str]) -> Floats:
    """The last year that each text names -> [N]; where it names none, the middle of the others."""
    named = np.array([int(found[-1]) if (found := YEAR.findall(text)) else 0 for text in texts], dtype=np.float64)
    if not named.any():
        return named
    return np.where(named > 0, named, np.median(named[named > 0]))


def categories(lists: Sequence[str]) -> Floats:
    """`Comedy, Drama` -> 1 for each of the most frequent categories that an item has, [N, at most 32]."""
    if not any(lists):
        return np.zeros((len(lists), 0))
    split = CountVectorizer(
        tokenizer=lambda line: [name.strip() for name in line.split(",") if name.strip()],
        token_pattern=None,
        binary=True,
        max_features=MOST_CATEGORIES,
    )
    return np.asarray(split.fit_transform(lists).toarray(), dtype=np.float64)


def words(texts: Sequence[str]) -> Floats:
    """TF-IDF of the words, reduced to their principal directions, of unit length -> [N, 64]."""
    try:
        counted = TfidfVectorizer(min_df=2, sublinear_tf=True).fit_transform(texts)
    except ValueError:  # no word stands in two texts
        return np.zeros((len(texts), TEXT_WIDTH))
    width = min(TEXT_WIDTH, *counted.shape)
    left, values, _ = randomized_svd(counted, width, random_state=0)
    return unit(np.pad(left * values, ((0, 0), (0, TEXT_WIDTH - width))))


def meanings(vectors: Tensor) -> Floats:
    """Vectors of a language model [N, D], the same way -> [N, 64]."""
    width = min(TEXT_WIDTH, *vectors.shape)
    centred = vectors.double().numpy()
    centred = unit(centred - centred.mean(0))
    found = PCA(width, svd_solver="covariance_eigh").fit_transform(centred)
    return unit(np.pad(found, ((0, 0), (0, TEXT_WIDTH - width))))


def unit(vectors: Floats) -> Floats:
    """Each row of length 1, or of zeros."""
    length: Floats = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(length, 1e-9)
