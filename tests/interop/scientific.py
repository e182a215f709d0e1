"""Estimators of scikit-learn and functions of SciPy on accel's arrays, whose results must equal those on NumPy's.

Started by test_scientific.py in a process of its own, as SCIPY_ARRAY_API is read when SciPy is imported:
``python scientific.py DEVICE WHICH``, WHICH being all, long (LONG) or quick (the others). Prints for each name how the
results differ: nothing, or the reason.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

os.environ["SCIPY_ARRAY_API"] = "1"

import numpy as np
import scipy.cluster.vq as vq
import scipy.fft as fft
import scipy.ndimage as ndimage
import scipy.signal as signal
import scipy.special as special
import scipy.stats as stats
import sklearn
from sklearn import (
    cluster,
    decomposition,
    discriminant_analysis,
    linear_model,
    metrics,
    mixture,
    model_selection,
    naive_bayes,
    preprocessing,
)

import accel

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5))
Y = (X[:, 0] + 0.3 * RNG.normal(size=60) > 0).astype(np.int64)
T = X @ RNG.normal(size=5)
SOS = signal.butter(2, 0.2, output="sos")

Function = Callable[..., Any]

SKLEARN: dict[str, Function] = {
    "PCA, full": lambda x, y, t, s: decomposition.PCA(2, svd_solver="full").fit(x).transform(x),
    "PCA, covariance": lambda x, y, t, s: decomposition.PCA(2, svd_solver="covariance_eigh").fit(x).transform(x),
    "PCA, randomized": lambda x, y, t, s: decomposition.PCA(
        2, svd_solver="randomized", power_iteration_normalizer="QR", random_state=0
    ).fit_transform(x),
    "StandardScaler": lambda x, y, t, s: preprocessing.StandardScaler().fit_transform(x),
    "MinMaxScaler": lambda x, y, t, s: preprocessing.MinMaxScaler().fit_transform(x),
    "MaxAbsScaler": lambda x, y, t, s: preprocessing.MaxAbsScaler().fit_transform(x),
    "Normalizer": lambda x, y, t, s: preprocessing.Normalizer().fit_transform(x),
    "LabelEncoder": lambda x, y, t, s: preprocessing.LabelEncoder().fit_transform(y),
    "PolynomialFeatures": lambda x, y, t, s: preprocessing.PolynomialFeatures().fit_transform(x),
    "KernelCenterer": lambda x, y, t, s: preprocessing.KernelCenterer().fit_transform(x @ x.T),
    "Ridge": lambda x, y, t, s: linear_model.Ridge(solver="svd").fit(x, t).coef_,
    "RidgeClassifier": lambda x, y, t, s: linear_model.RidgeClassifier(solver="svd").fit(x, y).predict(x),
    "LogisticRegression": lambda x, y, t, s: linear_model.LogisticRegression(solver="lbfgs").fit(x, y).predict_proba(x),
    "LinearDiscriminantAnalysis": lambda x, y, t, s: (
        discriminant_analysis.LinearDiscriminantAnalysis(solver="svd").fit(x, y).transform(x)
    ),
    "GaussianMixture": lambda x, y, t, s: (
        mixture.GaussianMixture(2, random_state=0, init_params="random").fit(x).means_
    ),
    "KMeans": lambda x, y, t, s: cluster.KMeans(3, random_state=0, n_init=1).fit(x).cluster_centers_,
    "GaussianNB": lambda x, y, t, s: naive_bayes.GaussianNB().fit(x, y).predict_proba(x),
    "train_test_split": lambda x, y, t, s: model_selection.train_test_split(x, random_state=0)[0],
    "accuracy_score": lambda x, y, t, s: metrics.accuracy_score(y, y),
    "f1_score": lambda x, y, t, s: metrics.f1_score(y, 1 - y),
    "r2_score": lambda x, y, t, s: metrics.r2_score(t, t * 0.9),
    "mean_squared_error": lambda x, y, t, s: metrics.mean_squared_error(t, t * 0.9),
    "cosine_similarity": lambda x, y, t, s: metrics.pairwise.cosine_similarity(x),
    "euclidean_distances": lambda x, y, t, s: metrics.pairwise.euclidean_distances(x),
    "rbf_kernel": lambda x, y, t, s: metrics.pairwise.rbf_kernel(x),
    "log_loss": lambda x, y, t, s: metrics.log_loss(y, 1 / (1 + np.e ** (-t))),
    "confusion_matrix": lambda x, y, t, s: metrics.confusion_matrix(y, 1 - y),
    "roc_auc_score": lambda x, y, t, s: metrics.roc_auc_score(y, t),
}

SCIPY: dict[str, Function] = {
    "stats.zscore": lambda x, y, t, s: stats.zscore(x),
    "stats.skew": lambda x, y, t, s: stats.skew(x),
    "stats.kurtosis": lambda x, y, t, s: stats.kurtosis(x),
    "stats.gmean": lambda x, y, t, s: stats.gmean(abs(x)),
    "stats.ttest_ind": lambda x, y, t, s: stats.ttest_ind(x, x + 0.1).statistic,
    "stats.pearsonr": lambda x, y, t, s: stats.pearsonr(x[:, 0], x[:, 1]).statistic,
    "stats.moment": lambda x, y, t, s: stats.moment(x, 3),
    "stats.variation": lambda x, y, t, s: stats.variation(x),
    "stats.entropy": lambda x, y, t, s: stats.entropy(abs(x)),
    "stats.rankdata": lambda x, y, t, s: stats.rankdata(x, axis=0),
    "stats.iqr": lambda x, y, t, s: stats.iqr(x, axis=0),
    "stats.quantile": lambda x, y, t, s: stats.quantile(x, 0.3, axis=0),
    "special.erf": lambda x, y, t, s: special.erf(x),
    "special.expit": lambda x, y, t, s: special.expit(x),
    "special.logsumexp": lambda x, y, t, s: special.logsumexp(x, axis=1),
    "special.softmax": lambda x, y, t, s: special.softmax(x, axis=1),
    "special.gammaln": lambda x, y, t, s: special.gammaln(abs(x) + 1),
    "special.xlogy": lambda x, y, t, s: special.xlogy(abs(x), abs(x)),
    "special.ndtri": lambda x, y, t, s: special.ndtri(0.1 + 0.8 * special.expit(x)),
    "special.i0": lambda x, y, t, s: special.i0(x),
    "signal.convolve": lambda x, y, t, s: signal.convolve(t, t[:5]),
    "signal.fftconvolve": lambda x, y, t, s: signal.fftconvolve(t, t[:5]),
    "signal.detrend": lambda x, y, t, s: signal.detrend(t),
    "signal.hilbert": lambda x, y, t, s: signal.hilbert(t),
    "signal.sosfilt": lambda x, y, t, s: signal.sosfilt(s, t),
    "ndimage.gaussian_filter": lambda x, y, t, s: ndimage.gaussian_filter(x, 1.0),
    "ndimage.label": lambda x, y, t, s: ndimage.label(x > 0)[0],
    "cluster.vq.kmeans2": lambda x, y, t, s: vq.kmeans2(x, x[:3])[0],
    "cluster.vq.whiten": lambda x, y, t, s: vq.whiten(x),
    "cluster.vq.vq": lambda x, y, t, s: vq.vq(x, x[:3])[0],
    "fft.fft": lambda x, y, t, s: fft.fft(t),
    "fft.rfft": lambda x, y, t, s: fft.rfft(t),
    "fft.fftn": lambda x, y, t, s: fft.fftn(x),
    "fft.dct": lambda x, y, t, s: fft.dct(t),
}

LONG = (
    "PCA, covariance",
    "PCA, randomized",
    "LinearDiscriminantAnalysis",
    "GaussianMixture",
    "RidgeClassifier",
    "f1_score",
)
"""What takes Triton's interpreter many seconds each."""

WHICH: dict[str, Callable[[str], bool]] = {
    "all": lambda name: True,
    "long": lambda name: name in LONG,
    "quick": lambda name: name not in LONG,
}


def difference(function: Function, arrays: list[Any], want: np.ndarray) -> str:
    """How a result differs from NumPy's; nothing where it does not, within the tolerance of iterative solvers."""
    try:
        result = function(*arrays)
    except Exception as error:  # whatever a library raises
        return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    found = np.asarray(result)
    if want.ndim and not isinstance(result, accel.Array):
        return f"gives {type(result).__name__}, no array of accel"
    if found.shape != want.shape or not np.allclose(found, want, rtol=1e-6, atol=1e-8):
        return "gives other numbers"
    return ""


def main(device: str, which: str) -> None:
    sklearn.set_config(array_api_dispatch=True)
    plain = [X, Y, T, SOS]
    with accel.config(device=device):
        arrays = [accel.asarray(x) for x in plain]
        arrays = [x.to_device(device) for x in arrays]
        found = {}
        functions = {name: f for name, f in {**SKLEARN, **SCIPY}.items() if WHICH[which](name)}
        for name, function in functions.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found[name] = difference(function, arrays, np.asarray(function(*plain)))
    with accel.config(device=device):  # control: what is changed is seen
        changed = [accel.asarray(x).to_device(device) for x in (X + 1e-3, Y, T, SOS)]
        found["control"] = difference(SKLEARN["Normalizer"], changed, np.asarray(SKLEARN["Normalizer"](*plain)))
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
