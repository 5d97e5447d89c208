//! Placeholder until the first content lands in this session.
