//! Tests.
pub(super) fn note_sealing_key(_: &crate::primitives::secret::Secret<crate::primitives::secret::AeadKey>) {}
