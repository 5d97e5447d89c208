//! Writes a corpus for benchmarks, a line an activity: `cargo run -p simulate --example corpus COUNT [PEOPLE] > FILE`.
//!
//! The past is as long as it has to be. With `TRUTH=1` in the environment, lines are those of a truth file, of an
//! organization to which every scenario happens.

use std::io::Write as _;

use simulate::{Config, Pace, Simulation, scenarios};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u32>());
    let count = arguments.next().ok_or("how many?")??;
    let people = arguments.next().transpose()?.unwrap_or(400);
    let truth = std::env::var_os("TRUTH").is_some();
    let all = scenarios().iter().map(|info| info.name.to_owned());
    let config = Config {
        people,
        days: count / people / 25 + 7,
        now: "2026-11-20T15:00:00Z".parse()?,
        pace: Pace::Frozen,
        scenarios: if truth { all.collect() } else { Vec::new() },
        ..Config::default()
    };
    let simulation = Simulation::new(config)?;
    let mut out = std::io::BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    let mut line = Vec::new();
    for activity in simulation.activities(simulation.start(), simulation.now()).take(count as usize) {
        line.clear();
        if truth {
            activity.write_truth(&mut line);
        } else {
            line.extend_from_slice(&activity.json);
            line.push(b'\n');
        }
        out.write_all(&line)?;
    }
    out.flush()?;
    Ok(())
}
