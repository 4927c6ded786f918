//! session/mod
