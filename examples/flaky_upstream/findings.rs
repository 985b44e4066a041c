//! What each option did, counted and not claimed.
//!
//! Whether a count is as it has to be is asked only of what holds whatever the machine does meanwhile; and of what needs the
//! script to be played, only if the machine did not stand still. How long things took is told and not judged.

use std::time::Duration;

use crate::report::Report;
use crate::traffic::{Outcome, PERIOD, Run};
use crate::upstream::{ASKED_FOR, KNOWN, Mood, Phase, good_for};
use crate::{ERR_TTL, LOAD_TIMEOUT};

/// Requests that are sent later than this are not those of the script.
const STEADY: Duration = Duration::from_millis(250);

pub(crate) struct Finding {
    name: &'static str,
    text: String,
    holds: bool,
}

/// Prints them. Returns whether all is as it has to be.
pub(crate) fn print(report: &Report) -> bool {
    let late = report.late();
    println!("\nrequests were sent at most {} ms too late", late.as_millis());
    let study = Study {
        report,
        plain: report.run("ttl"),
        slow: report.phase(Mood::Slow),
        down: report.phase(Mood::Down),
        steady: late < STEADY,
    };
    if !study.steady {
        println!("that is too late to judge what depends on the time of a request");
    }
    println!("\nwhat each did, counted in this run:\n");
    let findings = study.findings();
    for Finding { name, text, holds } in &findings {
        let holds = if *holds { "" } else { "  << THIS DOES NOT HOLD" };
        println!("{name}{holds}\n    {text}");
    }
    findings.iter().all(|finding| finding.holds)
}

struct Study<'a> {
    report: &'a Report,
    /// The TTL alone, beside which the others are.
    plain: &'a Run,
    slow: Phase,
    down: Phase,
    steady: bool,
}

impl Study<'_> {
    fn findings(&self) -> Vec<Finding> {
        vec![
            self.no_cache(),
            self.ttl(),
            self.stale_while_revalidate(),
            self.stale_if_error(),
            self.refresh_ahead(),
            self.jitter(),
            self.ttl_fn(),
            self.err_ttl(),
            self.soft_timeout(),
            self.load_timeout(),
            self.callers_give_up(),
            self.detached(),
            self.together(),
        ]
    }

    /// `always` has to hold, and `in_time` if the script was played as it stands.
    fn finding(&self, run: &Run, always: bool, in_time: bool, text: String) -> Finding {
        Finding {
            name: run.variant.name,
            holds: always && (in_time || !self.steady),
            text,
        }
    }

    fn no_cache(&self) -> Finding {
        let run = self.report.run("no cache");
        let always = run.calls.len() == run.requests;
        let text = format!("each of {} requests was a call of the service", run.requests);
        self.finding(run, always, true, text)
    }

    fn ttl(&self) -> Finding {
        let run = self.plain;
        let failed = run.failed_in(self.down);
        let text = format!(
            "{} calls in the place of {}; no answer past its TTL. While the service was down, {failed} of {} requests failed",
            run.calls.len(),
            run.requests,
            run.within(self.down).len(),
        );
        let always = run.stats.stale == 0 && run.calls.len() < run.requests;
        self.finding(run, always, failed > 0, text)
    }

    fn stale_while_revalidate(&self) -> Finding {
        let run = self.report.run("stale_while_revalidate");
        let [waited, plain] = [run, self.plain].map(|run| run.waited_in(self.slow));
        let text = format!(
            "while the service was slow, {} of {} requests waited for it; with the TTL alone, {plain}",
            or_none(waited),
            run.within(self.slow).len(),
        );
        self.finding(run, true, run.stats.refreshes > 0 && waited < plain, text)
    }

    fn stale_if_error(&self) -> Finding {
        let run = self.report.run("stale_if_error");
        let text = format!(
            "{} loads failed, and of the requests {}. The oldest answer was {:.1} s old",
            run.stats.load_failures,
            or_none(run.failed()),
            run.oldest().as_secs_f64(),
        );
        self.finding(run, run.failed() == 0, run.stats.load_failures > 0, text)
    }

    fn refresh_ahead(&self) -> Finding {
        let run = self.report.run("refresh_ahead");
        let waited = |run: &Run| {
            self.report
                .phases(Mood::Fast)
                .map(|phase| run.waited_in(phase))
                .sum::<usize>()
        };
        let [all, plain] = [run, self.plain].map(waited);
        let first = run.samples.iter().filter(|sample| sample.waited && sample.at < PERIOD);
        let text = format!(
            "while the service was fast, {all} requests waited for it, {} of them for the first load; with the TTL alone, {plain}. \
             No answer past its TTL",
            first.count(),
        );
        self.finding(run, run.stats.stale == 0, run.stats.refreshes > 0 && all < plain, text)
    }

    fn jitter(&self) -> Finding {
        let run = self.report.run("jitter");
        // Half of the first phase is enough to lose step.
        let [most, plain] = [run, self.plain].map(|run| run.burst(self.slow.from / 2, self.slow.from));
        let text = format!(
            "while the service was fast, {most} of {KNOWN} items at most were loaded anew within {} ms; with the TTL alone, {plain}. \
             No answer past its TTL",
            PERIOD.as_millis(),
        );
        self.finding(run, run.stats.stale == 0, true, text)
    }

    fn ttl_fn(&self) -> Finding {
        let run = self.report.run("ttl_fn");
        let holds = (0..KNOWN).all(|id| run.loads_of(id) <= run.at_most(good_for(id)));
        let text = format!(
            "{} calls; with the TTL alone, {}. No item was loaded anew within the 1 s or 3 s that the service had said it was \
             good for",
            run.calls.len(),
            self.plain.calls.len(),
        );
        self.finding(run, holds, true, text)
    }

    fn err_ttl(&self) -> Finding {
        let run = self.report.run("err_ttl");
        let unknown = (ASKED_FOR - KNOWN) as usize;
        let calls = run.calls_for_nothing();
        let text = format!(
            "{calls} calls for {unknown} items that do not exist; with the TTL alone, {}. It keeps every error: {} requests failed; \
             with the TTL alone, {}",
            self.plain.calls_for_nothing(),
            run.failed(),
            self.plain.failed(),
        );
        let always = run.stats.negative_hits > 0 && calls <= unknown * run.at_most(ERR_TTL);
        self.finding(run, always, true, text)
    }

    fn soft_timeout(&self) -> Finding {
        let run = self.report.run("soft_timeout");
        let without = self.report.run("stale_if_error");
        let text = format!(
            "{} requests got an old value after 100 ms. While the service was slow, 99 % had an answer within {:.0} ms; without it, \
             {:.0} ms. Of the requests {} failed",
            run.stats.timeouts,
            run.nearly_all_within(self.slow),
            without.nearly_all_within(self.slow),
            or_none(run.failed()),
        );
        self.finding(run, run.failed() == 0, run.stats.timeouts > 0, text)
    }

    fn load_timeout(&self) -> Finding {
        let run = self.report.run("load_timeout");
        let too_slow = run.came_to(Outcome::TooSlow(LOAD_TIMEOUT));
        let text = format!(
            "{too_slow} requests got an error after 150 ms, and {} of {} loads ended with them. While the service was slow, 99 % had an \
             answer within {:.0} ms; without it, {:.0} ms",
            or_none(run.abandoned()),
            run.loads(),
            run.nearly_all_within(self.slow),
            self.plain.nearly_all_within(self.slow),
        );
        self.finding(run, run.abandoned() == 0, too_slow > 0, text)
    }

    fn callers_give_up(&self) -> Finding {
        let run = self.report.run("ttl, callers give up");
        self.finding(run, true, run.abandoned() > 0, self.text_of_giving_up(run))
    }

    fn detached(&self) -> Finding {
        let run = self.report.run("detached, callers give up");
        let gave_up = run.came_to(Outcome::GaveUp);
        self.finding(run, run.abandoned() == 0, gave_up > 0, self.text_of_giving_up(run))
    }

    fn together(&self) -> Finding {
        let run = self.report.run("together");
        let text = format!(
            "of {} requests {} failed, and of {} while the service was slow {} waited for it. The oldest answer was {:.1} s old",
            run.samples.len(),
            or_none(run.failed()),
            run.within(self.slow).len(),
            or_none(run.waited_in(self.slow)),
            run.oldest().as_secs_f64(),
        );
        let in_time = run.waited_in(self.slow) < self.plain.waited_in(self.slow);
        self.finding(run, run.failed() == 0, in_time, text)
    }

    fn text_of_giving_up(&self, run: &Run) -> String {
        format!(
            "{} callers went away after 150 ms, and {} of {} loads ended with them. While the service was slow, {} of {} requests \
             got no item",
            run.came_to(Outcome::GaveUp),
            or_none(run.abandoned()),
            run.loads(),
            run.failed_in(self.slow),
            run.within(self.slow).len(),
        )
    }
}

fn or_none(count: usize) -> String {
    match count {
        0 => "none".to_owned(),
        count => count.to_string(),
    }
}
