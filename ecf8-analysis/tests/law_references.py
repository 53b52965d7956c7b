"""Writes law_references.json: symmetric α-stable laws by scipy (pip install scipy), which ecf8-analysis must agree with.

Each entry has α and γ, the entropy in bits of E = ⌊log2 |X|⌋, and some points of P(X > x) of the standard law. scipy's
`levy_stable` integrates Nolan's formulas with its own code; the probability of an exponent is a difference of its cdf. Far out,
where its integration fails, the leading terms of the series in x^−α take its place, and near 0, where it is rounded to its
value at 0, the integral of the characteristic function.
"""

import json
import math

import numpy as np
from scipy.integrate import quad
from scipy.special import gamma
from scipy.stats import cauchy, levy_stable, norm


def above(alpha, x):
    if alpha == 2:
        return norm.sf(x / math.sqrt(2))
    if alpha == 1:
        return cauchy.sf(x)
    if x > 60:
        n = np.arange(1, 30)
        return float(np.sum((-1.0) ** (n + 1) * gamma(n * alpha) / gamma(n + 1) * np.sin(n * np.pi * alpha / 2) * x ** (-n * alpha)) / np.pi)
    if x < 0.05:
        # F(x) − 1/2 = 1/π · ∫ sin(xt)/t · exp(−t^α) dt, with t = s^(1/α), over stretches of s.
        def integrand(s):
            t = s ** (1 / alpha)
            return x * np.sinc(x * t / np.pi) * np.exp(-s) * t / s / alpha

        cuts = [0, 1e-6, 1e-3, 0.1, 1, 3, 6, 10, 15, 20, 27, 40]
        parts = (quad(integrand, a, b, epsabs=1e-14, epsrel=1e-12, limit=500)[0] for a, b in zip(cuts, cuts[1:]))
        return 0.5 - sum(parts) / math.pi
    return float(levy_stable.sf(x, alpha, 0))


def entropy(alpha, scale):
    middle = math.floor(math.log2(scale))
    total = 0.0
    edges = [above(alpha, 2.0 ** k / scale) for k in range(middle - 45, middle + math.ceil(45 / alpha) + 2)]
    for low, high in zip(edges, edges[1:]):
        p = 2 * (low - high)
        if p > 0:
            total -= p * math.log2(p)
    return total


levy_stable.pdf_default_method = "piecewise"
references = []
for alpha in [0.5, 0.9, 1.0, 1.1, 1.5, 1.8, 1.95, 2.0]:
    points = [[x, above(alpha, x)] for x in [0.01, 0.3, 1.0, 2.0, 5.0, 14.0, 16.0, 100.0]]
    for scale in [1.0, 0.02, 0.7, 3.3]:
        references.append({"alpha": alpha, "scale": scale, "entropy": entropy(alpha, scale), "above": points})
print(json.dumps(references, indent=1))
