//! How a client's connection to the API server lives through a cut: when the client closes it, and when, after the repair, its
//! requests are answered and its watches are current again.
//!
//! **Modeled**: segments that were lost are sent again after waits that double, from the first unacknowledged one of each
//! direction on; a client that hears nothing pings and closes the connection, a kubelet up to 1.23 at its second failed
//! heartbeat; every watch then dials on its own, with SYNs that are sent again, a time limit and a back-off; one connection that
//! stands serves all requests that wait, and a watch that sleeps in its back-off lists when that ends.
//! **Left out**: congestion windows (a long queue took up to 7 s longer in one run of four that was measured), keep-alives of
//! TCP, several connections of one client, loss of a part of the packets.
//! **Parameters**: `api_*`, `heartbeat_*`, `kubelet_watches`, `service_proxy_watches`, `syn_*`, `retransmit_*`.
//! **Validated by**: the tests below and `tests/world/repairs.rs`, against the rows in the folder validation.

use smallvec::SmallVec;

use crate::kernel::{Distribution, SimDuration, SimTime, Stream};

use super::params::NetworkParams;

/// The rules by which one client lives with its connections.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// It pings when it has heard nothing for this long.
    pub read_idle: SimDuration,
    /// And closes the connection when the ping is not answered within this.
    pub ping_timeout: SimDuration,
    /// A dial ends after this.
    pub dial_timeout: SimDuration,
    /// First back-off of a watch that cannot be opened; it doubles, and each lasts up to twice as long.
    pub backoff_initial: SimDuration,
    /// Longest such back-off before it is stretched.
    pub backoff_max: SimDuration,
    /// Between two dials of one call, if it streams its lists; zero if it lists, and backs off after each dial.
    pub watch_list_redial: SimDuration,
    /// Watches that dial, each on its own.
    pub watches: u32,
    /// Leader election locks that it reads or renews, and the time between two such requests of one lock.
    pub locks: (u32, Distribution),
    /// Heartbeats of a kubelet.
    pub heartbeats: Option<Heartbeats>,
}

/// How a kubelet renews its lease while that fails.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeats {
    /// Time limit of one.
    pub timeout: SimDuration,
    /// Whether the kubelet closes all its connections at the second failure.
    pub failures_close_connections: bool,
    /// First wait after a failure; it doubles, and each lasts up to twice as long.
    pub backoff_initial: SimDuration,
    /// Longest such wait before it is stretched.
    pub backoff_max: SimDuration,
}

/// One attempt to connect: the SYN at its begin, and those sent again until it ends.
#[derive(Clone, Copy, Debug)]
pub struct Dial {
    /// When its first SYN leaves.
    pub begins: SimTime,
    /// When it fails if none is answered.
    pub ends: SimTime,
    /// The API server that it is sent to.
    pub server: u32,
}

/// Which API server a new connection goes to: each with equal chance, as a service proxy or a load balancer chooses.
#[derive(Debug)]
pub struct Choice {
    /// All API servers.
    pub servers: u32,
    /// Those that get no new connection from a time on.
    pub withdrawn: Vec<(u32, SimTime)>,
    /// Draws one per connection.
    pub draws: Stream,
}

impl Choice {
    /// The server of the next connection, which is dialled at a time.
    pub fn next(&mut self, at: SimTime) -> u32 {
        let is_out = |server: u32| self.withdrawn.iter().any(|(out, from)| *out == server && *from <= at);
        let offered: SmallVec<[u32; 8]> = (0..self.servers).filter(|server| !is_out(*server)).collect();
        match (offered.len(), self.servers) {
            (_, 1) => 0,
            (0, servers) => self.draws.below(u64::from(servers)) as u32,
            (1, _) => offered[0],
            (some, _) => offered[self.draws.below(some as u64) as usize],
        }
    }
}

impl Dial {
    /// When it connects, if packets pass from `repaired` on: at its first SYN then.
    #[must_use]
    pub fn connects(&self, repaired: SimTime, network: &NetworkParams) -> Option<SimTime> {
        let mut wait = SimDuration::ZERO;
        let mut syns = (0..=network.syn_retransmits.min(20)).map(|sent| {
            let at = self.begins + wait;
            wait += network.syn_retransmit_initial * (1 << sent);
            at
        });
        syns.find(|&at| at >= repaired).filter(|&at| at <= self.ends)
    }
}

/// The dials of one watch, or of one heartbeat, while none succeeds.
#[derive(Debug)]
pub struct Dials {
    next: SimTime,
    lasts: SimDuration,
    waits: Waits,
    choice: Choice,
}

/// How long a client waits from a dial that failed to the next one.
#[derive(Debug)]
enum Waits {
    /// The next back-off, before it is stretched, and the longest.
    Backoff(SimDuration, SimDuration, Stream),
    /// A time of this distribution.
    Interval(Distribution, Stream),
}

impl Dials {
    const fn from(begins: SimTime, lasts: SimDuration, waits: Waits, choice: Choice) -> Self {
        Self {
            next: begins,
            lasts,
            waits,
            choice,
        }
    }

    /// Of a watch that dials at once; `lasts` is how long a dial takes to fail.
    #[must_use]
    pub const fn of_watch(
        from: SimTime,
        lasts: SimDuration,
        client: &Client,
        backoffs: Stream,
        choice: Choice,
    ) -> Self {
        let waits = Waits::Backoff(client.backoff_initial, client.backoff_max, backoffs);
        Self::from(from, lasts, waits, choice)
    }

    /// Of heartbeats.
    #[must_use]
    pub const fn of_heartbeats(
        from: SimTime,
        lasts: SimDuration,
        heartbeats: &Heartbeats,
        backoffs: Stream,
        choice: Choice,
    ) -> Self {
        let waits = Waits::Backoff(heartbeats.backoff_initial, heartbeats.backoff_max, backoffs);
        Self::from(from, lasts, waits, choice)
    }

    /// Of a lock that is asked for again and again.
    #[must_use]
    pub const fn of_lock(from: SimTime, lasts: SimDuration, client: &Client, waits: Stream, choice: Choice) -> Self {
        let waits = Waits::Interval(client.locks.1, waits);
        Self::from(from, lasts, waits, choice)
    }

    /// As they are after the first wait: what was open has failed.
    #[must_use]
    pub fn after_wait(mut self) -> Self {
        let wait = self.wait();
        self.next += wait;
        self
    }

    /// As they are if the client streams its lists: a dial that has run into its time limit is made again within the same call.
    #[must_use]
    pub fn in_one_call(mut self, client: &Client) -> Self {
        if client.watch_list_redial > SimDuration::ZERO
            && let Waits::Backoff(.., draws) = self.waits
        {
            self.waits = Waits::Interval(Distribution::Constant(client.watch_list_redial), draws);
        }
        self
    }

    fn wait(&mut self) -> SimDuration {
        match &mut self.waits {
            Waits::Backoff(least, most, backoffs) => {
                let wait = *least + backoffs.up_to(*least);
                *least = (*least * 2).min(*most);
                wait
            }
            Waits::Interval(interval, waits) => waits.duration(interval),
        }
    }
}

impl Iterator for Dials {
    type Item = Dial;

    fn next(&mut self) -> Option<Dial> {
        let begins = self.next;
        let ends = begins + self.lasts;
        // No client dials more often than this, whatever its parameters.
        self.next = (ends + self.wait()).max(begins + SimDuration::from_millis(1));
        let server = self.choice.next(begins);
        Some(Dial { begins, ends, server })
    }
}

/// How long a segment that was sent again so often waits for its next retransmission.
#[must_use]
pub fn retransmission(tries: u32, network: &NetworkParams) -> SimDuration {
    (network.retransmit_initial * (1 << tries.min(20))).min(network.retransmit_max)
}

/// When a segment that was first sent at `first` passes, if packets pass from `repaired` on.
#[must_use]
pub fn passes(first: SimTime, repaired: SimTime, network: &NetworkParams) -> SimTime {
    let (mut at, mut wait) = (first, network.retransmit_initial);
    while at < repaired {
        at += wait;
        wait = (wait * 2).min(network.retransmit_max);
    }
    at
}

/// What is known of a connection when its link works again.
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    /// When its link works again.
    pub repaired: SimTime,
    /// When its client closes it, if it hears nothing before.
    pub closes: SimTime,
    /// When the client first sent something that was lost.
    pub client_sent: SimTime,
    /// When the API server first sent something that was lost, if it did.
    pub server_sent: Option<SimTime>,
}

/// The API servers that no connection reaches, and the network on the way.
#[derive(Clone, Copy, Debug)]
pub struct Reach<'a> {
    /// The servers.
    pub down: &'a [u32],
    /// The network.
    pub network: &'a NetworkParams,
}

/// What becomes of a client after a repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumption {
    /// From when on its requests are answered.
    pub answers: SimTime,
    /// From when on its watches are current.
    pub reads: SimTime,
    /// The API server of its new connection; nothing if it keeps the one that it has.
    pub server: Option<u32>,
}

impl Silence {
    /// What becomes of a connection that its client has not closed when the link works again: nothing if the client closes it all
    /// the same, because nothing passes before.
    #[must_use]
    pub fn survives(&self, network: &NetworkParams) -> Option<Resumption> {
        let asked = passes(self.client_sent, self.repaired, network);
        // What the server sends waits behind what it has sent in vain, if there is such: its window is one segment then.
        let reads = self.server_sent.map(|sent| passes(sent, self.repaired, network));
        (reads.unwrap_or(asked) < self.closes).then_some(Resumption {
            answers: reads.map_or(asked, |reads| reads.max(asked)),
            reads: reads.unwrap_or(self.repaired),
            server: None,
        })
    }

    /// When a client without a connection is served again: `watch` are the dials of the watch that is followed, `others` those of
    /// the client's other watches and heartbeats, `pending` those of requests that wait.
    #[must_use]
    pub fn redials(
        &self,
        mut watch: Dials,
        others: impl Iterator<Item = Dials>,
        pending: impl Iterator<Item = Dial>,
        reach: Reach<'_>,
    ) -> Resumption {
        let from = self.repaired.max(self.closes);
        let connects = |dial: &Dial| {
            let at = dial
                .connects(from, reach.network)
                .filter(|_| !reach.down.contains(&dial.server))?;
            Some((at, dial.server))
        };
        let mut own = Vec::new();
        let alone = loop {
            let dial = watch.next().expect("dials do not end");
            own.push(dial);
            if let Some(connected) = connects(&dial) {
                break connected;
            }
        };
        let others = others.filter_map(|mut dials| dials.find_map(|dial| connects(&dial)));
        let pending = pending.filter_map(|dial| connects(&dial));
        let (answers, server) = others
            .chain(pending)
            .fold(alone, |first, other| if other.0 < first.0 { other } else { first });
        // A dial under way is served by whichever connection stands first; a watch that sleeps lists when it wakes.
        let awake = own.iter().find(|dial| dial.ends >= answers);
        let reads = awake.map_or(alone.0, |dial| dial.begins.max(answers));
        Resumption {
            answers,
            reads,
            server: Some(server),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::purpose::Purpose;
    use crate::kernel::{EntityKey, RunKey};

    const CLIENT: Client = Client {
        read_idle: SimDuration::from_secs(30),
        ping_timeout: SimDuration::from_secs(15),
        dial_timeout: SimDuration::from_secs(30),
        backoff_initial: SimDuration::from_millis(800),
        backoff_max: SimDuration::from_secs(30),
        watch_list_redial: SimDuration::ZERO,
        watches: 12,
        locks: (0, Distribution::Constant(SimDuration::ZERO)),
        heartbeats: None,
    };

    fn network() -> NetworkParams {
        NetworkParams {
            one_way_latency: Distribution::Constant(SimDuration::from_nanos(200_000)),
            syn_retransmit_initial: SimDuration::from_secs(1),
            syn_retransmits: 6,
            retransmit_initial: SimDuration::from_millis(210),
            retransmit_max: SimDuration::from_secs(120),
            repair_reaches_at_once: false,
            dns_latency: Distribution::Constant(SimDuration::ZERO),
            dns_timeout: SimDuration::from_secs(5),
            dns_attempts: 2,
            dns_names_per_dial: 1,
            request_latency: Distribution::Constant(SimDuration::ZERO),
        }
    }

    fn s(seconds: f64) -> SimTime {
        SimTime::ZERO + SimDuration::from_secs_f64(seconds)
    }

    fn silence(repaired_s: f64) -> Silence {
        Silence {
            repaired: s(repaired_s),
            closes: s(44.1),
            client_sent: s(0.9),
            server_sent: Some(s(1.0)),
        }
    }

    fn dials(replication: u64, watch: u64, from: f64) -> Dials {
        let key = RunKey::derive(1, "test", replication);
        let backoffs = key.stream(Purpose::Redial, EntityKey::root("client").child(watch));
        let choice = Choice {
            servers: 3,
            withdrawn: Vec::new(),
            draws: key.stream(Purpose::ApiServerChoice, EntityKey::root("client").child(watch)),
        };
        Dials::of_watch(s(from), CLIENT.dial_timeout, &CLIENT, backoffs, choice).after_wait()
    }

    #[test]
    fn what_was_lost_passes_at_the_next_retransmission() {
        // The rows of the readers that were measured: a Service is made 1 s after the cut.
        for (cut_s, known_s) in [(5.0, 7.5), (10.0, 14.2), (15.0, 27.7), (20.0, 27.7), (25.0, 27.7)] {
            let kept = silence(cut_s).survives(&network()).expect("nothing has been closed");
            assert!((kept.reads.as_secs_f64() - known_s).abs() < 0.05, "{cut_s}: {kept:?}");
            assert!(kept.answers >= kept.reads && kept.answers < s(28.0));
        }
        // The next one lies behind the ping.
        assert_eq!(silence(30.0).survives(&network()), None);
    }

    #[test]
    fn a_segment_after_the_repair_is_not_lost() {
        assert_eq!(passes(s(5.0), s(5.0), &network()), s(5.0));
        let after = |repaired_s: f64| passes(s(0.0), s(repaired_s), &network()).as_secs_f64();
        assert!((after(200.0) - 0.21 * 1_023.0).abs() < 1e-6);
        // Waits grow no longer than the limit of the kernel: 0.21 s x 2^9 is the last that is shorter.
        assert!((after(300.0) - (0.21 * 1_023.0 + 120.0)).abs() < 1e-6);
    }

    #[test]
    fn a_dial_connects_at_its_next_syn_or_not_at_all() {
        let dial = Dial {
            begins: s(100.0),
            ends: s(130.0),
            server: 0,
        };
        for (repaired, at) in [
            (90.0, Some(100.0)),
            (100.5, Some(101.0)),
            (104.0, Some(107.0)),
            (107.5, Some(115.0)),
            (115.5, None),
        ] {
            assert_eq!(dial.connects(s(repaired), &network()), at.map(s), "{repaired}");
        }
        // Waits that no clock can hold are as good as endless.
        let endless = NetworkParams {
            syn_retransmit_initial: SimDuration::from_nanos(u64::MAX / 2),
            syn_retransmits: u32::MAX,
            ..network()
        };
        assert_eq!(dial.connects(s(90.0), &endless), Some(s(100.0)));
        assert_eq!(dial.connects(s(100.5), &endless), None);
    }

    #[test]
    fn one_of_many_dials_serves_all_and_one_alone_waits_longer() {
        let (mut many, mut few) = (0.0, 0.0);
        let runs = 400;
        for replication in 0..runs {
            let silence = silence(80.0);
            let others = (1..12).map(|watch| dials(replication, watch, 44.1));
            let network = network();
            let reach = Reach {
                down: &[],
                network: &network,
            };
            let served = silence.redials(dials(replication, 0, 44.1), others, std::iter::empty(), reach);
            let alone = silence.redials(
                dials(replication, 0, 44.1),
                std::iter::empty(),
                std::iter::empty(),
                reach,
            );
            assert!(served.answers <= alone.answers && served.reads <= alone.reads && served.answers >= s(80.0));
            assert_eq!(alone.answers, alone.reads);
            many += served.answers.since(s(80.0)).as_secs_f64() / f64::from(runs as u32);
            few += alone.answers.since(s(80.0)).as_secs_f64() / f64::from(runs as u32);
        }
        assert!(many < 0.4 && few > 2.0 * many, "{many} {few}");
    }

    #[test]
    fn a_connection_closed_after_the_repair_is_made_anew_at_once() {
        let silence = silence(35.0);
        let network = network();
        let reach = Reach {
            down: &[],
            network: &network,
        };
        let again = silence.redials(dials(1, 0, 44.1), std::iter::empty(), std::iter::empty(), reach);
        let after = again.reads.since(s(44.1)).as_secs_f64();
        assert!((0.8..1.6).contains(&after), "{after}");
    }

    #[test]
    fn a_server_that_is_withdrawn_gets_no_new_connection() {
        let key = RunKey::derive(1, "test", 0);
        let mut choice = Choice {
            servers: 3,
            withdrawn: vec![(1, s(10.0)), (2, s(20.0))],
            draws: key.stream(Purpose::ApiServerChoice, EntityKey::root("client")),
        };
        let mut seen = |at: f64| {
            let mut seen: Vec<u32> = (0..200).map(|_| choice.next(s(at))).collect();
            seen.sort_unstable();
            seen.dedup();
            seen
        };
        assert_eq!(seen(9.9), [0, 1, 2]);
        assert_eq!(seen(10.0), [0, 2]);
        assert_eq!(seen(20.0), [0]);
        choice.withdrawn.push((0, s(0.0)));
        // If all are withdrawn each may be dialled.
        let all: Vec<u32> = (0..200).map(|_| choice.next(s(20.0))).collect();
        assert!((0..3).all(|server| all.contains(&server)));
    }

    #[test]
    fn dials_to_a_server_that_is_down_are_lost() {
        let network = network();
        let (mut many, mut alone) = (0, 0);
        let runs = 300;
        for replication in 0..runs {
            let silence = Silence {
                repaired: s(0.0),
                ..silence(0.0)
            };
            let reach = Reach {
                down: &[1],
                network: &network,
            };
            let others = (1..12).map(|watch| dials(replication, watch, 44.1));
            let served = silence.redials(dials(replication, 0, 44.1), others, std::iter::empty(), reach);
            assert_ne!(served.server, Some(1));
            many += u32::from(served.answers > s(47.0));
            let few = silence.redials(
                dials(replication, 0, 44.1),
                std::iter::empty(),
                std::iter::empty(),
                reach,
            );
            alone += u32::from(few.answers > s(47.0));
        }
        // A third of the first dials goes to the server that is down, but never all of twelve.
        let share = f64::from(alone) / runs as f64;
        assert!(
            many == 0 && (share - 1.0 / 3.0).abs() < 4.0 * libm::sqrt(2.0 / 9.0 / runs as f64),
            "{many} {share}"
        );
    }
}
