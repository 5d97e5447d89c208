//! The filter language of `search`, `tail`, `export` and the Explorer.
