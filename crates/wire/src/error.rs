//! What can be wrong with bytes on the wire.

/// A closed vocabulary: every decoder of this crate gives a value or one of
/// these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// An id has another length than its kind.
    #[error("an id of {want} bytes was expected, {got} came: send the raw bytes of the id")]
    IdLength {
        /// The right length.
        want: usize,
        /// The length seen.
        got: usize,
    },
    /// A frame is above [`crate::limits::FRAME_BYTES`].
    #[error("the frame is above the limit of {0} bytes: send less at once", crate::limits::FRAME_BYTES)]
    FrameTooLarge,
    /// A frame is no valid protobuf of this schema.
    #[error("the frame is not a message of this API: check the schema and its version")]
    Malformed,
    /// The packed slices end in the middle of one.
    #[error("the packed slices are cut short")]
    SlicesTruncated,
    /// The packed slices are not strictly ascending by seat.
    #[error("the packed slices must be sorted by seat, each seat once")]
    SlicesUnsorted,
    /// One slice is above [`crate::limits::SLICE_BYTES`].
    #[error("a slice is above the limit of {0} bytes", crate::limits::SLICE_BYTES)]
    SliceTooLarge,
}
