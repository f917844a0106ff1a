"""Writes sample_metrics.json: distances of sets of features by numpy, scipy and mpmath.

Usage: python sample_metrics.py > sample_metrics.json

The features follow the integer hash of crates/ddpm-testkit (python/hashed.py), so that the file holds results only. Formulas: Heusel et al. 2017
(Frechet distance, unbiased covariances), Binkowski et al. 2018 (KID, cubic kernel, all pairs), Kynkaanniemi et al. 2019 (precision, recall, k = 3),
Naeem et al. 2020 (density, coverage, k = 5), Salimans et al. 2016 (Inception Score, 10 consecutive parts).
"""

import json
import os
import sys

import mpmath
import numpy as np
import scipy.linalg

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../../ddpm-testkit/python"))
import hashed  # noqa: E402

mpmath.mp.dps = 60


def features(name, n, d, rank=None):
    """[n, d] float32 numbers; of a given rank where one is stated."""
    x = np.array(hashed.uniform(name, n * d)).reshape(n, d)
    if rank is not None:
        x[:, rank:] = 0.0
    return x.astype(np.float32).astype(np.float64)


def moments(x):
    return x.mean(axis=0), np.cov(x, rowvar=False)


def frechet_scipy(x, y):
    (m, a), (n, b) = moments(x), moments(y)
    root = scipy.linalg.sqrtm(a @ b)
    return float(((m - n) ** 2).sum() + np.trace(a + b) - 2 * np.trace(root).real)


def frechet_exact(x, y):
    """The same with 60 digits: the square roots of the eigenvalues of A^1/2 B A^1/2 by symmetric eigenproblems."""
    def of(z):
        z = mpmath.matrix(z.tolist())
        mean = [mpmath.fsum(z[:, j]) / z.rows for j in range(z.cols)]
        c = mpmath.matrix(z.rows, z.cols)
        for i in range(z.rows):
            for j in range(z.cols):
                c[i, j] = z[i, j] - mean[j]
        return mpmath.matrix(mean), (c.T * c) / (z.rows - 1)

    (m, a), (n, b) = of(x), of(y)
    values, vectors = mpmath.eigsy(a)
    root = vectors * mpmath.diag([mpmath.sqrt(v) if v > 0 else 0 for v in values]) * vectors.T
    inner, _ = mpmath.eigsy(root * b * root)
    common = mpmath.fsum(mpmath.sqrt(v) if v > 0 else 0 for v in inner)
    trace = mpmath.fsum(a[i, i] + b[i, i] for i in range(a.rows))
    difference = m - n
    return float(mpmath.fsum(v * v for v in difference) + trace - 2 * common)


def kid(x, y):
    def kernel(a, b):
        return (a @ b.T / x.shape[1] + 1) ** 3

    n, m = len(x), len(y)
    xx, yy, xy = kernel(x, x), kernel(y, y), kernel(x, y)
    return float((xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1)) - 2 * xy.mean())


def manifold(a, b):
    def distances(x, y):
        return np.sqrt(((x[:, None, :] - y[None, :, :]) ** 2).sum(-1))

    def radius(x, k):
        return np.sort(distances(x, x), axis=1)[:, k]

    ab = distances(a, b)
    wide = radius(b, 5)
    return {
        "precision": float((ab <= radius(b, 3)[None, :]).any(1).mean()),
        "recall": float((ab.T <= radius(a, 3)[None, :]).any(1).mean()),
        "density": float((ab <= wide[None, :]).sum() / (5 * len(a))),
        "coverage": float((ab.min(0) <= wide).mean()),
    }


def inception_score(logits):
    scores = []
    n = len(logits)
    for k in range(10):
        z = logits[k * n // 10:(k + 1) * n // 10]
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        scores.append(float(np.exp((p * (np.log(p) - np.log(p.mean(0, keepdims=True)))).sum(1).mean())))
    return [float(np.mean(scores)), float(np.std(scores))]


a, b = features("a", 60, 5), features("b", 75, 5) * 1.3 + 0.2
flat_a, flat_b = features("a", 40, 6, rank=4), features("b", 50, 6, rank=3)
few_a, few_b = features("a", 5, 8), features("b", 6, 8)
result = {
    "frechet": frechet_scipy(a, b),
    "frechet_exact": frechet_exact(a, b),
    "frechet_singular": frechet_exact(flat_a, flat_b),
    "frechet_few": frechet_exact(few_a, few_b),
    "kid": kid(a, b),
    "manifold": manifold(a, b),
    "inception_score": inception_score(features("logits", 53, 7) * 4),
}
assert abs(result["frechet"] - result["frechet_exact"]) < 1e-9
json.dump(result, sys.stdout, indent=1)
print()
