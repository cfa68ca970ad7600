//! What came of a room, and of many.

/// How often values fell where: tenths of a millisecond up to a second, hundredths of a second up to a minute.
#[derive(Clone, Debug)]
pub struct Histogram {
    fine: Vec<u32>,
    coarse: Vec<u32>,
    max_ms: f64,
}

const FINE_MS: f64 = 0.1;
const FINE_BINS: usize = 10_000;
const COARSE_MS: f64 = 10.0;
const COARSE_BINS: usize = 6_000;

impl Default for Histogram {
    fn default() -> Self {
        Self { fine: vec![0; FINE_BINS], coarse: vec![0; COARSE_BINS], max_ms: 0.0 }
    }
}

impl Histogram {
    /// Counts a value in milliseconds, which is not negative.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index, saturating")]
    pub fn add(&mut self, value_ms: f64) {
        let fine = (value_ms / FINE_MS) as usize;
        if fine < FINE_BINS {
            self.fine[fine] += 1;
        } else {
            self.coarse[((value_ms / COARSE_MS) as usize).min(COARSE_BINS - 1)] += 1;
        }
        self.max_ms = self.max_ms.max(value_ms);
    }

    /// How many values there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.fine.iter().chain(&self.coarse).map(|n| u64::from(*n)).sum()
    }

    /// The value in milliseconds that so many of a hundred values do not exceed; nothing where there are none.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        let wanted = self.count() as f64 * percent / 100.0;
        let fine = self.fine.iter().enumerate().map(|(n, count)| ((n + 1) as f64 * FINE_MS, *count));
        let coarse = self.coarse.iter().enumerate().map(|(n, count)| ((n + 1) as f64 * COARSE_MS, *count));
        let mut seen = 0.0;
        fine.chain(coarse)
            .find(|(_, count)| {
                seen += f64::from(*count);
                *count > 0 && seen >= wanted
            })
            .map(|(value, _)| value.min(self.max_ms))
    }

    /// The largest value in milliseconds.
    #[must_use]
    pub fn max_ms(&self) -> f64 {
        self.max_ms
    }

    /// Counts all values of another one.
    pub fn merge(&mut self, other: &Self) {
        self.fine.iter_mut().zip(&other.fine).for_each(|(mine, theirs)| *mine += theirs);
        self.coarse.iter_mut().zip(&other.coarse).for_each(|(mine, theirs)| *mine += theirs);
        self.max_ms = self.max_ms.max(other.max_ms);
    }
}

/// What came of one room, or of many together.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Rooms.
    pub rooms: u32,
    /// True skew of each pair of viewers, 20 times a second while the room plays and nobody of the two is disturbed.
    pub skew: Histogram,
    /// The same beyond what no clock can know: half the difference of the two ways' asymmetries.
    pub beyond: Histogram,
    /// Milliseconds from a person's start until everyone is within 40 ms; 10 s where they were not by then.
    pub start: Histogram,
    /// The same for seeks.
    pub seek: Histogram,
    /// The same from the moment at which a viewer that could not play for itself, as the film was not loaded or had no
    /// data, could; until that viewer is with the others.
    pub landing: Histogram,
    /// Seeks that one landing took after a film was loaded, at the most.
    pub landing_seeks_max: u32,
    /// How long a viewer stood at the most, in milliseconds, to whom nothing happened, in a room that should play.
    pub stood_max_ms: f64,
    /// How often one stood for longer than its room may wait for somebody else.
    pub overstood: u32,
    /// Films that were gone on from, and what went wrong with that.
    pub steps: u32,
    /// A film left too early, left out, or not begun.
    pub missteps: Vec<String>,
    /// Seeks that a player was told, for each person's seek; the most, and all with how many there were to count.
    pub seeks_max: u32,
    /// All of them.
    pub seeks: u32,
    /// Pairs of a person's seek and an undisturbed viewer.
    pub seeks_of: u32,
    /// Seeks, short pauses and changes of rate that nothing from outside caused, while the room played.
    pub stray_seeks: u32,
    /// Pauses among them.
    pub nudges: u32,
    /// Changes of rate among them.
    pub rates: u32,
    /// The time in which those are counted, in seconds, of all viewers together.
    pub watched_s: f64,
    /// How far a rate was from 1 at the most.
    pub rate_off_max: f64,
    /// Corrections to and fro without any cause from outside.
    pub limit_cycles: u32,
    /// Times that a viewer that could play stood for 15 s in a room that should.
    pub deadlocks: u32,
    /// Plays, pauses and seeks that reached the relay so late after a person's last act that it was not meant.
    pub unprompted: u32,
    /// What did not agree in the end.
    pub disagreements: Vec<String>,
}

impl Outcome {
    /// Adds what came of another one.
    pub fn merge(&mut self, other: Self) {
        self.rooms += other.rooms;
        self.skew.merge(&other.skew);
        self.beyond.merge(&other.beyond);
        self.start.merge(&other.start);
        self.seek.merge(&other.seek);
        self.landing.merge(&other.landing);
        self.landing_seeks_max = self.landing_seeks_max.max(other.landing_seeks_max);
        self.stood_max_ms = self.stood_max_ms.max(other.stood_max_ms);
        self.overstood += other.overstood;
        self.steps += other.steps;
        self.missteps.extend(other.missteps);
        self.seeks_max = self.seeks_max.max(other.seeks_max);
        self.seeks += other.seeks;
        self.seeks_of += other.seeks_of;
        self.stray_seeks += other.stray_seeks;
        self.nudges += other.nudges;
        self.rates += other.rates;
        self.watched_s += other.watched_s;
        self.rate_off_max = self.rate_off_max.max(other.rate_off_max);
        self.limit_cycles += other.limit_cycles;
        self.deadlocks += other.deadlocks;
        self.unprompted += other.unprompted;
        self.disagreements.extend(other.disagreements);
    }
}
