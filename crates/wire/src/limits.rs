//! Every limit of the relay's API that does not depend on one relay's
//! configuration. `docs/relay-api.md` repeats them; a test of the relay
//! compares.

/// One frame, in either direction.
pub const FRAME_BYTES: usize = 4 * 1024 * 1024 + 64 * 1024;
/// One whole post: shared part, slices, seat changes, letters.
pub const POST_BYTES: usize = 4 * 1024 * 1024;
/// The shared part of a post: 64 KiB of content and 4 KiB around it.
pub const SHARED_BYTES: usize = 68 * 1024;
/// The shared part of a post that takes a turn: a commit grows with those it adds, and with its group.
pub const COMMIT_BYTES: usize = 2 * 1024 * 1024;
/// One slice of a post. A welcome carries the whole roster: 1.7 KiB a device.
pub const SLICE_BYTES: usize = 1024 * 1024;
/// Seats opened or closed by one post.
pub const SEAT_CHANGES_PER_POST: usize = 1024;
/// Letters in one post.
pub const LETTERS_PER_POST: usize = 1024;
/// One letter.
pub const LETTER_BYTES: usize = 8 * 1024;
/// Letters waiting in one device's inbox.
pub const LETTERS_PER_INBOX: usize = 64;
/// Letters from senders without a login are taken up to this many waiting ones:
/// strangers leave room for the others.
pub const FOREIGN_LETTERS_PER_INBOX: usize = 32;
/// One blob: sealed bytes that a post names.
pub const BLOB_BYTES: usize = 512 * 1024;
/// Blobs of one channel together, each counted with BLOB_WEIGHT more.
pub const BLOBS_PER_CHANNEL: usize = 256 * 1024 * 1024;
/// What a blob weighs beyond its bytes, in BLOBS_PER_CHANNEL and in the rates.
pub const BLOB_WEIGHT: usize = 1024;
/// Seats attached by one connection.
pub const SEATS_PER_CONNECTION: usize = 2000;
/// Open seats of one channel.
pub const SEATS_PER_CHANNEL: usize = 10_000;
/// One-time keys that the relay keeps per device, of each kind.
pub const ONE_TIME_KEYS: usize = 100;
/// Below this many the owner of one-time keys is told.
pub const LOW_STOCK: u32 = 10;
/// One one-time key of either kind, or a last-resort join key with its key package.
pub const KEY_BYTES: usize = 6 * 1024;
/// The static part of a bundle.
pub const BUNDLE_BYTES: usize = 8 * 1024;
/// A person's signed device list.
pub const DEVICE_LIST_BYTES: usize = 16 * 1024;
/// Devices that one person has.
pub const DEVICES_PER_PERSON: usize = 16;
/// Names and persons in one `Lookup`.
pub const LOOKUPS_PER_REQUEST: usize = 100;
/// Devices in one `TakeKeys`: their bundles and keys fill one frame at most.
pub const TAKES_PER_REQUEST: usize = 200;
/// Above this many devices in one `TakeKeys`, one-time prekeys are left out.
pub const TAKES_WITH_PREKEYS: usize = 20;
/// The shortest and the longest name.
pub const NAME_LENGTH: std::ops::RangeInclusive<usize> = 2..=32;
/// An invite code.
pub const INVITE_BYTES: usize = 128;
/// Catch-up bytes that a connection starts with.
pub const FIRST_CREDIT: u64 = 4 * 1024 * 1024;
/// The most catch-up credit that a connection can pile up.
pub const MOST_CREDIT: u64 = 64 * 1024 * 1024;
/// A seat's secret.
pub const TOKEN_BYTES: usize = 32;
/// The challenge of a connection.
pub const CHALLENGE_BYTES: usize = 32;
/// Requests of one connection that may wait for their answers.
pub const REQUESTS_IN_FLIGHT: usize = 256;
/// Links in one `Trail`.
pub const LOG_LINKS: usize = 4096;
/// Epochs in one `Growth`.
pub const LOG_STEPS: usize = 256;
/// The steps in one `Growth` together; a larger one comes alone.
pub const LOG_STEPS_BYTES: usize = 1024 * 1024;
/// Versions in one `History`.
pub const LOG_VERSIONS: usize = 1000;
/// The device lists in one `History` together.
pub const LOG_LISTS_BYTES: usize = 1024 * 1024;
