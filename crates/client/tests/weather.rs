//! Three people under bad weather: connections that end, frames that come twice or late, at random from a seed. Once it
//! clears, all have the same: everything that was said, once, in one order, in one group.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::proxy::{Out, Passing, Proxy};
use common::{PATIENCE, Stage, done, sync};
use conclave_client::{Client, Event, ReadOptions, Scheme};
use conclave_wire::v1::{ServerFrame, server_frame::Body};
use std::collections::VecDeque;
use std::time::Duration;

const ACTIONS: usize = 14;
/// Schedules side by side: they mostly wait.
const AT_ONCE: usize = 5;
const NAMES: [&str; 3] = ["mike", "sean", "steve"];

/// SplitMix64: the same numbers for the same seed.
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// One frame in twenty-five ends its connection; one in six pushes comes twice; one frame in five waits for the next one.
fn weather(mut dice: Dice) -> impl FnMut(Passing, &mut Out) + Send {
    let mut late = VecDeque::new();
    move |passing, out| {
        if matches!(&passing, Passing::ToClient(ServerFrame { body: Some(Body::Hello(_)), .. })) {
            late.clear();
        }
        if dice.below(25) == 0 {
            return out.cut_off();
        }
        let twice = match &passing {
            Passing::ToClient(frame) if frame.id == 0 && dice.below(6) == 0 => Some(frame.clone()),
            _ => None,
        };
        late.push_back(passing);
        if let Some(frame) = twice.filter(|frame| !matches!(frame.body, Some(Body::Hello(_)))) {
            late.push_back(Passing::ToClient(frame));
        }
        // What waits for a frame that does not come waits for the end of a connection: nothing waits alone.
        if late.len() > 1 || dice.below(5) > 0 || matches!(late.front(), Some(Passing::ToRelay(_))) {
            late.drain(..).for_each(|passing| out.pass(passing));
        }
    }
}

async fn play(scheme: Scheme, seed: u64) {
    let stage = Stage::open().await;
    let mut dice = Dice(seed);
    let (mut people, mut proxies) = (Vec::new(), Vec::new());
    for name in NAMES {
        let proxy = Proxy::before(stage.addr).await;
        people.push(stage.person_at(name, &proxy.url()).await);
        proxies.push(proxy);
    }
    for person in &people[1..] {
        person.add_contact("mike").await.unwrap();
    }
    people[0].new_group("Trip", scheme).await.unwrap();
    done(people[0].add("Trip", &NAMES[1..], PATIENCE).await);
    for person in &people {
        sync(person).await;
    }
    for proxy in &proxies {
        let seed = dice.below(u64::MAX);
        proxy.lie(weather(Dice(seed)));
    }
    let mut said = Vec::new();
    for n in 0..ACTIONS {
        let one = dice.below(3) as usize;
        act(&people[one], NAMES[one], n, &mut dice, &mut said).await;
    }
    proxies.iter().for_each(Proxy::be_honest);
    agree(&people, said, seed).await;
}

async fn act(who: &Client, name: &str, n: usize, dice: &mut Dice, said: &mut Vec<String>) {
    let briefly = Duration::from_millis(40 * (1 + dice.below(8)));
    let group = who.groups().await.unwrap().remove(0).id;
    match dice.below(8) {
        0 => drop(who.heal(&group, briefly).await.unwrap()),
        // Only an administrator may.
        1 => drop(who.rename(&group, &format!("Trip {n}"), briefly).await),
        // Whether it gets through now or not.
        2 | 3 => drop(who.sync(briefly).await),
        _ => {
            let text = format!("{name} {n}");
            let ticket = who.send(&group, &text).await.unwrap();
            said.push(text);
            let _ = who.wait(&ticket, briefly).await.unwrap();
        }
    }
}

async fn agree(people: &[Client], mut said: Vec<String>, seed: u64) {
    let mut events = Vec::new();
    // Twice: what somebody still had to say comes to those who were asked before.
    for person in people.iter().chain(people) {
        events.extend(sync(person).await);
    }
    let mut views = Vec::new();
    for person in people {
        let info = person.groups().await.unwrap().remove(0);
        let all = person.read(&info.id, ReadOptions::default()).await.unwrap();
        let texts: Vec<_> = all.into_iter().map(|message| (message.id, message.text)).collect();
        let members: Vec<_> = info.members.into_iter().map(|member| member.person).collect();
        views.push((texts, info.title, info.epoch, members));
    }
    assert!(views.iter().all(|view| *view == views[0]), "seed {seed}: {views:#?}");
    let mut heard: Vec<_> = views[0].0.iter().map(|(_, text)| text.clone()).collect();
    for name in NAMES {
        // Everybody's own words in their own order.
        let own = |texts: &[String]| {
            texts.iter().filter(|text| text.starts_with(name)).cloned().collect::<Vec<_>>()
        };
        assert_eq!(own(&heard), own(&said), "seed {seed}");
    }
    heard.sort();
    said.sort();
    assert_eq!(heard, said, "seed {seed}");
    let blame = |event: &&Event| {
        matches!(
            event,
            Event::RelayFault { .. }
                | Event::Stranded { .. }
                | Event::Ignored { .. }
                | Event::Messages { missing: 1.., .. }
        )
    };
    assert_eq!(events.iter().find(blame), None, "seed {seed}: weather is nobody's fault");
}

async fn seasons(scheme: Scheme, seeds: std::ops::Range<u64>) {
    let seeds: Vec<_> = seeds.collect();
    for some in seeds.chunks(AT_ONCE) {
        futures_util::future::join_all(some.iter().map(|seed| play(scheme, *seed))).await;
    }
}

#[tokio::test]
async fn after_bad_weather_all_agree_pairwise() {
    seasons(Scheme::Pairwise, 0..15).await;
}

#[tokio::test]
async fn after_bad_weather_all_agree_sender_keys() {
    seasons(Scheme::SenderKeys, 15..30).await;
}

#[tokio::test]
async fn after_bad_weather_all_agree_tree() {
    seasons(Scheme::Tree, 30..40).await;
}
