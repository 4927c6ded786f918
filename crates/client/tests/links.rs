//! Links, handed from person to person: into a contact list, into a group, within one relay and across two.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::*;
use conclave_client::{Client, ClientError, Delivery, Event, InviteOptions, Scheme, read_link};

async fn joins(who: &Client, link: &str) {
    let (_, delivery) = who.join(link, PATIENCE).await.unwrap();
    assert_eq!(delivery, Delivery::Sent);
}

fn turned_away(events: &[Event]) -> Option<&str> {
    events.iter().find_map(|event| match event {
        Event::TurnedAway { why, .. } => Some(why.as_str()),
        _ => None,
    })
}

#[tokio::test]
async fn a_link_makes_a_contact_on_both_sides() {
    let stage = Stage::open().await;
    let (mike, sean) = (stage.person("mike").await, stage.person("sean").await);
    let link = mike.invite(None, InviteOptions::default()).await.unwrap();
    let door = read_link(&link).unwrap();
    assert_eq!(door.handle, format!("mike@{}", stage.addr));
    assert!(door.relay.starts_with(&stage.url()), "{}", door.relay);
    joins(&sean, &link).await;
    sync(&mike).await;
    say(&mike, "sean", "so you came").await;
    assert_eq!(texts(&sean, "mike").await, ["so you came"]);
    assert_eq!(mike.join(&link, PATIENCE).await.err(), Some(ClientError::Yourself));
}

#[tokio::test]
async fn a_link_leads_into_a_group_across_relays_and_is_good_once() {
    let (here, there) = (Stage::open().await, Stage::open().await);
    let (mike, dave, eve) =
        (here.person("mike").await, there.person("dave").await, there.person("eve").await);
    mike.new_group("Trip", Scheme::SenderKeys).await.unwrap();
    let link = mike.invite(Some("Trip"), InviteOptions::default()).await.unwrap();
    joins(&dave, &link).await;
    sync(&mike).await;
    say(&mike, "Trip", "welcome").await;
    assert_eq!(texts(&dave, "Trip").await, ["welcome"]);
    say(&dave, "Trip", "thanks").await;
    assert_eq!(texts(&mike, "Trip").await, ["welcome", "thanks"]);

    // Used up: eve is told so. dave may bring it again, to no effect.
    joins(&eve, &link).await;
    joins(&dave, &link).await;
    sync(&mike).await;
    let events = sync(&eve).await;
    assert!(turned_away(&events).is_some_and(|why| why.contains("used")), "{events:?}");
    assert_eq!(turned_away(&sync(&dave).await), None);
    assert_eq!(mike.group_info("Trip").await.unwrap().members.len(), 2);
}

#[tokio::test]
async fn a_link_that_asks_waits_for_the_persons_word() {
    let stage = Stage::open().await;
    let [mike, sean, eve] =
        [stage.person("mike").await, stage.person("sean").await, stage.person("eve").await];
    mike.new_group("Trip", Scheme::Pairwise).await.unwrap();
    let options = InviteOptions { uses: 5, asks: true, ..InviteOptions::default() };
    let link = mike.invite(Some("Trip"), options).await.unwrap();
    joins(&sean, &link).await;
    joins(&eve, &link).await;
    sync(&mike).await;
    let requests = mike.requests().await.unwrap();
    assert_eq!(requests.iter().map(|one| &*one.name).collect::<Vec<_>>(), ["Trip", "Trip"]);
    assert_eq!(mike.group_info("Trip").await.unwrap().members.len(), 1);
    mike.accept("sean").await.unwrap();
    mike.decline("eve").await.unwrap();
    sync(&mike).await;
    say(&mike, "Trip", "welcome").await;
    assert_eq!(texts(&sean, "Trip").await, ["welcome"]);
    let events = sync(&eve).await;
    assert!(turned_away(&events).is_some_and(|why| why.contains("no")), "{events:?}");
}

#[tokio::test]
async fn links_that_were_taken_back_cut_altered_or_lead_to_another_relay_are_refused_by_name() {
    let (here, there) = (Stage::open().await, Stage::open().await);
    let [mike, sean] = [here.person("mike").await, here.person("sean").await];
    let link = mike.invite(None, InviteOptions::default()).await.unwrap();
    for bad in ["", "conclave:", "hello", &link[..link.len() - 3], &link.replace("conclave:", "conclave:A")] {
        assert_eq!(sean.join(bad, PATIENCE).await.err().unwrap().code(), "bad_link", "{bad}");
        assert!(read_link(bad).is_err());
    }
    let middle = link.len() - 40;
    let other = if link.as_bytes()[middle] == b'x' { "y" } else { "x" };
    let altered = format!("{}{other}{}", &link[..middle], &link[middle + 1..]);
    assert_eq!(sean.join(&altered, PATIENCE).await.err().unwrap().code(), "bad_link");
    mike.revoke_link(&link).await.unwrap();
    assert_eq!(sean.revoke_link(&link).await.err().unwrap().code(), "bad_link");
    joins(&sean, &link).await;
    sync(&mike).await;
    assert!(turned_away(&sync(&sean).await).is_some());

    // Another relay has taken over the address that the link names.
    let fresh = mike.invite(None, InviteOptions::default()).await.unwrap();
    let dave = there.person("dave").await;
    drop((mike, sean));
    let (mut here, addr) = (here, there.addr);
    here.stop_relay().await;
    let config = conclave_relay::Config { listen: here.addr, ..conclave_relay::Config::default() };
    let impostor = conclave_relay::serve(config).await.unwrap();
    assert_eq!(dave.join(&fresh, PATIENCE).await.err(), Some(ClientError::RelayChanged));
    impostor.shutdown().await.unwrap();
    assert_ne!(addr, here.addr);
}
