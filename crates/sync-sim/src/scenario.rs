//! What befalls a room: who is in it, what they do and what goes wrong, all from a seed.

mod people;
mod trouble;

use crate::Rng;
use crate::device::{ClockSpec, us};
use crate::link::{LinkSpec, Queue};
use crate::player::Model;
use crate::scheme::UserAct;

/// A kind of room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// Ways that take as long there as back, Chromium, nothing goes wrong.
    Symmetric,
    /// Ways that take up to 100 ms longer in one direction.
    Asymmetric,
    /// Desktop windows on WebKitGTK among browsers.
    Desktop,
    /// Everything goes wrong now and then.
    Rough,
    /// Wall clocks that are slewed by a second a minute and set by hand.
    Clocks,
    /// One viewer's monotonic clock itself is slewed.
    Unstable,
    /// Peers that speak the web spec alone sit among ours.
    Plain,
    /// Up to 50 viewers.
    Crowd,
    /// Somebody sets another speed for everyone, between 0.5 and 2.
    Speed,
    /// One viewer's tab is hidden from the beginning, others' are for a while.
    Hidden,
    /// Some come when the film runs: pages that are hidden, and such as get no data at first, among them.
    Late,
    /// Somebody gets no data for longer than a room waits.
    Starved,
    /// Short films end, one after another.
    Ends,
    /// Ten minutes without anybody touching anything.
    Evening,
}

impl Cell {
    /// All kinds, in the order of tables.
    pub const ALL: [Self; 14] = [
        Self::Symmetric,
        Self::Asymmetric,
        Self::Desktop,
        Self::Rough,
        Self::Clocks,
        Self::Unstable,
        Self::Plain,
        Self::Speed,
        Self::Hidden,
        Self::Late,
        Self::Starved,
        Self::Ends,
        Self::Crowd,
        Self::Evening,
    ];

    /// What tables call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Symmetric => "symmetric",
            Self::Asymmetric => "asymmetric",
            Self::Desktop => "desktop",
            Self::Rough => "rough",
            Self::Clocks => "clocks",
            Self::Unstable => "unstable",
            Self::Plain => "plain",
            Self::Speed => "speed",
            Self::Hidden => "hidden",
            Self::Late => "late",
            Self::Starved => "starved",
            Self::Ends => "ends",
            Self::Crowd => "crowd",
            Self::Evening => "evening",
        }
    }

    /// The kind of room of a seed: of a hundred seeds one is a crowd and one an evening, for those take longest.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        match seed % 100 {
            98 => Self::Crowd,
            99 => Self::Evening,
            n => Self::ALL[usize::try_from(n % 12).unwrap_or(0)],
        }
    }
}

/// A viewer.
#[derive(Clone, Debug)]
pub struct SeatSpec {
    /// Its clocks.
    pub clock: ClockSpec,
    /// Its way to the relay.
    pub link: LinkSpec,
    /// Its player.
    pub model: Model,
    /// How much too fast its sound card runs, in millionths.
    pub card_ppm: f64,
    /// Whether it speaks the web spec alone, where the scheme knows of that.
    pub plain: bool,
    /// Whether its skew counts. Peers that obey on arrival, and those whose monotonic clock lies, are only looked at
    /// for what they do to the others.
    pub counts: bool,
}

/// Something that happens to a room.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Incident {
    /// A connection comes up.
    Connect,
    /// It goes down; the relay notices that many microseconds later.
    Cut(u64),
    /// The main thread is busy for that many microseconds.
    Busy(u64),
    /// The machine sleeps for that many microseconds.
    Suspend(u64),
    /// The tab is hidden, or shown again.
    Hide(bool),
    /// There is no data for that many microseconds.
    Starve(u64),
    /// The way loses everything for that many microseconds; all arrives after that.
    Stall(u64),
    /// The wall clock is set by that many milliseconds.
    StepWall(f64),
    /// The person acts.
    Act(UserAct),
}

/// Everything that a seed means.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The seed.
    pub seed: u64,
    /// The kind of room.
    pub cell: Cell,
    /// Who is in.
    pub seats: Vec<SeatSpec>,
    /// The films, one after another: their lengths in seconds.
    pub films_s: Vec<f64>,
    /// What happens when, in microseconds, and to whom; in the order of time.
    pub script: Vec<(u64, usize, Incident)>,
    /// When it is over.
    pub end_us: u64,
}

impl Scenario {
    /// The room of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::of_cell(seed, Cell::of_seed(seed))
    }

    /// A room of a certain kind.
    #[must_use]
    pub fn of_cell(seed: u64, cell: Cell) -> Self {
        let mut rng = Rng::new(seed, 1);
        let count = match cell {
            Cell::Crowd => 20 + rng.below(31),
            Cell::Evening => 2,
            // Two of whom nothing is wrong, so that there is something to measure.
            Cell::Late | Cell::Starved => 3 + rng.below(3),
            Cell::Symmetric
            | Cell::Asymmetric
            | Cell::Desktop
            | Cell::Rough
            | Cell::Clocks
            | Cell::Unstable
            | Cell::Plain
            | Cell::Speed
            | Cell::Hidden
            | Cell::Ends => 2 + rng.below(4),
        };
        let mut scenario = Self::empty(seed, cell);
        scenario.seats = (0..count).map(|_| seat(cell, &mut rng)).collect();
        scenario.special_seats(&mut rng);
        match cell {
            Cell::Late => scenario.latecomers(&mut rng),
            Cell::Starved => scenario.long_stalls(&mut rng),
            Cell::Ends => scenario.ends_of_films(&mut rng),
            Cell::Symmetric
            | Cell::Asymmetric
            | Cell::Desktop
            | Cell::Rough
            | Cell::Clocks
            | Cell::Unstable
            | Cell::Plain
            | Cell::Speed
            | Cell::Hidden
            | Cell::Crowd
            | Cell::Evening => {
                scenario.people(scenario.seats.len(), &mut rng);
                scenario.troubles(&mut rng);
            }
        }
        scenario.script.sort_by_key(|(at, seat, _)| (*at, *seat));
        scenario
    }

    fn empty(seed: u64, cell: Cell) -> Self {
        Self { seed, cell, seats: Vec::new(), films_s: vec![FILM_S], script: Vec::new(), end_us: 0 }
    }

    /// Makes those of the seats that are what the room is about.
    fn special_seats(&mut self, rng: &mut Rng) {
        let (cell, seats) = (self.cell, &mut self.seats);
        if cell == Cell::Desktop {
            seats[0].model = Model::WebKit;
            seats[1..].iter_mut().filter(|_| rng.percent(30)).for_each(|seat| seat.model = Model::WebKit);
        } else if cell == Cell::Plain || (cell == Cell::Ends && rng.percent(60)) {
            // Two of ours at least, so that there is something to measure.
            seats.push(seat(cell, rng));
            let plain = 1 + rng.below(seats.len() - 2);
            seats.iter_mut().rev().take(plain).for_each(|seat| (seat.plain, seat.counts) = (true, false));
        } else if cell == Cell::Unstable {
            let mut liar = seat(cell, rng);
            (liar.clock.mono_wobble_s, liar.counts) = (rng.between(0.2, 1.0), false);
            seats.push(liar);
        }
    }

    /// A room in which two to six commands cross each other, some of them from plain peers.
    #[must_use]
    pub fn crossing(seed: u64) -> Self {
        let mut rng = Rng::new(seed, 4);
        let cell = Cell::Plain;
        let mut scenario = Self::empty(seed, cell);
        scenario.seats = (0..2 + rng.below(4)).map(|_| seat(cell, &mut rng)).collect();
        let seats = &mut scenario.seats;
        let plain = 1 + rng.below(seats.len() - 1);
        seats.iter_mut().rev().take(plain).for_each(|seat| (seat.plain, seat.counts) = (true, false));
        let count = scenario.seats.len();
        for seat in 0..count {
            scenario.at(rng.between(0.0, 0.5), seat, Incident::Connect);
        }
        scenario.at(1.0, 0, Incident::Act(UserAct::Open(1)));
        let mut at_s = rng.between(5.0, 6.0);
        for _ in 0..2 + rng.below(5) {
            let act = match rng.below(3) {
                0 => UserAct::Play,
                1 => UserAct::Pause,
                _ => UserAct::Seek(rng.between(100.0, 5000.0)),
            };
            scenario.at(at_s, rng.below(count), Incident::Act(act));
            at_s += if rng.percent(50) { rng.between(0.0, 0.05) } else { rng.between(0.0, 0.4) };
        }
        scenario.script.sort_by_key(|(at, seat, _)| (*at, *seat));
        scenario.end_us = us(at_s + 8.0);
        scenario
    }

    /// Whether a room may have waited for someone, so that it is not where its last command alone says.
    #[must_use]
    pub fn starves(&self) -> bool {
        self.script.iter().any(|(.., incident)| matches!(incident, Incident::Starve(_)))
    }

    /// Whether its people want nobody to be waited for.
    #[must_use]
    pub fn never_waits(&self) -> bool {
        self.script.iter().any(|(.., incident)| *incident == Incident::Act(UserAct::NeverWait))
    }

    fn at(&mut self, at_s: f64, seat: usize, incident: Incident) {
        self.script.push((us(at_s), seat, incident));
    }
}

/// A film that nobody sees the end of.
const FILM_S: f64 = 4.0 * 3600.0;
/// What the links of `./dev bench sync` vary by: 15 ms up and down.
const EVEN_MS: f64 = 30.0;

fn seat(cell: Cell, rng: &mut Rng) -> SeatSpec {
    let one_way_ms = rng.between(2.0, 120.0);
    let uneven_ms = if cell == Cell::Asymmetric { rng.around(100.0) } else { 0.0 };
    // Half of those whose ways are the same there and back vary as evenly, and as much, as the links of the real measurement.
    let even = cell == Cell::Symmetric && rng.percent(50);
    let link = LinkSpec {
        up_ms: one_way_ms + uneven_ms.max(0.0),
        down_ms: one_way_ms + (-uneven_ms).max(0.0),
        jitter_ms: if even { EVEN_MS } else { rng.between(0.0, 20.0) },
        queue: if even { Queue::Even } else { Queue::Bursts },
        lost_permille: if cell == Cell::Rough { 5 } else { 0 },
    };
    SeatSpec {
        clock: ClockSpec::random(rng),
        link,
        model: Model::Chromium,
        card_ppm: rng.around(100.0),
        plain: false,
        counts: true,
    }
}
