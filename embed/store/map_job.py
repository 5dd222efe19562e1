"""Put the rows of a space on a map by t-SNE, UMAP or principal components, and keep it in the store."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from threadpoolctl import threadpool_limits

from catalog.catalog import Catalog
from catalog.errors import QueryError, UnknownName, suggestion
from catalog.objects.space_map import projected
from catalog.objects.stored_map import METHODS, fingerprint, in_order, names_of_maps, stored_map
from catalog.store import lake

Points = npt.NDArray[np.float32]
Options = Mapping[str, int | float | str | bool]
DEFAULTS: dict[str, dict[str, int | float | str]] = {
    "pca": {},
    "tsne": {"perplexity": 30.0, "metric": "euclidean"},
    "umap": {"n_neighbors": 15, "min_dist": 0.1, "metric": "euclidean"},
}
"""Options of each method, and what they are unless one says otherwise."""
MOST_FITTED = 20_000
_METRICS = ("euclidean", "cosine")
_N_NEAR = 5
_BLOCK = 1 << 16
_START_WIDTH = 1e-4
_FEWEST = 4
"""t-SNE and UMAP place points by their neighbours: fewer have none to speak of."""


@dataclass(frozen=True)
class MadeMap:
    """What a job made.

    Attributes
    ----------
    space, method : str
    n_points, n_fitted : int
        Rows on the map; rows that it was fitted to.
    settings : dict
    was_there : bool
        Whether the store had it already, of the same vectors with the same settings.
    """

    space: str
    method: str
    n_points: int
    n_fitted: int
    settings: dict[str, object]
    was_there: bool = False


def make_map(
    store: Path,
    space: str,
    method: str,
    options: Options | None = None,
    *,
    most: int = MOST_FITTED,
    seed: int = 0,
    wait: bool = True,
    on_wait: Callable[[str], None] | None = None,
) -> MadeMap:
    """Make a map of a space and keep it: tables meta.space_map and meta.map_point.

    Parameters
    ----------
    store : Path
    space : str
    method : {'pca', 'tsne', 'umap'}
    options : mapping, optional
        See `DEFAULTS`.
    most : int
        t-SNE and UMAP are fitted to so many rows at most, drawn at random. Every other row stands at the median of the
        five fitted rows that are nearest to it.
    seed : int
        Of the draw, and of the fit.
    wait : bool
        Wait while another process writes, or fail at once.
    on_wait : callable, optional
        Called with a line that says who holds the lock.

    Raises
    ------
    UnknownName
        If there is no such space, method or option.
    QueryError
        If an option is out of its range, or UMAP is not installed.
    """
    if method not in METHODS:
        raise UnknownName(f"no method {method!r}{suggestion(method, METHODS)}; there are {', '.join(METHODS)}")
    chosen = checked(method, options or {})
    with contextlib.closing(Catalog(store)) as cat:
        snapshot = cat.snapshot
        ids, vectors = cat.vectors(space, snapshot)
        query = "SELECT encoder_id, lance_version FROM meta.space WHERE space = $space"
        pin = cat.sql(query, snapshot=snapshot, space=space).fetchall()
        order = in_order(ids)  # so the map does not depend on the order of the rows
        ids, vectors = ids[order], vectors[order]
        n_fitted = len(ids) if method == "pca" else min(most, len(ids))
        settings: dict[str, object] = {**chosen, **({} if method == "pca" else {"seed": seed, "fitted rows": n_fitted})}
        with contextlib.suppress(UnknownName):
            known = stored_map(cat, space, method)
            if not known.is_stale and known.settings == settings:
                return MadeMap(space, method, len(ids), n_fitted, settings, was_there=True)
    points = placed(vectors, method, chosen, n_fitted, seed)
    row = {
        "space": space,
        "method": method,
        "settings": json.dumps(settings),
        "encoder_id": pin[0][0],
        "lance_version": pin[0][1],
        "vectors_sha256": fingerprint(ids, vectors),
        "n_points": len(ids),
        "n_fitted": n_fitted,
        "made_at": datetime.now(UTC).replace(tzinfo=None),
    }
    table = pa.table({"id": pa.array(ids, pa.string()), "x": points[:, 0], "y": points[:, 1]})
    with lake.writer(store, f"map {space}", wait=wait, on_wait=on_wait) as connection:
        connection.register("__map", pa.Table.from_pylist([row]))
        connection.register("__points", table)
        with lake.transaction(connection, f"map {space}: {method} of {len(ids)} vectors"):
            for name in ("space_map", "map_point"):
                connection.execute(f"DELETE FROM lake.meta.{name} WHERE space = ? AND method = ?", [space, method])
            connection.execute("INSERT INTO lake.meta.space_map BY NAME SELECT * FROM __map")
            connection.execute(
                "INSERT INTO lake.meta.map_point BY NAME SELECT ? AS space, ? AS method, * FROM __points",
                [space, method],
            )
    return MadeMap(space, method, len(ids), n_fitted, settings)


def stale_maps(store: Path) -> list[str]:
    """Say of each map of older vectors that it is, and how to make it again."""
    with contextlib.closing(Catalog(store)) as cat:
        kept = [stored_map(cat, space, method) for space, method in names_of_maps(cat)]
    return [each.said for each in kept if each.is_stale]


def checked(method: str, options: Options) -> dict[str, int | float | str]:
    """Return the options of a method, those that are given over those that are usual.

    Examples
    --------
    >>> checked("tsne", {"perplexity": 50})
    {'perplexity': 50.0, 'metric': 'euclidean'}
    """
    usual = DEFAULTS[method]
    for name, value in options.items():
        if name not in usual:
            has = f"it has {', '.join(usual)}" if usual else "it has none"
            raise UnknownName(f"{METHODS[method]} has no option {name!r}{suggestion(name, usual)}; {has}")
        if name == "metric":
            if value not in _METRICS:
                raise QueryError(f"metric must be one of {', '.join(_METRICS)}, found {value!r}")
        elif isinstance(value, bool | str) or not (np.isfinite(value) and value >= 0):
            raise QueryError(f"{name} must be a number of 0 or more, found {value!r}")
        elif isinstance(usual[name], int) and value != int(value):
            raise QueryError(f"{name} must be a whole number, found {value!r}")
    made = {**usual, **{name: type(usual[name])(value) for name, value in options.items()}}
    for name, least in (("perplexity", 1), ("n_neighbors", 2)):
        if name in made and float(made[name]) < least:
            raise QueryError(f"{name} must be {least} or more, found {made[name]}")
    if float(made.get("min_dist", 0)) > 1:
        raise QueryError(f"min_dist must be at most 1, found {made['min_dist']}")
    return made


def placed(vectors: Points, method: str, options: Options, n_fitted: int, seed: int) -> Points:
    """Return where each row stands, scaled so that the middle 98 % lie within -1...1, one scale for both axes.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n, d)
    method : {'pca', 'tsne', 'umap'}
    options : mapping
        See `checked`.
    n_fitted : int
        Rows to fit to.
    seed : int

    Returns
    -------
    ndarray of float32, shape (n, 2)
        The same vectors give the same map, whatever the number of cores. Another processor or another version of the
        library may round otherwise, and then t-SNE and UMAP draw another map.

    Source
    ------
    van der Maaten and Hinton 2008, JMLR 9, 2579 (t-SNE); McInnes, Healy and Melville 2018, arXiv:1802.03426 (UMAP).
    Rows outside of the fit: the median of the nearest, as in Poličar, Stražar and Zupan 2024, JSS 109, 3.
    """
    if method == "pca":
        return _scaled(projected(vectors))
    if n_fitted < _FEWEST:
        raise QueryError(f"a map by {METHODS[method]} needs {_FEWEST} vectors or more, found {n_fitted}")
    for name in ("perplexity", "n_neighbors"):
        if float(options.get(name, 0)) >= n_fitted:
            advice = f"type --set {name}={max(2, n_fitted // 4)}"
            raise QueryError(f"{name} must be less than the {n_fitted} rows to fit to, found {options[name]}; {advice}")
    if options["metric"] == "cosine":  # between vectors of length 1, both metrics have the same neighbours
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    rows = np.sort(np.random.default_rng(seed).choice(len(vectors), n_fitted, replace=False))
    fit = _by_tsne if method == "tsne" else _by_umap
    fitted = np.asarray(fit(np.ascontiguousarray(vectors[rows]), options, seed), np.float32)
    if n_fitted == len(vectors):
        return _scaled(fitted)
    out = _beside(vectors, vectors[rows], fitted)
    out[rows] = fitted
    return _scaled(out)


def _by_tsne(sample: Points, options: Options, seed: int) -> Points:
    from sklearn.manifold import TSNE  # noqa: PLC0415 - it takes a second to load

    start = projected(sample)
    start *= _START_WIDTH / max(float(start[:, 0].std()), 1e-12)
    with threadpool_limits(1):  # several threads add up in another order, and so draw another map
        model = TSNE(perplexity=float(options["perplexity"]), init=start, random_state=seed, n_jobs=1)
        return np.asarray(model.fit_transform(sample), np.float32)


def _by_umap(sample: Points, options: Options, seed: int) -> Points:
    try:
        from umap import UMAP  # noqa: PLC0415 - not everyone's
    except ImportError as error:
        raise QueryError("a map by UMAP needs umap-learn; type: pip install 'photonlake[umap]'") from error
    near, apart = int(options["n_neighbors"]), float(options["min_dist"])
    # It starts where the principal components are: a start by eigenvectors of the graph is not the same each time.
    model = UMAP(n_neighbors=near, min_dist=apart, init=10 * _scaled(projected(sample)), random_state=seed, n_jobs=1)
    return np.asarray(model.fit_transform(sample), np.float32)


def _beside(vectors: Points, sample: Points, fitted: Points) -> Points:
    """Return the median, on each axis, of the fitted rows that are nearest to each row."""
    from sklearn.neighbors import NearestNeighbors  # noqa: PLC0415 - as above

    index = NearestNeighbors(n_neighbors=min(_N_NEAR, len(sample))).fit(sample)
    out = np.empty((len(vectors), 2), np.float32)
    for start in range(0, len(vectors), _BLOCK):
        near = index.kneighbors(vectors[start : start + _BLOCK], return_distance=False)
        out[start : start + _BLOCK] = np.median(fitted[near], axis=1)
    return out


def _scaled(points: Points) -> Points:
    """Bring the middle 98 % of the rows into -1...1, by one scale for both axes."""
    if not len(points):
        return points
    low, high = np.quantile(points, [0.01, 0.99], axis=0)
    half = float((high - low).max()) / 2
    return np.asarray((points - (low + high) / 2) / (half if half > 0 else 1.0), np.float32)
