//! What came of it, as tables: in all, and phase by phase.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use crate::traffic::{Outcome, PERIOD, Run, Sample};
use crate::upstream::{Call, End, KNOWN, Mood, Phase, Script};

pub(crate) struct Report {
    pub(crate) script: Arc<Script>,
    pub(crate) runs: Vec<Run>,
}

impl Report {
    pub(crate) fn print_totals(&self) {
        println!(
            "\n{:<28}{:>9}{:>8}{:>9}{:>9}{:>9}{:>8}{:>8}{:>8}{:>9}",
            "", "requests", "p50, ms", "p99, ms", "waited", "failed", "stale", "oldest", "calls", "for 404"
        );
        for run in &self.runs {
            let samples: Vec<&Sample> = run.samples.iter().collect();
            println!(
                "{:<28}{:>9}{:>8.3}{:>9.1}{:>9}{:>9}{:>8}{:>6.2} s{:>8}{:>9}",
                run.variant.name,
                samples.len(),
                quantile(&samples, 0.5),
                quantile(&samples, 0.99),
                percent(share(&samples, |sample| sample.waited)),
                percent(share(&samples, Sample::has_failed)),
                run.stats.stale,
                run.oldest().as_secs_f64(),
                run.calls.len(),
                run.calls_for_nothing(),
            );
        }
        println!(
            "\nOf requests for items that exist. waited: had no answer at once. failed: got no item. stale: answers past their \
             TTL.\noldest: the age of the oldest answer. calls: of the service, and how many of them for items that do not exist."
        );
    }

    pub(crate) fn print_phases(&self) {
        let mut header = format!("\n{:<28}", "99 % within, ms | failed");
        for Phase { mood, from, until } in &self.script.phases {
            let span = format!("{} {:.0}-{:.0} s", mood.name(), from.as_secs_f64(), until.as_secs_f64());
            let _ = write!(header, "{span:>15}");
        }
        println!("{header}");
        for run in &self.runs {
            let mut line = format!("{:<28}", run.variant.name);
            for phase in &self.script.phases {
                let samples = run.within(*phase);
                let failed = percent(share(&samples, Sample::has_failed));
                let cell = match samples[..] {
                    [] => "-".to_owned(),
                    _ => format!("{:.0} | {failed}", quantile(&samples, 0.99)),
                };
                let _ = write!(line, "{cell:>15}");
            }
            println!("{line}");
        }
    }

    /// By how much the latest of all requests was sent too late.
    pub(crate) fn late(&self) -> Duration {
        self.runs.iter().map(|run| run.late).max().unwrap_or_default()
    }

    /// The run of the variant of this name.
    pub(crate) fn run(&self, name: &str) -> &Run {
        let run = self.runs.iter().find(|run| run.variant.name == name);
        run.unwrap_or_else(|| panic!("no variant is called {name}"))
    }

    /// The first phase of this kind.
    pub(crate) fn phase(&self, mood: Mood) -> Phase {
        let phase = self.script.phases.iter().find(|phase| phase.mood == mood);
        *phase.expect("the script has all moods")
    }

    /// All of this kind.
    pub(crate) fn phases(&self, mood: Mood) -> impl Iterator<Item = Phase> {
        let phases = self.script.phases.iter().copied();
        phases.filter(move |phase| phase.mood == mood)
    }
}

impl Run {
    pub(crate) fn within(&self, phase: Phase) -> Vec<&Sample> {
        let is_within = |sample: &&Sample| (phase.from..phase.until).contains(&sample.at);
        self.samples.iter().filter(is_within).collect()
    }

    pub(crate) fn failed(&self) -> usize {
        self.samples.iter().filter(|sample| sample.has_failed()).count()
    }

    pub(crate) fn failed_in(&self, phase: Phase) -> usize {
        self.within(phase).iter().filter(|sample| sample.has_failed()).count()
    }

    pub(crate) fn waited_in(&self, phase: Phase) -> usize {
        self.within(phase).iter().filter(|sample| sample.waited).count()
    }

    pub(crate) fn came_to(&self, outcome: Outcome) -> usize {
        self.samples.iter().filter(|sample| sample.outcome == outcome).count()
    }

    /// How long nearly all had to wait at most, in milliseconds.
    pub(crate) fn nearly_all_within(&self, phase: Phase) -> f64 {
        quantile(&self.within(phase), 0.99)
    }

    pub(crate) fn oldest(&self) -> Duration {
        let age = |sample: &Sample| match sample.outcome {
            Outcome::Item(age) => age,
            _ => Duration::ZERO,
        };
        self.samples.iter().map(age).max().unwrap_or_default()
    }

    pub(crate) fn calls_for_nothing(&self) -> usize {
        self.calls.iter().filter(|call| call.id >= KNOWN).count()
    }

    pub(crate) fn loads_of(&self, id: u32) -> usize {
        let is_one = |call: &&Call| call.id == id && call.end == Some(End::Well);
        self.calls.iter().filter(is_one).count()
    }

    /// Calls for items, as all that follows.
    pub(crate) fn loads(&self) -> usize {
        self.calls.len() - self.calls_for_nothing()
    }

    pub(crate) fn abandoned(&self) -> usize {
        let is_one = |call: &&Call| call.id < KNOWN && call.end == Some(End::Abandoned);
        self.calls.iter().filter(is_one).count()
    }

    /// How often something can have begun that keeps itself away for so long.
    pub(crate) fn at_most(&self, apart: Duration) -> usize {
        let last = self.calls.iter().map(|call| call.at).max().unwrap_or_default();
        1 + (last.as_nanos() / apart.as_nanos()) as usize
    }

    /// Most loads that began while each was asked for once, from one time to another.
    pub(crate) fn burst(&self, from: Duration, until: Duration) -> usize {
        let calls = self
            .calls
            .iter()
            .filter(|call| call.id < KNOWN && (from..until).contains(&call.at));
        let times: Vec<Duration> = calls.map(|call| call.at).collect();
        let together = |first: &Duration| {
            let round = *first..*first + PERIOD;
            times.iter().filter(|at| round.contains(at)).count()
        };
        times.iter().map(together).max().unwrap_or(0)
    }
}

/// How long a share of them took at most, in milliseconds.
pub(crate) fn quantile(samples: &[&Sample], quantile: f64) -> f64 {
    let mut times: Vec<Duration> = samples.iter().map(|sample| sample.took).collect();
    times.sort_unstable();
    let number = (times.len() as f64 * quantile) as usize;
    let time = times.get(number.min(times.len().saturating_sub(1)));
    time.copied().map_or(f64::NAN, milliseconds)
}

pub(crate) fn share(samples: &[&Sample], which: impl Fn(&Sample) -> bool) -> f64 {
    let those = samples.iter().filter(|sample| which(sample)).count();
    those as f64 / samples.len().max(1) as f64
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
