//! Gossip between groups: the same people are in several, each with a log of its own, and tell each other in each what they
//! have seen of the others. Nothing of that may be alarming where the relay is honest, whatever is lost or late; and a relay
//! that shows two halves of one group two logs must be found by the first message that crosses elsewhere.
//!
//! Each group is a simulated world; its member at a place is the same person as the one there in the others.

use crate::simulator::{Deed, Weather, World};
use crate::{LabError, Result};
use conclave_protocol::gossip::{Gossip, LogView};
use conclave_protocol::group::{Compared, Group, Scheme, ViewCheck};
use conclave_protocol::{Context, GroupId, Timestamp};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

const MEMBERS: usize = 4;
/// How often the groups are looked at, in milliseconds of virtual time.
const STEP: u64 = 15_000;
/// How long people talk.
const SPAN: u64 = 5 * 60_000;
/// Somebody says something somewhere so often.
const PAUSE: u64 = 20_000;

/// Groups of the same people.
#[derive(Clone)]
pub struct Circle {
    groups: Vec<World>,
    /// The other log of the first group, as its second half of members is shown it.
    other: Option<World>,
    /// By group and member: how much of what was heard there is taken in.
    taken: Vec<[usize; MEMBERS]>,
    /// Views that wait: by whom, of which group, and when they were heard.
    waiting: Vec<(usize, usize, LogView, u64)>,
    /// What was found so far.
    pub found: Found,
}

/// What gossip came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Views that were compared.
    pub compared: u64,
    /// Two histories of a log.
    pub forks: u64,
    /// Less of a log than somebody else had seen when it was asked for.
    pub withheld: u64,
}

impl Circle {
    /// So many groups, in which nobody has said anything yet.
    pub fn new(groups: usize, scheme: Scheme) -> Result<Self> {
        let world = |n: usize| World::new(scheme, MEMBERS, 0, 1000 + n as u64);
        let worlds = (0..groups).map(world).collect::<Result<Vec<_>>>()?;
        let taken = vec![[0; MEMBERS]; groups];
        Ok(Self { groups: worlds, other: None, taken, waiting: Vec::new(), found: Found::default() })
    }

    /// Lets the people of this circle talk for a while, each seed another talk, in a weather that loses one in five.
    pub fn talk(&mut self, seed: u64) -> Result<()> {
        let mut turn = seed;
        for (n, group) in self.groups.iter_mut().chain(&mut self.other).enumerate() {
            group.reseed(seed.wrapping_mul(31).wrapping_add(n as u64));
            group.set_weather(Weather::LOSSY);
        }
        let (groups, begin) = (self.groups.len() as u64, self.now()?);
        for at in (0..SPAN).step_by(PAUSE as usize) {
            turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (group, who) = (((turn >> 33) % groups) as usize, ((turn >> 40) % MEMBERS as u64) as usize);
            self.world(group, who)?.plan(begin + at, who, Deed::Say(format!("{at}")));
        }
        for at in (begin..begin + SPAN + 2 * 60_000).step_by(STEP as usize) {
            self.carry()?;
            for group in self.groups.iter_mut().chain(&mut self.other) {
                group.run_until(at + STEP)?;
            }
            self.take_in()?;
        }
        Ok(())
    }

    /// The relay shows the second half of the first group's members another log of it from here on.
    pub fn fork(&mut self) -> Result<()> {
        self.other = Some(self.world(0, 0)?.clone());
        Ok(())
    }

    fn now(&self) -> Result<u64> {
        self.groups.first().map(World::now).ok_or_else(nowhere)
    }

    /// A group as a member sees it.
    fn world(&mut self, group: usize, who: usize) -> Result<&mut World> {
        match &mut self.other {
            Some(other) if group == 0 && who >= MEMBERS / 2 => Ok(other),
            _ => self.groups.get_mut(group).ok_or_else(nowhere),
        }
    }

    /// Each member's next message in a group carries its views of the others.
    fn carry(&mut self) -> Result<()> {
        for via in 0..self.groups.len() {
            for who in 0..MEMBERS {
                let to = self.id(via, who)?;
                let mut views = Vec::new();
                for about in (0..self.groups.len()).filter(|about| *about != via) {
                    let id = self.id(about, who)?;
                    let view = self.run(about, who, |cx| Group::view_for(&id, &to, cx))?;
                    views.extend(view);
                }
                self.world(via, who)?.device(who)?.gossip = Gossip { roots: Vec::new(), views };
            }
        }
        Ok(())
    }

    /// What came is held against what each member has, as the client does.
    fn take_in(&mut self) -> Result<()> {
        let now = self.now()?;
        for via in 0..self.groups.len() {
            for who in 0..MEMBERS {
                let from = self.taken.get(via).and_then(|taken| taken.get(who)).copied().unwrap_or_default();
                let heard = self.world(via, who)?.device(who)?.disk.heard.clone();
                for (_, gossip, view) in heard.iter().skip(from) {
                    self.found.forks += u64::from(*view == ViewCheck::Differs);
                    for view in &gossip.views {
                        if let Some(about) = self.named(via, who, view)? {
                            self.waiting.push((who, about, *view, now));
                        }
                    }
                }
                if let Some(taken) = self.taken.get_mut(via).and_then(|taken| taken.get_mut(who)) {
                    *taken = heard.len();
                }
            }
        }
        for (who, about, view, heard) in std::mem::take(&mut self.waiting) {
            let id = self.id(about, who)?;
            let told = (view.incarnation(), view.entry(), &view.hash);
            match self.run(about, who, |cx| Group::compare(&id, told, cx))? {
                Compared::Differs => self.found.forks += 1,
                Compared::Same => self.found.compared += 1,
                Compared::Unchecked => {}
                Compared::Ahead => {
                    // Asked since it was heard of, the relay must have it.
                    let stated = self.world(about, who)?.device(who)?.stated;
                    let less = |(head, asked): (u64, u64)| asked > heard && head < view.entry();
                    match stated.is_some_and(less) {
                        true => self.found.withheld += 1,
                        false => self.waiting.push((who, about, view, heard)),
                    }
                }
            }
        }
        Ok(())
    }

    /// Which of the groups a member knows by this name.
    fn named(&mut self, via: usize, who: usize, view: &LogView) -> Result<Option<usize>> {
        let to = self.id(via, who)?;
        for about in 0..self.groups.len() {
            let id = self.id(about, who)?;
            if self.run(about, who, |cx| Group::tag_in(&id, &to, cx))? == view.tag {
                return Ok(Some(about));
            }
        }
        Ok(None)
    }

    fn id(&mut self, group: usize, who: usize) -> Result<GroupId> {
        self.world(group, who)?.device(who)?.disk.group.ok_or_else(nowhere)
    }

    fn run<T>(
        &mut self,
        group: usize,
        who: usize,
        run: impl FnOnce(&Context) -> conclave_protocol::Result<T>,
    ) -> Result<T> {
        let world = self.world(group, who)?;
        let now = Timestamp(crate::simulator::START + world.now());
        let disk = &mut world.device(who)?.disk;
        // Nothing is drawn.
        let mut rng = ChaCha20Rng::seed_from_u64(0);
        Ok(run(&Context { vault: &mut disk.vault, rng: &mut rng, now })?)
    }
}

fn nowhere() -> LabError {
    LabError::unexpected("no such group or member")
}

/// What so many talks came to, from the first seed on: of an honest relay, and of one that forks the first group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Talks.
    pub runs: u64,
    /// What was found in all of those with an honest relay: nothing but agreement, if it is right.
    pub honest: Found,
    /// Talks after a fork in which it was found.
    pub caught: u64,
    /// Forks found in the talk after that one: before, nothing had crossed.
    pub later: u64,
    /// Talks after a fork.
    pub forked: u64,
}

/// Honest talks, and one in `every` forked as well.
pub fn tally(first: u64, runs: u64, every: u64) -> Result<Tally> {
    let fresh = Circle::new(3, Scheme::SenderKeys)?;
    let mut tally = Tally { runs, ..Tally::default() };
    for seed in first..first + runs {
        let mut circle = fresh.clone();
        circle.talk(seed)?;
        let Found { compared, forks, withheld } = circle.found;
        tally.honest.compared += compared;
        tally.honest.forks += forks;
        tally.honest.withheld += withheld;
        if (seed - first).is_multiple_of(every) {
            circle.fork()?;
            circle.talk(seed)?;
            let is_found = |circle: &Circle| circle.found.forks + circle.found.withheld > forks + withheld;
            tally.forked += 1;
            match is_found(&circle) {
                true => tally.caught += 1,
                false => {
                    circle.talk(seed + 1)?;
                    tally.later += u64::from(is_found(&circle));
                }
            }
        }
        if (seed - first).is_multiple_of(100) {
            let whole = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
            crate::measure::progress("talks", whole(seed - first), whole(runs));
        }
    }
    Ok(tally)
}

/// In words.
pub fn report(tally: &Tally) -> String {
    let Tally { runs, honest, caught, later, forked } = tally;
    format!(
        "{runs} talks of {MEMBERS} people in 3 groups, one in five requests and answers lost, all late by up to nine seconds:\n\
         {} views compared, {} forks and {} entries kept back told with an honest relay\n\
         {caught} of {forked} forks of one group found within five minutes of the same talk, {later} in the five minutes after\n",
        honest.compared, honest.forks, honest.withheld
    )
}
