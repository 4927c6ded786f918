//! Fuzz targets: for each decoder of the wire a function that takes any bytes. Part of the crate only for its tests and
//! under a fuzzer.
//!
//! A decoder is total and bounded. Protobuf has more than one encoding of a value, so a frame need only decode again to
//! what it was.

use bytes::Bytes;

use crate::frame::Frame;
use crate::v1::{ClientFrame, ServerFrame};
use crate::{Code, DeviceId, PersonId, SeatId, auth, limits, slices};

/// What a target does with any bytes.
pub type Run = fn(&[u8]) -> bool;

/// Every target: its name; what it does with any bytes (it returns whether they were a value, and panics if something does
/// not hold that must); and on how many mutations it runs in tests.
pub const TARGETS: &[(&str, Run, u64)] = &[
    ("client_frame", frame::<ClientFrame>, 8_000),
    ("server_frame", frame::<ServerFrame>, 8_000),
    ("packed_slices", packed_slices, 8_000),
    ("refusal_code", refusal_code, 2_000),
    ("name", name, 2_000),
    ("ids", ids, 1_000),
];

fn frame<F: Frame + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> bool {
    let Ok(frame) = F::from_frame(Bytes::copy_from_slice(bytes)) else { return false };
    // What is written is never larger than what a frame may be, so it can be written again.
    let again = frame.to_frame().and_then(F::from_frame);
    assert!(again.is_ok_and(|again| again == frame), "a frame decodes again to what it was");
    let shown = format!("{frame:?}");
    assert!(shown.len() <= 64 * (bytes.len() + 64), "a log line is bounded by its frame");
    true
}

fn packed_slices(bytes: &[u8]) -> bool {
    let packed = Bytes::copy_from_slice(bytes);
    let read: Result<Vec<_>, _> = slices::iter(&packed).collect();
    let index = slices::index(&packed);
    assert_eq!(read.as_ref().err(), index.as_ref().err(), "both readers see the same fault");
    let (Ok(read), Ok(index)) = (read, index) else { return false };
    assert_eq!(read.len(), index.len());
    for ((seat, body), (at, offset, length)) in read.iter().zip(&index) {
        let (offset, length) = (*offset as usize, *length as usize);
        assert!(seat == at && length <= limits::SLICE_BYTES);
        assert_eq!(packed.get(offset..offset + length), Some(body.as_ref()));
    }
    assert_eq!(slices::pack(read).as_deref(), Ok(bytes), "packed slices have one form");
    true
}

fn refusal_code(bytes: &[u8]) -> bool {
    let Some(code) = std::str::from_utf8(bytes).ok().and_then(Code::parse) else { return false };
    assert_eq!(code.as_str().as_bytes(), bytes);
    true
}

fn name(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let is_name = auth::is_name(text);
    assert!(!is_name || limits::NAME_LENGTH.contains(&text.len()));
    is_name
}

fn ids(bytes: &[u8]) -> bool {
    let (seat, device, person) = (
        SeatId::try_from(bytes).is_ok(),
        DeviceId::try_from(bytes).is_ok(),
        PersonId::try_from(bytes).is_ok(),
    );
    assert_eq!((seat, device, person), (bytes.len() == 16, bytes.len() == 16, bytes.len() == 32));
    seat || person
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{self, client_frame::Request, seat_change::Change as SeatChangeKind, server_frame::Body};

    fn id<const N: usize>(byte: u8) -> Bytes {
        vec![byte; N].into()
    }

    /// One of every request.
    fn requests() -> Vec<Request> {
        let keys = v1::PublishedKeys {
            bundle: id::<40>(1),
            last_resort_join_key: id::<20>(2),
            one_time_prekeys: vec![id::<8>(3), id::<8>(4)],
            join_keys: vec![id::<8>(5)],
        };
        let open = v1::OpenSeat { seat: id::<16>(8), claim_hash: id::<32>(9), after: 4 };
        let seats = vec![
            v1::SeatChange { change: Some(SeatChangeKind::Open(open)) },
            v1::SeatChange { change: Some(SeatChangeKind::Close(id::<16>(7))) },
        ];
        let letter = v1::Letter { device: id::<16>(6), body: id::<30>(1) };
        let (channel, seat, token) = (id::<16>(1), id::<16>(2), id::<32>(3));
        vec![
            Request::Login(v1::Login { device: id::<16>(1), signature: id::<64>(2) }),
            Request::Register(v1::Register {
                name: "mike".into(),
                person: id::<32>(1),
                device: id::<16>(2),
                device_key: id::<32>(3),
                signature: id::<64>(4),
                invite: "tulip".into(),
                device_list: id::<100>(5),
                keys: Some(keys.clone()),
                identity_key: id::<32>(8),
            }),
            Request::Recover(v1::Recover {
                name: "mike".into(),
                device: id::<16>(2),
                signature: id::<64>(4),
                identity_signature: id::<64>(5),
                devices: vec![v1::ListedDevice { device: id::<16>(2), device_key: id::<32>(3) }],
                device_list: id::<100>(5),
                keys: Some(keys.clone()),
            }),
            Request::Publish(v1::Publish {
                device_list: id::<100>(5),
                keys: Some(keys),
                device_key: id::<32>(6),
                devices: Vec::new(),
                identity_key: id::<32>(8),
                next_identity_key: id::<32>(9),
                next_identity_signature: id::<64>(9),
                veto_identity_key: true,
            }),
            Request::Lookup(v1::Lookup { names: vec!["sean".into()], persons: vec![id::<32>(1)] }),
            Request::TakeKeys(v1::TakeKeys {
                devices: vec![v1::KeyRequest { device: id::<16>(1), prekey: true, join_key: true }],
            }),
            Request::CreateChannel(v1::CreateChannel {
                channel: channel.clone(),
                seat: seat.clone(),
                token: token.clone(),
            }),
            Request::Attach(v1::Attach {
                seats: vec![v1::SeatCursor {
                    channel: channel.clone(),
                    seat: seat.clone(),
                    token: token.clone(),
                    cursor: 3,
                }],
            }),
            Request::Post(v1::Post {
                channel: channel.clone(),
                seat: seat.clone(),
                token: token.clone(),
                number: 1,
                at_turn: 0,
                takes_turn: true,
                shared: id::<50>(1),
                slices: slices::pack([(SeatId::new([7; 16]), b"slice".as_slice())]).unwrap(),
                seats,
                letters: vec![letter.clone()],
            }),
            Request::Claim(v1::Claim {
                channel: channel.clone(),
                seat: seat.clone(),
                claim: id::<32>(5),
                token: token.clone(),
            }),
            Request::PutBlob(v1::PutBlob {
                channel: channel.clone(),
                seat: seat.clone(),
                token: token.clone(),
                bytes: id::<60>(4),
            }),
            Request::GetBlob(v1::GetBlob {
                channel: channel.clone(),
                seat: seat.clone(),
                token: token.clone(),
                hash: id::<32>(6),
            }),
            Request::LogRoots(v1::LogRoots { incarnation: 1, epoch: 7, most: 9 }),
            Request::LogRoot(v1::LogRoot { incarnation: 1, epoch: 7 }),
            Request::LogHistory(v1::LogHistory {}),
            Request::LogAudit(v1::LogAudit { epoch: 7, most: 9 }),
            Request::Cosign(v1::Cosign { incarnation: 1, epoch: 7, cosignature: id::<96>(3) }),
            Request::Ack(v1::Ack { channel, seat, token, cursor: 3 }),
            Request::SendLetter(v1::SendLetter { letter: Some(letter) }),
            Request::AckLetters(v1::AckLetters { up_to: 9 }),
            Request::Credit(v1::Credit { bytes: 1 << 20 }),
        ]
    }

    /// The answers and pushes that carry something.
    fn bodies() -> Vec<Body> {
        let entry = v1::Entry {
            number: 4,
            turn: 2,
            seat: id::<16>(1),
            seat_number: 3,
            at: 1_790_000_000_000,
            hash: id::<32>(2),
            shared: id::<50>(3),
            slice: id::<20>(4),
            ..v1::Entry::default()
        };
        let hello = v1::Hello {
            version: 1,
            relay_id: id::<32>(1),
            challenge: id::<32>(2),
            host: "relay.test".into(),
            registration: "open".into(),
            ..v1::Hello::default()
        };
        let person = v1::Person {
            name: "sean".into(),
            person: id::<32>(1),
            device_list: id::<90>(2),
            devices: vec![v1::Device { device: id::<16>(3), bundle: id::<40>(4) }],
            identity_key: id::<32>(8),
            next_identity_key: id::<32>(9),
            announced_at: 7,
            log_proof: id::<70>(5),
        };
        let keys = v1::DeviceKeys { device: id::<16>(1), join_key: id::<9>(2), ..v1::DeviceKeys::default() };
        let state = v1::SeatState {
            channel: id::<16>(1),
            seat: id::<16>(2),
            refused: "closed".into(),
            head: 9,
            ..v1::SeatState::default()
        };
        vec![
            Body::Refused(v1::Refused::new(Code::WrongNumber)),
            Body::Done(v1::Done {}),
            Body::Hello(hello),
            Body::Directory(v1::Directory { persons: vec![person], root: id::<217>(6) }),
            Body::Keys(v1::Keys { devices: vec![keys] }),
            Body::Attached(v1::Attached { seats: vec![state] }),
            Body::Posted(v1::Posted { entry: 4, turn: 2, at: 7 }),
            Body::Stale(v1::Stale { turn: 3, head: 9 }),
            Body::Entries(v1::Entries {
                channel: id::<16>(1),
                seat: id::<16>(2),
                entries: vec![entry.clone(), v1::Entry { number: 5, expired: true, ..entry }],
                head: 5,
            }),
            Body::Blob(v1::Blob { bytes: id::<60>(4) }),
            Body::Trail(v1::Trail {
                root: id::<217>(1),
                links: id::<96>(2),
                cosignatures: vec![id::<96>(3)],
            }),
            Body::SignedRoot(v1::SignedRoot { root: id::<217>(1), cosignatures: vec![id::<96>(3)] }),
            Body::History(v1::History {
                root: id::<217>(1),
                proof: id::<80>(2),
                device_lists: vec![id::<90>(3), id::<90>(4)],
            }),
            Body::Growth(v1::Growth { steps: vec![id::<60>(1), id::<70>(2)] }),
            Body::Letters(v1::Letters {
                letters: vec![v1::InboxLetter { number: 1, body: id::<30>(1), at: 5 }],
            }),
        ]
    }

    fn seeds() -> Vec<(&'static str, Vec<u8>)> {
        let requests = requests().into_iter().zip(1..).map(|(request, id)| {
            ("client_frame", ClientFrame::new(id, request).to_frame().unwrap().to_vec())
        });
        let bodies = bodies()
            .into_iter()
            .zip(0..)
            .map(|(body, id)| ("server_frame", ServerFrame::new(id, body).to_frame().unwrap().to_vec()));
        let packed = [(SeatId::new([1; 16]), b"one".as_slice()), (SeatId::new([2; 16]), b"")];
        let others = [
            ("packed_slices", slices::pack(packed).unwrap().to_vec()),
            ("packed_slices", Vec::new()),
            ("refusal_code", Code::WrongNumber.as_str().into()),
            ("refusal_code", Code::Closed.as_str().into()),
            ("name", b"s_e.a-n".to_vec()),
            ("ids", vec![7; 16]),
            ("ids", vec![7; 32]),
        ];
        requests.chain(bodies).chain(others).collect()
    }

    #[test]
    fn fuzz_targets_of_the_wire_hold() {
        conclave_fuzzing::hold("wire", TARGETS, &seeds());
    }
}
