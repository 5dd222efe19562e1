"""A source and its detections, as things one asks for a spectrum, a light curve, photons, an image, papers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from catalog.errors import QueryError, UnknownName
from catalog.objects import light_curve, listing, photons, spectrum
from catalog.objects.product import Asks
from catalog.schema.identifiers import is_source_name, source_name

Made = TypeVar("Made")


@dataclass(frozen=True)
class Detection:
    """A detection: one source in one observation. `catalog.Catalog.detection` finds it.

    Attributes
    ----------
    detection_id : str
        obsid.obi.region_id
    name : str or None
        The source that it is of; None where the store does not know.
    """

    detection_id: str
    name: str | None
    _cat: Asks = field(repr=False)

    def spectrum(self) -> spectrum.Spectrum:
        """Return its spectrum; of several, one that has a response, then the longest exposure.

        Raises
        ------
        UnknownName
            If the store has none with counts.
        """
        return spectrum.spectrum(self._cat, self.detection_id)

    def light_curve(self, bin_s: float | None = None) -> light_curve.LightCurve:
        """Return its light curve.

        Parameters
        ----------
        bin_s : float, optional
            Length of a bin, s; else about forty bins, or those of its light curve file where there are no photons.

        Raises
        ------
        UnknownName
            If the store has neither photons nor a light curve of it.
        QueryError
            If there is nothing to count; the message says why.
        """
        return light_curve.light_curve(self._cat, self.detection_id, bin_s)

    def events(self, *, source_only: bool = True) -> photons.Events:
        """Return its photons.

        Parameters
        ----------
        source_only : bool
            Those in its source region; else all of its region event file.

        Raises
        ------
        UnknownName
            If the store has none.
        """
        return photons.events(self._cat, self.detection_id, source_only=source_only)

    def image(self, pixels: float = 1.0) -> photons.Image:
        """Return the image of the photons around it, with its source region.

        Parameters
        ----------
        pixels : float
            Side of a pixel of the image, in sky pixels (0.492 arcsec in ACIS).

        Raises
        ------
        UnknownName
            If the store has no photons of it with a place on the sky.
        """
        return photons.image(self._cat, self.detection_id, pixels)

    def papers(self) -> listing.Papers:
        """Return the papers about its source."""
        return listing.papers(self._cat, self.name, self.name or self.detection_id)

    def neighbours(self, space: str = "spectrum", k: int = 10) -> listing.Neighbours:
        """Return the rows of a space that are nearest to it.

        Parameters
        ----------
        space : str
        k : int

        Raises
        ------
        UnknownName
            If there is no such space, or the detection has no vector in it; the message says why.
        """
        return listing.neighbours(self._cat, self.detection_id, space, k)


@dataclass(frozen=True)
class Source:
    """A source of the catalog. `catalog.Catalog.source` finds it.

    Of what a detection has, a source gives that of the first of `detections` that has it: the one with most exposure.
    `about` of the answer says which that is. `detections` gives all of them.

    Attributes
    ----------
    name : str
        '2CXO J...'
    """

    name: str
    _cat: Asks = field(repr=False)

    @cached_property
    def detections(self) -> tuple[Detection, ...]:
        """Its detections, the longest exposure first."""
        found = self._cat.sql(
            "SELECT detection_id, max(exposure) AS exposure_s FROM (SELECT detection_id, livetime AS exposure "
            "FROM csc.observation_source WHERE name = $name UNION ALL SELECT n.detection_id, h.exposure_s "
            "FROM product.detection_name AS n JOIN product.header AS h ON h.detection_id = n.detection_id "
            "WHERE n.name = $name) GROUP BY detection_id ORDER BY exposure_s DESC NULLS LAST, detection_id",
            name=self.name,
        )
        return tuple(Detection(str(id_), self.name, self._cat) for id_, _ in found.fetchall())

    def spectrum(self) -> spectrum.Spectrum:
        """Return a spectrum; see `Detection.spectrum`."""
        return self._first(Detection.spectrum)

    def light_curve(self, bin_s: float | None = None) -> light_curve.LightCurve:
        """Return a light curve; see `Detection.light_curve`."""
        return self._first(lambda detection: detection.light_curve(bin_s))

    def events(self, *, source_only: bool = True) -> photons.Events:
        """Return photons; see `Detection.events`."""
        return self._first(lambda detection: detection.events(source_only=source_only))

    def image(self, pixels: float = 1.0) -> photons.Image:
        """Return an image; see `Detection.image`."""
        return self._first(lambda detection: detection.image(pixels))

    def papers(self) -> listing.Papers:
        """Return the papers about it."""
        return listing.papers(self._cat, self.name, self.name)

    def neighbours(self, space: str = "spectrum", k: int = 10) -> listing.Neighbours:
        """Return the rows of a space that are nearest to any of its detections; see `Detection.neighbours`."""
        return listing.neighbours(self._cat, self.name, space, k)

    def _first(self, ask: Callable[[Detection], Made]) -> Made:
        errors = []
        for detection in self.detections:
            try:
                return ask(detection)
            except (UnknownName, QueryError) as error:
                errors.append(error)
        if not errors:
            raise UnknownName(f"the store has no detection of {self.name}; load products of it, or a catalog table")
        more = f" (so do all its {len(errors)} detections)" if len(errors) > 1 else ""
        raise type(errors[0])(f"{errors[0]}{more}")


def source(cat: Asks, name: str) -> Source:
    """Return a source by its name; see `catalog.Catalog.source`."""
    wanted = source_name(name) if is_source_name(name) else name.strip()
    known = cat.sql(
        "SELECT name FROM csc.master_source WHERE name = $name UNION "
        "SELECT name FROM csc.observation_source WHERE name = $name UNION "
        "SELECT name FROM product.detection_name WHERE name = $name",
        name=wanted,
    ).fetchall()
    if known:
        return Source(wanted, cat)
    alike = cat.sql(
        "SELECT DISTINCT name FROM csc.observation_source WHERE contains(name, $part) OR levenshtein(name, $part) <= 3 "
        "ORDER BY levenshtein(name, $part), name LIMIT 3",
        part=wanted.removeprefix("2CXO").strip() or wanted,
    ).fetchall()
    hint = f"; did you mean {' or '.join(str(n) for (n,) in alike)}?" if alike else ""
    raise UnknownName(f"the store has no source {name!r}{hint or '; names read 2CXO J010337.5-720133'}")


def detection(cat: Asks, detection_id: str) -> Detection:
    """Return a detection by its id; see `catalog.Catalog.detection`."""
    wanted = str(detection_id).strip()
    found = cat.sql(
        "SELECT name FROM csc.observation_source WHERE detection_id = $id UNION ALL "
        "SELECT name FROM product.detection_name WHERE detection_id = $id ORDER BY name NULLS LAST LIMIT 1",
        id=wanted,
    ).fetchall()
    if not found:
        parts = wanted.split(".")
        near = cat.sql(
            "SELECT detection_id FROM (SELECT detection_id FROM csc.observation_source WHERE obsid::VARCHAR = $obsid "
            "UNION SELECT detection_id FROM product.header WHERE obsid::VARCHAR = $obsid) "
            "WHERE detection_id IS NOT NULL ORDER BY levenshtein(detection_id, $id), detection_id LIMIT 3",
            obsid=parts[0],
            id=wanted,
        ).fetchall()
        hint = f"; of ObsID {parts[0]} it has {', '.join(str(i) for (i,) in near)}" if near else ""
        raise UnknownName(f"the store has no detection {detection_id!r}{hint}; ids read obsid.obi.region_id")
    return Detection(wanted, None if found[0][0] is None else str(found[0][0]), cat)
