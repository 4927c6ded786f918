//! Reading fixed and counted parts from the front of bytes, and nothing beyond their end.

use crate::KeyLogError;

/// What is left to read.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn slice(&mut self, length: usize) -> Result<&'a [u8], KeyLogError> {
        let (front, rest) = self.0.split_at_checked(length).ok_or(KeyLogError::Malformed)?;
        self.0 = rest;
        Ok(front)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], KeyLogError> {
        let (front, rest) = self.0.split_first_chunk().ok_or(KeyLogError::Malformed)?;
        self.0 = rest;
        Ok(*front)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, KeyLogError> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, KeyLogError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, KeyLogError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, KeyLogError> {
        self.array().map(u64::from_be_bytes)
    }

    /// `count` of something. As long as what is read has a length, the memory taken is bounded by the bytes.
    pub(crate) fn many<T>(
        &mut self,
        count: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, KeyLogError>,
    ) -> Result<Vec<T>, KeyLogError> {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(read(self)?);
        }
        Ok(all)
    }

    /// Nothing may be left.
    pub(crate) fn end(self) -> Result<(), KeyLogError> {
        if self.0.is_empty() { Ok(()) } else { Err(KeyLogError::Malformed) }
    }
}
