"""The encoders, one module per family; `embed.registry` knows them by name and loads one when it is needed."""
