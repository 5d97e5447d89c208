//! Random filters: the engine finds what the reference finds.
