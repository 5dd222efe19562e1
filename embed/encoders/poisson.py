"""Poisson likelihoods of counts, and the penalties that go with them.

Source: Cash 1979 (ApJ 228, 939) for the C-statistic, in XSPEC's form that is 0 for a perfect model; total variation
and latent penalty of the rate after Song et al. 2025 (Poisson process autodecoder).
"""

from __future__ import annotations

import torch
from torch import Tensor

LEAST_EXPECTED = 1e-9


def deviance(expected: Tensor, counts: Tensor) -> Tensor:
    """Return the C-statistic of each element, 2 (m - n + n ln(n / m)): 0 where model and data agree.

    Parameters
    ----------
    expected : Tensor
        Expected counts, positive.
    counts : Tensor, same shape
        Observed counts.

    Examples
    --------
    >>> deviance(torch.tensor([2.0, 1.0]), torch.tensor([2.0, 0.0])).tolist()
    [0.0, 2.0]
    """
    expected = expected.clamp_min(LEAST_EXPECTED)
    logs = torch.xlogy(counts, counts.clamp_min(1.0)) - counts * torch.log(expected)
    return 2.0 * (expected - counts + logs)


def folded(flux: Tensor, fold: Tensor) -> Tensor:
    """Fold photon fluxes through responses.

    Parameters
    ----------
    flux : Tensor, shape (n, n_energy)
        Per energy bin.
    fold : Tensor, shape (n, n_energy, n_channel)
        Expected counts per unit of flux: see `embed.inputs.responses.fold_matrix`.

    Returns
    -------
    Tensor, shape (n, n_channel)
    """
    return torch.bmm(flux[:, None, :], fold.to(flux.dtype))[:, 0]


def scaled_to(shape: Tensor, counts: Tensor, background: Tensor) -> Tensor:
    """Return source plus background, the source scaled so that all counts together are explained.

    Parameters
    ----------
    shape, counts, background : Tensor, shape (n, n_channel)
        Folded model of any amplitude; observed counts; expected background counts.

    Returns
    -------
    Tensor, shape (n, n_channel)
        Where the background alone explains the counts, the source keeps half a count, so that a gradient remains.
    """
    net = (counts.sum(1) - background.sum(1)).clamp_min(0.5)
    return shape * (net / shape.sum(1).clamp_min(1e-30))[:, None] + background


def total_variation(log_rate: Tensor, observed: Tensor) -> Tensor:
    """Return the mean step of the log rate between neighbouring bins that were both observed.

    Parameters
    ----------
    log_rate : Tensor, shape (n, n_bin, n_band)
        Natural logarithm of the rate.
    observed : Tensor, shape (n, n_bin)
        Exposure of each bin; 0 where the source was not looked at.

    Returns
    -------
    Tensor, shape (n,)
    """
    both = ((observed[:, 1:] > 0) & (observed[:, :-1] > 0)).to(log_rate.dtype)
    steps = (log_rate[:, 1:] - log_rate[:, :-1]).abs().mean(2)
    return (steps * both).sum(1) / both.sum(1).clamp_min(1.0)
