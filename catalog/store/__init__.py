"""Where the data of a store are and how they change: lake, vectors, snapshots; and who may read what."""
