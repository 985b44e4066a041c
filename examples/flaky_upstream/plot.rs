//! The picture: a row for each variant, with latency as lines, failures as an area, and the phases behind them.

use std::error::Error;
use std::ops::Range;
use std::time::Duration;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::report::{Report, milliseconds, share};
use crate::traffic::{Run, Sample};
use crate::upstream::Mood;

const WIDTH: u32 = 960;
const TOP: u32 = 74;
const ROW: u32 = 92;
const BOTTOM: u32 = 40;
/// Of the time, one after the other.
const BINS: u32 = 48;
/// What latencies are shown between, in milliseconds.
const SHOWN: Range<f64> = 0.001..1000.0;

const INK: RGBColor = RGBColor(0x24, 0x29, 0x2F);
const PALE: RGBColor = RGBColor(0x57, 0x60, 0x6A);
const MEAN: RGBColor = RGBColor(0x09, 0x69, 0xDA);
const SLOWEST: RGBColor = RGBColor(0x6E, 0x40, 0xC9);
const FAILED: RGBColor = RGBColor(0xCF, 0x22, 0x2E);

type Plotted = Result<(), Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// As SVG. On a ground of its own, so that it can be read on a light page and on a dark one.
pub(crate) fn draw(report: &Report) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    let rows = u32::try_from(report.runs.len())?;
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, TOP + rows * ROW + BOTTOM)).into_drawing_area();
        root.fill(&WHITE)?;
        let (top, rest) = root.split_vertically(TOP);
        legend(&top)?;
        let (panels, bottom) = rest.split_vertically(rows * ROW);
        for (run, panel) in report.runs.iter().zip(panels.split_evenly((report.runs.len(), 1))) {
            row(report, run, &panel)?;
        }
        time_axis(report, &bottom)?;
        root.present()?;
    }
    Ok(svg)
}

fn text(size: u32, color: RGBColor) -> TextStyle<'static> {
    written("sans-serif", size, color)
}

fn written(font: &'static str, size: u32, color: RGBColor) -> TextStyle<'static> {
    TextStyle {
        color: color.to_backend_color(),
        ..TextStyle::from((font, size).into_font())
    }
}

/// What lines and areas mean, above all rows.
fn legend(area: &Area<'_>) -> Plotted {
    area.draw_text(
        "A service that is slow and fails, without a cache and with each option",
        &text(22, INK),
        (16, 10),
    )?;
    let mut x = 16;
    for (color, what, width) in [
        (MEAN, "mean latency", 135),
        (SLOWEST, "slowest", 100),
        (FAILED, "requests that failed", 175),
    ] {
        let mark = if color == FAILED {
            color.mix(0.35)
        } else {
            color.to_rgba()
        };
        let height = if color == FAILED { 5 } else { 1 };
        area.draw(&Rectangle::new(
            [(x, 52 - height), (x + 22, 52 + height)],
            mark.filled(),
        ))?;
        area.draw_text(what, &text(15, INK), (x + 28, 44))?;
        x += width;
    }
    area.draw_text(
        "latency on the left, failures on the right, time below",
        &text(15, PALE),
        (x + 20, 44),
    )?;
    Ok(())
}

fn ground(mood: Mood) -> RGBColor {
    match mood {
        Mood::Fast => RGBColor(0xFF, 0xFF, 0xFF),
        Mood::Slow => RGBColor(0xFF, 0xF1, 0xCC),
        Mood::Down => RGBColor(0xFF, 0xDD, 0xDA),
        Mood::Flaky => RGBColor(0xEC, 0xE4, 0xFA),
    }
}

fn row(report: &Report, run: &Run, panel: &Area<'_>) -> Plotted {
    let end = report.script.end().as_secs_f64();
    let mut chart = ChartBuilder::on(panel)
        .margin_top(20)
        .margin_bottom(6)
        .set_label_area_size(LabelAreaPosition::Left, 56)
        .set_label_area_size(LabelAreaPosition::Right, 56)
        .build_cartesian_2d(0.0..end, SHOWN.log_scale())?
        .set_secondary_coord(0.0..end, 0.0..100.0);
    for phase in &report.script.phases {
        let corners = [
            (phase.from.as_secs_f64(), SHOWN.start),
            (phase.until.as_secs_f64(), SHOWN.end),
        ];
        chart.draw_series([Rectangle::new(corners, ground(phase.mood).filled())])?;
    }
    let mut mesh = chart.configure_mesh();
    mesh.disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(INK.mix(0.12))
        .x_labels(0)
        .y_labels(4)
        .y_label_formatter(&|milliseconds| time(*milliseconds))
        .axis_style(INK.mix(0.4))
        .label_style(text(13, PALE));
    mesh.draw()?;
    let mut axes = chart.configure_secondary_axes();
    axes.y_labels(3)
        .y_label_formatter(&|percent| format!("{percent:.0} %"))
        .axis_style(INK.mix(0.4))
        .label_style(text(13, PALE));
    axes.draw()?;

    let bins = bins(report, run);
    let failed = steps(&bins, |bin| 100.0 * bin.failed);
    chart.draw_secondary_series(AreaSeries::new(failed, 0.0, FAILED.mix(0.35)))?;
    chart.draw_series(LineSeries::new(
        steps(&bins, |bin| bin.slowest),
        SLOWEST.stroke_width(1),
    ))?;
    chart.draw_series(LineSeries::new(steps(&bins, |bin| bin.mean), MEAN.stroke_width(2)))?;

    let all: Vec<&Sample> = run.samples.iter().collect();
    let name = written("monospace", 15, INK);
    panel.draw_text(run.variant.attribute, &name, (58, 4))?;
    let figures = format!(
        "{:.1} % failed, {} calls of the service, {} stale answers",
        100.0 * share(&all, Sample::has_failed),
        run.calls.len(),
        run.stats.stale,
    );
    let right = text(14, PALE).pos(Pos::new(HPos::Right, VPos::Top));
    panel.draw_text(&figures, &right, (i32::try_from(WIDTH)? - 58, 4))?;
    Ok(())
}

/// Seconds, and what the service was like, below all rows.
fn time_axis(report: &Report, area: &Area<'_>) -> Plotted {
    let end = report.script.end().as_secs_f64();
    let width = f64::from(WIDTH - 2 * 56);
    let x = |time: f64| 56 + (time / end * width) as i32;
    let centre = |size, color| text(size, color).pos(Pos::new(HPos::Center, VPos::Top));
    for phase in &report.script.phases {
        let middle = (phase.from + phase.until).as_secs_f64() / 2.0;
        area.draw_text(phase.mood.name(), &centre(15, INK), (x(middle), 2))?;
        area.draw_text(
            &format!("{:.1}", phase.from.as_secs_f64()),
            &centre(13, PALE),
            (x(phase.from.as_secs_f64()), 20),
        )?;
    }
    area.draw_text(&format!("{end:.1} s"), &centre(13, PALE), (x(end), 20))?;
    Ok(())
}

fn time(milliseconds: f64) -> String {
    match milliseconds {
        1000.0.. => format!("{:.0} s", milliseconds / 1e3),
        1.0.. => format!("{milliseconds:.0} ms"),
        _ => format!("{:.0} µs", milliseconds * 1e3),
    }
}

/// A short time, and what its requests came to.
struct Bin {
    span: Range<Duration>,
    mean: f64,
    slowest: f64,
    failed: f64,
}

fn bins(report: &Report, run: &Run) -> Vec<Bin> {
    let length = report.script.end() / BINS;
    let bin = |number: u32| {
        let span = length * number..length * (number + 1);
        let within: Vec<&Sample> = run.samples.iter().filter(|sample| span.contains(&sample.at)).collect();
        let times = || within.iter().map(|sample| milliseconds(sample.took));
        let shown = |milliseconds: f64| milliseconds.clamp(SHOWN.start, SHOWN.end);
        (!within.is_empty()).then(|| Bin {
            span,
            mean: shown(times().sum::<f64>() / within.len() as f64),
            slowest: shown(times().fold(0.0, f64::max)),
            failed: share(&within, Sample::has_failed),
        })
    };
    (0..BINS).filter_map(bin).collect()
}

/// A line that is level for as long as each of them is.
fn steps(bins: &[Bin], figure: impl Fn(&Bin) -> f64) -> Vec<(f64, f64)> {
    let ends = bins.iter().map(|bin| ([bin.span.start, bin.span.end], figure(bin)));
    ends.flat_map(|(ends, figure)| ends.map(|end| (end.as_secs_f64(), figure)))
        .collect()
}
