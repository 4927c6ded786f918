//! Generates the message types from `proto/relay.proto`, without needing a
//! `protoc` on the machine.

use std::error::Error;

/// Messages that carry a secret of the client: their `Debug` is written by
/// hand (`src/debug.rs`), so that no log can ever show a token.
const WITH_SECRETS: [&str; 9] = [
    ".conclave.v1.CreateChannel",
    ".conclave.v1.SeatCursor",
    ".conclave.v1.Post",
    ".conclave.v1.Claim",
    ".conclave.v1.Ack",
    ".conclave.v1.Register",
    ".conclave.v1.DeviceKeys",
    ".conclave.v1.PutBlob",
    ".conclave.v1.GetBlob",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto/relay.proto");
    let files = protox::compile(["proto/relay.proto"], ["proto"])?;
    prost_build::Config::new().bytes(["."]).skip_debug(WITH_SECRETS).compile_fds(files)?;
    Ok(())
}
