"""The outside world: the Chandra Source Catalog and ADS, asked politely, resumed after any break.

`ingest.remote.http` is the only module that opens a socket. What it brings lands as files under the store's
`files/` folder, in the layout of search_csc, and goes in by the one road that all files take.
"""
