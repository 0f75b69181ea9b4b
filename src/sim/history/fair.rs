//! Hooks run fairly: every one that is due, and nothing goes wrong.

use std::time::Duration;

use super::cluster;
use super::play::{Play, Stop, TICK};
use super::scene::{Told, Violation};
use super::world::Broken;

/// How many rounds of update-status a deployment may take to come to rest.
pub(super) const ROUNDS: usize = 6;
/// Time between two rounds, as Juju's update-status comes.
const BETWEEN_ROUNDS: Duration = Duration::from_mins(5);
/// The longest time that is let pass at once while hooks wait for it.
const LONGEST_NAP: Duration = Duration::from_millis(250);
/// How many hooks a unit may need to come to rest before it counts as never doing so.
const HOOKS_A_UNIT: usize = 60;

impl Play<'_> {
    /// Runs hooks until none runs and none is due. Reads and hook tools pass by themselves, writes one by one.
    pub(super) async fn calm(&mut self) -> Result<(), Stop> {
        self.world.shared.desk.set_open(self.crash.is_none());
        let most = self.counts.hooks + HOOKS_A_UNIT * self.world.units().len().max(1);
        let mut nap = TICK;
        loop {
            self.settle(nap).await?;
            self.reports_in_time()?;
            let begun = self.begin_due()?;
            let passed = self.pass_next().await?;
            if begun || passed {
                nap = TICK;
            } else if self.world.running.is_empty() {
                return Ok(());
            } else {
                nap = (nap * 2).min(LONGEST_NAP);
            }
            if self.counts.hooks > most {
                return Err(restless("hooks follow each other without end".to_owned()));
            }
        }
    }

    /// Lets hooks that are due begin and some steps through, as far as there are any.
    pub(super) async fn some_steps(&mut self, most: usize) -> Result<(), Stop> {
        self.world.shared.desk.set_open(false);
        for _ in 0..most {
            self.settle(TICK).await?;
            self.begin_due()?;
            self.pass_next().await?;
        }
        Ok(())
    }

    fn begin_due(&mut self) -> Result<bool, Broken> {
        // A leader that is removed has a successor within a minute.
        self.elect()?;
        let mut begun = false;
        for unit in self.world.units() {
            let Some(event) = self.world.due(&unit) else {
                continue;
            };
            let refused = Broken(format!("{unit}: Juju does not run {event}, which is due"));
            if !self.begin(&unit, event)? {
                return Err(refused);
            }
            begun = true;
        }
        Ok(begun)
    }

    /// Lets the first step through that changes something, and everything before it that does not. With a crash to come,
    /// steps go one by one.
    async fn pass_next(&mut self) -> Result<bool, Stop> {
        if self.crash.is_some() {
            return self.pass_towards_crash().await;
        }
        let waiting = self.world.shared.desk.waiting();
        for step in &waiting {
            self.pass(step.number, None);
            if step.writes {
                break;
            }
        }
        Ok(!waiting.is_empty())
    }

    /// One round of update-status, and what follows from it; answers how much the hooks wrote.
    async fn round(&mut self, shuffle: &mut dyn FnMut(&mut [String])) -> Result<usize, Stop> {
        let before = self.counts.writes;
        let mut units = self.world.units();
        shuffle(&mut units);
        for unit in units {
            self.begin_update_status(&unit)?;
        }
        self.calm().await?;
        Ok(self.counts.writes - before)
    }

    /// Runs rounds until one writes nothing; pods are restarted before each, so that pools drain.
    pub(super) async fn come_to_rest(
        &mut self,
        shuffle: &mut dyn FnMut(&mut [String]),
    ) -> Result<usize, Stop> {
        self.calm().await?;
        for round in 1..=ROUNDS {
            self.world.remove_nodes_of_the_gone();
            cluster::restart_workloads(&self.world.server).map_err(Broken::from)?;
            self.look_at_other(cluster::CALICO_NODE);
            self.settle(BETWEEN_ROUNDS).await?;
            if self.round(shuffle).await? == 0 {
                self.tell(&Told::Quiet);
                self.check()?;
                return Ok(round);
            }
        }
        Err(restless(format!(
            "after {ROUNDS} rounds of update-status the hooks still write"
        )))
    }
}

fn restless(message: String) -> Stop {
    Stop::Violated(vec![Violation {
        invariant: "comes to rest",
        message,
    }])
}
