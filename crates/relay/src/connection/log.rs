//! The requests about the key log, one function each. Anybody may follow its roots and audit it; whose history it is,
//! sees that.

use conclave_wire::v1::{self, server_frame::Body};
use conclave_wire::{Code, limits};

use super::Connection;
use super::requests::{Answer, broken, rate_limited, refused};
use crate::storage::Op;

impl Connection {
    pub(super) async fn log_roots(&mut self, ask: v1::LogRoots) -> Answer<Body> {
        self.draw_log()?;
        let most = at_most(ask.most, limits::LOG_LINKS);
        self.relay.log.trail((ask.incarnation, ask.epoch), most).await.map(Body::Trail).map_err(broken)
    }

    pub(super) async fn log_root(&mut self, ask: v1::LogRoot) -> Answer<Body> {
        self.draw_log()?;
        let root = self.relay.log.root((ask.incarnation, ask.epoch)).await.map_err(broken)?;
        root.map(Body::SignedRoot).map_err(refused)
    }

    pub(super) async fn log_audit(&mut self, ask: v1::LogAudit) -> Answer<Body> {
        self.draw_log()?;
        let growth = self.relay.log.growth(ask.epoch, at_most(ask.most, limits::LOG_STEPS)).await;
        growth.map_err(broken)?.map(Body::Growth).map_err(refused)
    }

    pub(super) async fn log_history(&mut self) -> Answer<Body> {
        let device = self.device()?;
        let rate = self.relay.config.limits.histories;
        self.relay.limiter.take(rate, 1.0, &[b"history", device.as_ref()]).map_err(rate_limited)?;
        let history = self.relay.log.history(device).await.map_err(broken)?;
        history.map(Body::History).map_err(refused)
    }

    pub(super) async fn cosign(&mut self, cosign: v1::Cosign) -> Answer<Body> {
        self.draw_log()?;
        let at = (cosign.incarnation, cosign.epoch);
        let witness =
            self.relay.log.witness(at, &cosign.cosignature).await.map_err(broken)?.map_err(refused)?;
        if !self.relay.config.witnesses.contains(&witness) {
            return Err(refused(Code::NotWitness));
        }
        let (witness, cosignature) = (*witness.as_bytes(), cosign.cosignature);
        self.expect_done(Op::Cosign { at, witness, cosignature }).await
    }

    fn draw_log(&self) -> Answer<()> {
        let rate = self.relay.config.limits.log_requests;
        self.relay.limit_address("log", rate, 1.0, self.peer, &[]).map_err(rate_limited)
    }
}

/// As many as are asked for, up to the limit; 0 asks for all.
fn at_most(asked: u32, limit: usize) -> usize {
    match asked as usize {
        0 => limit,
        asked => asked.min(limit),
    }
}
