"""Seconds until `import catalog` and `import ingest` are there, in a fresh interpreter, beside pandas and astropy."""

from __future__ import annotations

from measure import measure, median


def main() -> None:
    """Print the table."""
    for name in ("catalog", "ingest", "ingest.refresh", "pandas", "astropy.table"):
        runs = [measure("", f"import {name}") for _ in range(5)]
        print(f"  import {name:<15} {median(runs):.2f} s  {runs[0].peak_mb:4.0f} MB")


if __name__ == "__main__":
    main()
