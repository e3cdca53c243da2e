//! The run of one seed: the clock, the node's lives, the links, the clients.

use crate::backend::SimBackend;
use crate::check;
use crate::client::{Entry, FIXED, MEMBERS, Outcome, SHARED, SimClient, Work, state_with};
use crate::faults::{Defects, Faults};
use crate::link::{Arrival, Direction, Link};
use crate::runtime::SimRuntime;
use emerge_client::{Event as Told, Kind};
use emerge_engine::{Engine, EngineOptions, Principal};
use emerge_node::{Authenticator, Connection, Node, NodeOptions};
use emerge_proto::class::decode;
use emerge_proto::op::StoreMode;
use emerge_proto::record::{Fetched, MemberCalled, Page};
use emerge_proto::watch::Change;
use emerge_proto::{ClassHash, ClassSource, Error, Language};
use fastrand::Rng;
use futures_util::FutureExt;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

/// Where the virtual clock begins: microseconds since 1970-01-01T00:00:00Z.
const EPOCH: u64 = 1_800_000_000_000_000;
/// Virtual time after which unfinished work counts as hanging.
const PATIENCE: u64 = 3_600_000_000;
/// Events after which a run counts as running in circles.
const MAX_EVENTS: u64 = 2_000_000;

enum Event {
    Open(u64),
    ToNode(u64, Arrival),
    ToClient(u64, Arrival),
    /// The client learns that a connection has ended.
    ClientEnd(u64),
    NodeTimer(u64),
    /// The node learns that a connection has ended.
    NodeEnd(u64),
    ClientTimer(usize),
    CommitDone(u64),
    Restart,
    Act(usize),
}

struct Awake(AtomicBool);

impl Wake for Awake {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// The node's present life.
pub(crate) struct Life {
    number: u64,
    pub(crate) node: Node<SimBackend>,
    committer: Pin<Box<dyn Future<Output = Result<(), Error>>>>,
}

/// The run of one seed.
pub(crate) struct World {
    rng: Rng,
    faults: Faults,
    defects: Defects,
    trace: bool,
    now: u64,
    order: u64,
    events: BTreeMap<(u64, u64), Event>,
    awake: Arc<Awake>,
    pub(crate) disk: SimBackend,
    pub(crate) life: Option<Life>,
    lives: u64,
    links: BTreeMap<u64, Link>,
    next_link: u64,
    pub(crate) clients: Vec<SimClient>,
    pub(crate) class: ClassHash,
}

struct Anyone;

impl Authenticator for Anyone {
    fn authenticate(&self, _: &str) -> Option<Principal> {
        Some(Principal::admin())
    }
}

impl World {
    pub(crate) fn new(seed: u64, defects: Defects, trace: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        let faults = Faults::draw(&mut rng);
        let clients = (0..rng.usize(1..=3))
            .map(|index| {
                let ordered = rng.bool();
                SimClient::new(index, ordered, rng.usize(5..=25), defects, rng.u64(..), EPOCH / 1000)
            })
            .collect();
        Self {
            rng,
            faults,
            defects,
            trace,
            now: EPOCH,
            order: 0,
            events: BTreeMap::new(),
            awake: Arc::new(Awake(AtomicBool::new(true))),
            disk: SimBackend::new(),
            life: None,
            lives: 0,
            links: BTreeMap::new(),
            next_link: 0,
            clients,
            class: ClassHash([0; 16]),
        }
    }

    /// Runs to the end and checks what is left.
    pub(crate) fn run(mut self) -> Result<(), String> {
        if self.trace {
            println!("{:?}", self.faults);
        }
        self.restart().map_err(|error| format!("the store does not open: {error}"))?;
        self.prepare()?;
        for index in 0..self.clients.len() {
            self.drain_client(index);
            self.schedule_act(index);
        }
        let mut events = 0;
        while let Some(((at, _), event)) = self.events.pop_first() {
            self.now = self.now.max(at);
            events += 1;
            if self.clients.iter().all(SimClient::is_idle) && self.life.is_some() {
                break;
            }
            if self.now > EPOCH + PATIENCE || events > MAX_EVENTS {
                let waiting: Vec<_> = self
                    .clients
                    .iter()
                    .flat_map(|client| client.pending.values().filter_map(|at| client.journal.get(*at)))
                    .collect();
                let seconds = (self.now - EPOCH) / 1_000_000;
                return Err(format!("not answered after {events} events and {seconds} s: {waiting:?}"));
            }
            self.handle(event)?;
            self.pump();
        }
        self.settle()?;
        check::check(&self)
    }

    /// Without further faults: all commits end, all sessions say bye.
    fn settle(&mut self) -> Result<(), String> {
        self.faults = Faults {
            blackhole: 0,
            cut: 0,
            close: 0,
            duplicate: 0,
            reorder: 0,
            late: 0,
            node_crash: 0,
            client_crash: 0,
            ..self.faults
        };
        for index in 0..self.clients.len() {
            self.clients[index].closing = true;
            // A link may be dead from an earlier fault, so that the bye would never arrive.
            if let Some(link) = self.clients[index].link {
                self.end_link(link);
                let now = self.millis();
                self.clients[index].session.handle_closed(now);
                self.clients[index].link = None;
            }
            self.drain_client(index);
        }
        self.pump();
        let end = self.now + 120_000_000;
        let mut said = false;
        while let Some(((at, _), event)) = self.events.pop_first() {
            if at > end {
                break;
            }
            self.now = self.now.max(at);
            self.handle(event)?;
            self.pump();
            if !said && self.clients.iter().all(|client| client.session.state() == emerge_client::State::Open)
            {
                said = true;
                for index in 0..self.clients.len() {
                    let now = self.millis();
                    self.clients[index].session.close(now);
                    self.drain_client(index);
                }
                self.pump();
            }
        }
        if said { Ok(()) } else { Err("a session did not open again after the faults ended".into()) }
    }

    fn millis(&self) -> u64 {
        self.now / 1000
    }

    fn at(&mut self, time: u64, event: Event) {
        self.order += 1;
        self.events.insert((time.max(self.now), self.order), event);
    }

    fn after(&mut self, delay: u64, event: Event) {
        self.at(self.now + delay, event);
    }

    fn note(&self, text: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>12} us  {}", self.now - EPOCH, text());
        }
    }

    fn strikes(&mut self, chance: u32) -> bool {
        self.rng.u32(0..1000) < chance
    }

    fn schedule_act(&mut self, index: usize) {
        let delay = self.rng.u64(1..=60_000);
        self.after(delay, Event::Act(index));
    }

    fn restart(&mut self) -> Result<(), Error> {
        self.lives += 1;
        #[cfg_attr(not(feature = "mutations"), allow(unused_mut, reason = "only mutations change it"))]
        // A run has few commits, and some checkpoints must be among them.
        let mut options = EngineOptions { checkpoint: 16, ..EngineOptions::new("sim") };
        #[cfg(feature = "mutations")]
        {
            options.mutations.acknowledge_before_commit = self.defects.acknowledge_before_commit;
            options.mutations.reads_not_validated = self.defects.reads_not_validated;
            options.mutations.watch_gap = self.defects.watch_gap;
            options.mutations.outcome_in_another_commit = self.defects.outcome_in_another_commit;
        }
        let mut opening = Box::pin(Engine::open(self.disk.clone(), options, self.now as i64));
        let engine = loop {
            if let Some(engine) = (&mut opening).now_or_never() {
                break engine?;
            }
            self.disk.finish_commit();
        };
        let mut entropy = [0; 32];
        self.rng.fill(&mut entropy);
        let node = Node::new(
            engine.clone(),
            Arc::new(SimRuntime),
            Arc::new(Anyone),
            NodeOptions::new("sim", entropy),
        );
        let committer = Box::pin(async move { engine.run().await });
        self.life = Some(Life { number: self.lives, node, committer });
        self.awake.0.store(true, Ordering::Release);
        let life = self.lives;
        self.note(|| format!("node life {life}"));
        Ok(())
    }

    /// Makes what the clients find.
    fn prepare(&mut self) -> Result<(), String> {
        let Some(life) = &self.life else { return Err("no node".into()) };
        let mut tx = life.node.engine().begin(Principal::admin(), self.now as i64, 1);
        let class = self.class_source();
        let work = async {
            let class = tx.put_class(class, Vec::new()).await?.hash;
            let empty = state_with(&[]);
            let groups = [("/shared/s", SHARED), ("/fixed/f", FIXED), ("/members/m", MEMBERS)];
            for (prefix, count) in groups {
                for at in 0..count {
                    let path = format!("{prefix}{at}");
                    tx.store(&path.as_str().into(), class, &empty, StoreMode::Create, None, &[]).await?;
                }
            }
            for client in 0..3 {
                tx.mkdir(&format!("/home/c{client}").as_str().into(), false).await?;
            }
            tx.commit(None)
                .await
                .map_err(|error| Error::new(emerge_proto::ErrorCode::Internal, format!("{error:?}")))?;
            Ok::<_, Error>(class)
        };
        let class = work
            .now_or_never()
            .ok_or("preparing waits")?
            .map_err(|error| format!("preparing failed: {error}"))?;
        self.class = class;
        self.pump();
        self.disk.finish_commit();
        self.pump();
        Ok(())
    }

    fn class_source(&self) -> ClassSource {
        ClassSource::new("Tokens", Language::JavaScript, "class Tokens extends EmergeObject {}")
    }

    fn handle(&mut self, event: Event) -> Result<(), String> {
        if self.life.is_some() && self.strikes(self.faults.node_crash) {
            self.crash_node();
        }
        match event {
            Event::Act(index) => self.act(index),
            Event::Open(id) => self.open(id),
            Event::ToNode(id, arrival) => self.arrive_at_node(id, arrival),
            Event::ToClient(id, arrival) => self.arrive_at_client(id, arrival)?,
            Event::ClientEnd(id) => self.client_end(id),
            Event::NodeTimer(id) => self.node_timer(id),
            Event::NodeEnd(id) => {
                if let Some(link) = self.links.get_mut(&id) {
                    link.node = None;
                }
            }
            Event::ClientTimer(index) => {
                let now = self.millis();
                if self.clients[index].session.poll_timeout().is_some_and(|due| due <= now) {
                    self.clients[index].session.handle_timeout(now);
                }
                self.drain_client(index);
            }
            Event::CommitDone(life) => {
                if self.life.as_ref().is_some_and(|present| present.number == life) {
                    self.disk.finish_commit();
                }
            }
            Event::Restart => {
                self.restart().map_err(|error| format!("the store does not open again: {error}"))?
            }
        }
        Ok(())
    }

    fn act(&mut self, index: usize) {
        if self.strikes(self.faults.client_crash) {
            self.note(|| format!("client {index} dies"));
            if let Some(link) = self.clients[index].link.take() {
                self.end_link(link);
            }
            let (seed, now) = (self.rng.u64(..), self.millis());
            self.clients[index].reborn(self.defects, seed, now);
        }
        let now = self.millis();
        // Several requests in one turn share a message.
        for _ in 0..self.rng.usize(1..=4) {
            self.clients[index].act(self.class, &mut self.rng, now);
        }
        self.drain_client(index);
        if self.clients[index].left > 0 {
            self.schedule_act(index);
        }
    }

    fn open(&mut self, id: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let client = &mut self.clients[link.client];
        if client.life != link.life || client.link != Some(id) {
            return;
        }
        match &self.life {
            Some(life) => {
                link.node = Some(Connection::new(life.node.clone(), self.now as i64));
                link.client_open = true;
                client.session.handle_open(self.now / 1000);
                let index = link.client;
                self.drain_client(index);
            }
            None => self.client_end(id),
        }
    }

    fn arrive_at_node(&mut self, id: u64, arrival: Arrival) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(connection) = &mut link.node else { return };
        connection.handle_message(&arrival.bytes, self.now as i64);
        if arrival.last {
            // What the node would still answer is lost with the connection.
            link.node = None;
            self.after(1, Event::ClientEnd(id));
        }
        self.awake.0.store(true, Ordering::Release);
    }

    fn arrive_at_client(&mut self, id: u64, arrival: Arrival) -> Result<(), String> {
        let Some(link) = self.links.get(&id) else { return Ok(()) };
        let (index, life) = (link.client, link.life);
        if !link.client_open || self.clients[index].life != life || self.clients[index].link != Some(id) {
            return Ok(());
        }
        let now = self.millis();
        self.clients[index].session.handle_message(&arrival.bytes, now);
        self.take_events(index, &arrival.bytes)?;
        if arrival.last {
            self.client_end(id);
        } else {
            self.drain_client(index);
        }
        Ok(())
    }

    /// The client notices that its connection is gone.
    fn client_end(&mut self, id: u64) {
        let Some(link) = self.links.get(&id) else { return };
        let (index, life) = (link.client, link.life);
        self.end_link(id);
        let now = self.millis();
        let client = &mut self.clients[index];
        if client.life == life && client.link == Some(id) {
            client.link = None;
            client.session.handle_closed(now);
            self.drain_client(index);
        }
    }

    /// The client's end closes; the node's end may live on for a while, as may messages under way.
    fn end_link(&mut self, id: u64) {
        let late = self.strikes(self.faults.late);
        if let Some(link) = self.links.get_mut(&id) {
            link.client_open = false;
            if !late {
                link.node = None;
            }
        }
    }

    /// The client closes its connection: what it sent before still arrives.
    fn disconnect(&mut self, index: usize) {
        let Some(id) = self.clients[index].link.take() else { return };
        if let Some(link) = self.links.get_mut(&id) {
            link.client_open = false;
            let at = link.up.last_arrival() + 1;
            self.at(at, Event::NodeEnd(id));
        }
    }

    fn node_timer(&mut self, id: u64) {
        if let Some(connection) = self.links.get_mut(&id).and_then(|link| link.node.as_mut())
            && connection.poll_timeout().is_some_and(|due| due <= self.now as i64)
        {
            connection.handle_timeout(self.now as i64);
            self.awake.0.store(true, Ordering::Release);
        }
    }

    fn crash_node(&mut self) {
        self.note(|| "the node is killed".into());
        self.life = None;
        let done = self.rng.bool();
        self.disk.crash(done);
        let ids: Vec<u64> = self.links.keys().copied().collect();
        for id in ids {
            let silent = self.rng.bool();
            if let Some(link) = self.links.get_mut(&id)
                && link.node.take().is_some()
                && !silent
            {
                let delay = self.rng.u64(1..=self.faults.delay);
                self.after(delay, Event::ClientEnd(id));
            }
        }
        let delay = self.rng.u64(1..=5_000_000);
        self.after(delay, Event::Restart);
    }

    /// Polls all that is awake until all sleep.
    fn pump(&mut self) {
        let waker = Waker::from(self.awake.clone());
        let mut cx = Context::from_waker(&waker);
        while self.awake.0.swap(false, Ordering::AcqRel) {
            let Some(life) = &mut self.life else { return };
            // The committer runs as long as the node lives; what it fails with, the gate tells those who wait.
            let _ = life.committer.as_mut().poll(&mut cx);
            let number = life.number;
            let mut sent = Vec::new();
            let mut timers = Vec::new();
            for (id, link) in &mut self.links {
                let Some(connection) = &mut link.node else { continue };
                while connection.poll(&mut cx, self.now as i64).is_ready()
                    && let Some(message) = connection.poll_transmit()
                {
                    sent.push((*id, message));
                }
                if connection.is_closed() {
                    link.node = None;
                } else if let Some(due) = connection.poll_timeout() {
                    timers.push((*id, due as u64));
                }
            }
            for (id, message) in sent {
                self.send_down(id, message);
            }
            for (id, due) in timers {
                self.at(due, Event::NodeTimer(id));
            }
            if self.disk.is_committing() {
                let delay = self.rng.u64(1..=self.faults.commit_delay);
                self.after(delay, Event::CommitDone(number));
            }
        }
    }

    fn send_down(&mut self, id: u64, message: Vec<u8>) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let ordered = self.clients[link.client].ordered || !std::mem::replace(&mut link.greeted, true);
        for arrival in link.down.send(message, self.now, &self.faults, ordered, &mut self.rng) {
            self.at(arrival.at, Event::ToClient(id, arrival));
        }
    }

    /// Takes what a session wants to say and to know.
    fn drain_client(&mut self, index: usize) {
        loop {
            let mut quiet = true;
            while let Some(message) = self.clients[index].session.poll_transmit() {
                quiet = false;
                self.send_up(index, message);
            }
            while let Some(event) = self.clients[index].session.poll_event() {
                quiet = false;
                match event {
                    Told::Connect => self.connect(index),
                    Told::Disconnect => self.disconnect(index),
                    Told::State(state, why) => {
                        self.note(|| format!("client {index} is {} {why:?}", state.as_str()))
                    }
                    Told::Failed(seq, error) => self.failed(index, seq, *error),
                    Told::Delivery(_) => {}
                }
            }
            if quiet {
                break;
            }
        }
        if let Some(due) = self.clients[index].session.poll_timeout() {
            self.at(due * 1000, Event::ClientTimer(index));
        }
    }

    fn connect(&mut self, index: usize) {
        let id = self.next_link;
        self.next_link += 1;
        let client = &mut self.clients[index];
        client.link = Some(id);
        let link = Link {
            client: index,
            life: client.life,
            node: None,
            client_open: false,
            up: Direction::default(),
            down: Direction::default(),
            greeted: false,
        };
        self.links.insert(id, link);
        let delay = self.rng.u64(1..=self.faults.delay);
        self.after(delay, Event::Open(id));
    }

    fn send_up(&mut self, index: usize, message: Vec<u8>) {
        let Some(id) = self.clients[index].link else { return };
        let Some(link) = self.links.get_mut(&id) else { return };
        // A hello is alone in its message, and the transport begins with it.
        let ordered = self.clients[index].ordered || !link.greeted;
        for arrival in link.up.send(message, self.now, &self.faults, ordered, &mut self.rng) {
            self.at(arrival.at, Event::ToNode(id, arrival));
        }
    }

    /// Takes what the message that was just handed in brought.
    fn take_events(&mut self, index: usize, message: &[u8]) -> Result<(), String> {
        while let Some(event) = self.clients[index].session.poll_event() {
            match event {
                Told::Delivery(place) => {
                    let (offset, length) = (place.offset as usize, place.length as usize);
                    let bytes = message
                        .get(offset..offset + length)
                        .ok_or("a delivery lies outside of its message")?;
                    self.deliver(index, place.seq, place.kind, bytes)?;
                }
                Told::Failed(seq, error) => self.failed(index, seq, *error),
                Told::Connect => self.connect(index),
                Told::Disconnect => self.disconnect(index),
                Told::State(state, why) => {
                    self.note(|| format!("client {index} is {} {why:?}", state.as_str()))
                }
            }
        }
        Ok(())
    }

    fn failed(&mut self, index: usize, seq: u64, error: Error) {
        let now = self.now / 1000;
        let client = &mut self.clients[index];
        if let Some(at) = client.pending.remove(&seq) {
            if matches!(client.journal[at].work, Work::Transact { .. }) {
                // A refusal cannot be unreadable.
                let _ = client.transact(at, Err(error), now);
                return;
            }
            let unknown = error.effect == Some(emerge_proto::error::Effect::Unknown);
            client.journal[at].outcome = if unknown { Outcome::Unknown } else { Outcome::Refused(error) };
        }
    }

    fn deliver(&mut self, index: usize, seq: u64, kind: Kind, bytes: &[u8]) -> Result<(), String> {
        let now = self.now / 1000;
        let client = &mut self.clients[index];
        let Some(&at) = client.pending.get(&seq) else {
            return if kind == Kind::Push {
                Ok(())
            } else {
                Err(format!("an answer to request {seq}, which has one already"))
            };
        };
        if matches!(client.journal[at].work, Work::Transact { .. }) && kind != Kind::Push {
            client.pending.remove(&seq);
            let answer = if kind == Kind::Error {
                Err(decode(bytes).map_err(|error| error.to_string())?)
            } else {
                Ok(bytes)
            };
            return client.transact(at, answer, now);
        }
        let entry: &mut Entry = &mut client.journal[at];
        let wrong = |error: Error| format!("the answer to {:?} cannot be read: {error}", entry.work);
        match kind {
            Kind::Push => {}
            Kind::Item => {
                match &entry.work {
                    Work::List { .. } => {
                        let page: Page = decode(bytes).map_err(wrong)?;
                        entry.items.extend(page.members.into_iter().map(|member| member.name));
                    }
                    Work::Watch => {
                        let change: Change = decode(bytes).map_err(wrong)?;
                        if let Some(version) = change.version {
                            entry.items.push(format!("{} {version} {}", change.path, change.token));
                        }
                    }
                    Work::AddToAll { .. } => {
                        let member: MemberCalled = decode(bytes).map_err(wrong)?;
                        if let Some(error) = member.error {
                            return Err(format!("a member's call failed: {error}"));
                        }
                        entry.items.push(member.name);
                    }
                    other => return Err(format!("{other:?} is no stream and gave an item")),
                }
                // Every item is paid for with one more.
                client.session.credit(seq, 1).map_err(|error| format!("credit was refused: {error}"))?;
            }
            Kind::Value | Kind::End => {
                if let Work::Read { path } = &entry.work {
                    let fetched: Fetched = decode(bytes).map_err(wrong)?;
                    let tokens = crate::client::tokens_of(&fetched.state);
                    if !path.ends_with(tokens.first().map_or("-", String::as_str)) {
                        return Err(format!("{path} was acknowledged and reads {tokens:?}"));
                    }
                }
                entry.outcome = Outcome::Done;
                client.pending.remove(&seq);
            }
            Kind::Error => {
                let error: Error = decode(bytes).map_err(wrong)?;
                let unknown = error.effect == Some(emerge_proto::error::Effect::Unknown);
                entry.outcome = if unknown { Outcome::Unknown } else { Outcome::Refused(error) };
                client.pending.remove(&seq);
            }
        }
        Ok(())
    }
}
