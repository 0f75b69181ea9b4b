//! Units come and go beside the story.

use fastrand::Rng;

use super::play::Play;
use super::story::Change;
use super::world::Broken;
use crate::sim::run::ScenarioUnit;

/// The fewest and the most units a history has.
const UNITS: std::ops::Range<usize> = 3..7;

/// One unit comes or goes.
pub(super) async fn change(play: &mut Play<'_>, rng: &mut Rng) -> Result<(), Broken> {
    let mut units = play.world.units();
    units.retain(|unit| !play.world.is_dying(unit));
    let goes = units.len() >= UNITS.end - 1 || units.len() >= UNITS.start && rng.bool();
    if !goes {
        let Some(unit) = another(play) else {
            return Ok(());
        };
        play.coverage.count("unit added");
        return play.change(&Change::AddUnit(unit)).await;
    }
    let Some(unit) = rng.choice(units) else {
        return Ok(());
    };
    let forced = rng.bool();
    play.coverage.count(if forced {
        "unit removed by force"
    } else {
        "unit removed"
    });
    let unit = unit.parse().map_err(Broken::from)?;
    play.change(&Change::RemoveUnit { unit, forced }).await
}

/// A machine beside the first one.
fn another(play: &Play<'_>) -> Option<ScenarioUnit> {
    let number = play.world.places.len();
    let mut unit = play.world.places.values().next()?.clone();
    unit.node = format!("late-{number}").parse().ok()?;
    unit.leader = false;
    for address in &mut unit.addresses {
        address.ip = match address.ip {
            std::net::IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                [a, b, c, 200 + u8::try_from(number).ok()?].into()
            }
            std::net::IpAddr::V6(ip) => {
                let mut segments = ip.segments();
                segments[7] = 0x200 + u16::try_from(number).ok()?;
                segments.into()
            }
        };
    }
    Some(unit)
}
