//! roster/mod
