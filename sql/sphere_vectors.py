"""Vectors of three numbers: positions on the sphere, and the planes of great circles. Angles are in radians."""

from __future__ import annotations

import math
from typing import TypeAlias

Vector: TypeAlias = tuple[float, float, float]


def vector_of(ra: float, dec: float) -> Vector:
    """Return the unit vector of a position [deg]."""
    a, d = math.radians(ra), math.radians(dec)
    return math.cos(d) * math.cos(a), math.cos(d) * math.sin(a), math.sin(d)


def position_of(v: Vector) -> tuple[float, float]:
    """Return the position of a vector: longitude and latitude [deg]."""
    return math.degrees(math.atan2(v[1], v[0])) % 360, math.degrees(math.atan2(v[2], math.hypot(v[0], v[1])))


def dot(a: Vector, b: Vector) -> float:
    """Return the inner product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def cross(a: Vector, b: Vector) -> Vector:
    """Return the vector product."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def total(vectors: list[Vector]) -> Vector:
    """Add vectors up."""
    x, y, z = (sum(parts) for parts in zip(*vectors, strict=True))
    return x, y, z


def scaled(v: Vector, by: float) -> Vector:
    """Return a vector times a number."""
    return v[0] * by, v[1] * by, v[2] * by


def length(v: Vector) -> float:
    """Return a vector's length."""
    return math.hypot(*v)


def unit(v: Vector) -> Vector:
    """Return the vector of length 1 in the same direction."""
    return scaled(v, 1 / length(v))


def angle(a: Vector, b: Vector) -> float:
    """Return the angle between two vectors, exact for small ones and for large ones."""
    return math.atan2(length(cross(a, b)), dot(a, b))
