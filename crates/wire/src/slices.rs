//! The packed slices of a post: `seat 16 B, length u32 big-endian, bytes`,
//! repeated, strictly ascending by seat. Packing and reading without copying.
//! Not here: who may get which slice.

use bytes::Bytes;

use crate::limits::SLICE_BYTES;
use crate::{SeatId, WireError};

const HEAD: usize = SeatId::LENGTH + 4;

/// Packs slices. They may come in any order; a seat given twice is refused.
pub fn pack<B: AsRef<[u8]>>(slices: impl IntoIterator<Item = (SeatId, B)>) -> Result<Bytes, WireError> {
    let mut slices: Vec<(SeatId, B)> = slices.into_iter().collect();
    slices.sort_by_key(|(seat, _)| *seat);
    let ascending = slices.is_sorted_by(|(a, _), (b, _)| a < b);
    if !ascending {
        return Err(WireError::SlicesUnsorted);
    }
    let total = slices.iter().map(|(_, body)| HEAD + body.as_ref().len()).sum();
    let mut packed = Vec::with_capacity(total);
    for (seat, body) in &slices {
        let body = body.as_ref();
        if body.len() > SLICE_BYTES {
            return Err(WireError::SliceTooLarge);
        }
        let length = u32::try_from(body.len()).map_err(|_| WireError::SliceTooLarge)?;
        packed.extend_from_slice(seat.as_bytes());
        packed.extend_from_slice(&length.to_be_bytes());
        packed.extend_from_slice(body);
    }
    Ok(packed.into())
}

/// Reads packed slices one by one; stops at the first error.
pub fn iter(packed: &Bytes) -> Slices {
    Slices { rest: packed.clone(), last: None, failed: false }
}

/// Where each slice's body lies in the packed bytes: (seat, offset, length).
pub fn index(packed: &Bytes) -> Result<Vec<(SeatId, u32, u32)>, WireError> {
    let mut at = 0usize;
    iter(packed)
        .map(|slice| {
            let (seat, body) = slice?;
            let offset = u32::try_from(at + HEAD).map_err(|_| WireError::SliceTooLarge)?;
            let length = u32::try_from(body.len()).map_err(|_| WireError::SliceTooLarge)?;
            at += HEAD + body.len();
            Ok((seat, offset, length))
        })
        .collect()
}

/// The iterator of [`iter`]; bodies share the memory of the packed bytes.
#[derive(Debug, Clone)]
pub struct Slices {
    rest: Bytes,
    last: Option<SeatId>,
    failed: bool,
}

impl Slices {
    fn step(&mut self) -> Result<(SeatId, Bytes), WireError> {
        if self.rest.len() < HEAD {
            return Err(WireError::SlicesTruncated);
        }
        let head = self.rest.split_to(HEAD);
        let (seat, length) = head.split_at(SeatId::LENGTH);
        let seat = SeatId::try_from(seat)?;
        let length = length.try_into().map(u32::from_be_bytes).map_err(|_| WireError::SlicesTruncated)?;
        let length = usize::try_from(length).map_err(|_| WireError::SliceTooLarge)?;
        if length > SLICE_BYTES {
            return Err(WireError::SliceTooLarge);
        }
        if self.last.is_some_and(|last| last >= seat) {
            return Err(WireError::SlicesUnsorted);
        }
        if length > self.rest.len() {
            return Err(WireError::SlicesTruncated);
        }
        self.last = Some(seat);
        Ok((seat, self.rest.split_to(length)))
    }
}

impl Iterator for Slices {
    type Item = Result<(SeatId, Bytes), WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.rest.is_empty() {
            return None;
        }
        let step = self.step();
        self.failed = step.is_err();
        Some(step)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seat(n: u8) -> SeatId {
        SeatId::new([n; 16])
    }

    #[test]
    fn packing_sorts_and_refuses_a_seat_twice_and_a_slice_too_large() {
        let packed = pack([(seat(2), b"two".as_slice()), (seat(1), b"one")]).unwrap();
        let read: Vec<_> = iter(&packed).collect::<Result<_, _>>().unwrap();
        let want = vec![(seat(1), Bytes::from_static(b"one")), (seat(2), Bytes::from_static(b"two"))];
        assert_eq!(read, want);
        assert_eq!(pack([(seat(1), b""), (seat(1), b"")]), Err(WireError::SlicesUnsorted));
        assert_eq!(pack([(seat(1), vec![0; SLICE_BYTES + 1])]), Err(WireError::SliceTooLarge));
    }

    #[test]
    fn unsorted_and_truncated_bytes_are_refused() {
        let one = pack([(seat(1), b"one")]).unwrap();
        let two = pack([(seat(2), b"two")]).unwrap();
        let unsorted = Bytes::from([two, one.clone()].concat());
        assert_eq!(iter(&unsorted).last(), Some(Err(WireError::SlicesUnsorted)));
        for cut in 1..one.len() {
            let cut = one.slice(..cut);
            assert_eq!(iter(&cut).collect::<Vec<_>>(), [Err(WireError::SlicesTruncated)]);
        }
    }

    proptest! {
        #[test]
        fn packed_slices_come_back_and_their_index_points_at_them(
            slices in proptest::collection::btree_map(any::<[u8; 16]>(), proptest::collection::vec(any::<u8>(), 0..50), 0..20)
        ) {
            let packed = pack(slices.iter().map(|(seat, body)| (SeatId::new(*seat), body))).unwrap();
            let read: Vec<_> = iter(&packed).collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(read.len(), slices.len());
            for ((seat, offset, length), (read_seat, body)) in index(&packed).unwrap().into_iter().zip(read) {
                let range = offset as usize..(offset + length) as usize;
                prop_assert_eq!(seat, read_seat);
                prop_assert_eq!(packed.slice(range), &body);
                prop_assert_eq!(&slices[seat.as_bytes()], &body.to_vec());
            }
        }

        #[test]
        fn any_bytes_are_slices_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let bytes = Bytes::from(bytes);
            let _ = iter(&bytes).count();
            let _ = index(&bytes);
        }
    }
}
