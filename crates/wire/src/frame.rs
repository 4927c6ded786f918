//! One frame is one protobuf message in one binary WebSocket message. Here
//! is the size bound around protobuf; what frames mean is not.

use bytes::Bytes;
use prost::Message;

use crate::limits::FRAME_BYTES;
use crate::v1::{ClientFrame, Refused, ServerFrame, client_frame, server_frame};
use crate::{Code, WireError};

/// A message that travels as a whole frame.
pub trait Frame: Message + Default + sealed::Sealed {
    /// Its bytes; refuses what the other side would refuse.
    fn to_frame(&self) -> Result<Bytes, WireError> {
        if self.encoded_len() > FRAME_BYTES {
            return Err(WireError::FrameTooLarge);
        }
        Ok(self.encode_to_vec().into())
    }

    /// The frame of these bytes. Byte fields share the memory of `bytes`.
    fn from_frame(bytes: Bytes) -> Result<Self, WireError> {
        if bytes.len() > FRAME_BYTES {
            return Err(WireError::FrameTooLarge);
        }
        Self::decode(bytes).map_err(|_| WireError::Malformed)
    }
}

impl Frame for ClientFrame {}
impl Frame for ServerFrame {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::v1::ClientFrame {}
    impl Sealed for crate::v1::ServerFrame {}
}

impl ClientFrame {
    /// A request under an id.
    pub fn new(id: u64, request: client_frame::Request) -> Self {
        Self { id, request: Some(request) }
    }
}

impl ServerFrame {
    /// An answer to a request; id 0 makes it a push.
    pub fn new(id: u64, body: server_frame::Body) -> Self {
        Self { id, body: Some(body) }
    }
}

impl Refused {
    /// A refusal with its code and no details.
    pub fn new(code: Code) -> Self {
        Self { code: code.as_str().into(), message: code.message().into(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::v1::{Ack, client_frame::Request};

    #[test]
    fn a_frame_comes_back_and_an_oversized_one_never_leaves() {
        let ack = Ack { cursor: 7, token: Bytes::from_static(&[9; 32]), ..Ack::default() };
        let frame = ClientFrame::new(3, Request::Ack(ack));
        assert_eq!(ClientFrame::from_frame(frame.to_frame().unwrap()).unwrap(), frame);
        let big = Ack { token: vec![0; FRAME_BYTES].into(), ..Ack::default() };
        let frame = ClientFrame::new(3, Request::Ack(big));
        assert_eq!(frame.to_frame(), Err(WireError::FrameTooLarge));
        let bytes = Bytes::from(vec![0; FRAME_BYTES + 1]);
        assert_eq!(ServerFrame::from_frame(bytes), Err(WireError::FrameTooLarge));
    }

    #[test]
    fn tokens_stay_out_of_debug() {
        let ack = Ack { token: Bytes::from_static(b"SECRETSECRETSECRET"), ..Ack::default() };
        let shown = format!("{:?}", ClientFrame::new(3, Request::Ack(ack)));
        assert!(!shown.contains("SECRET"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_frame_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let bytes = Bytes::from(bytes);
            let _ = ClientFrame::from_frame(bytes.clone());
            let _ = ServerFrame::from_frame(bytes);
        }

        #[test]
        fn a_damaged_frame_is_a_frame_or_an_error(at in 0usize..60, to in any::<u8>(), cut in 0usize..60) {
            let ack = Ack { channel: vec![1; 16].into(), seat: vec![2; 16].into(), ..Ack::default() };
            let mut bytes = ClientFrame::new(1, Request::Ack(ack)).to_frame().unwrap().to_vec();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = to;
            }
            bytes.truncate(cut.max(1));
            let _ = ClientFrame::from_frame(bytes.into());
        }
    }
}
