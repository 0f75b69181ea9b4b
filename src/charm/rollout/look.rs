//! How a change stands and what passes units over, for the actions. Performs IO.

use std::collections::BTreeSet;

use futures::try_join;

use super::{ANNOTATION_ROLLOUT, record_on};
use crate::charm::observe::first_look;
use crate::charm::reconcile::{Stop, Work};
use crate::charm::{Report, sweep};
use crate::cluster::{Obstacle, apply_wave, mode};
use crate::host::Host;
use crate::juju::HookTools;
use crate::model::UnitName;
use crate::plan::{Live, plan_apply};
use crate::render::Kind;
use crate::rollout::{Record, Situation, Standing};

/// A change as it was seen.
pub struct Seen {
    /// How it stands.
    pub standing: Standing,
    /// When the record last changed.
    pub since: Option<String>,
}

/// What going on without units has come to.
pub struct Passed {
    /// How the change stood.
    pub standing: Standing,
    /// The record that was written, and the units that are not waited for by it; `None` where there was nothing to pass
    /// over and nothing was written.
    pub record: Option<(Record, BTreeSet<UnitName>)>,
}

impl<T: HookTools, H: Host> Work<'_, T, H> {
    /// How the change stands; writes nothing.
    ///
    /// # Errors
    /// When the API cannot be asked, or something in the cluster is in the way.
    pub(in crate::charm) async fn seen(&self) -> Result<Seen, Stop> {
        let look = first_look(self.surroundings).await?;
        let kubernetes = look.kubernetes;
        let groups = look.groups.unwrap_or_default();
        let mode = mode(&kubernetes, &groups).await?.map_err(Stop::Obstacle)?;
        let path = Kind::BgpConfiguration.object_path(mode.group, "default");
        let (configuration, nodes) = try_join!(kubernetes.get(&path), sweep::nodes(&kubernetes))?;
        let configuration = configuration.map(Live::new);
        let since = configuration
            .as_ref()
            .and_then(|live| live.written_with(ANNOTATION_ROLLOUT));
        Ok(Seen {
            standing: self.standing(record_on(configuration.as_ref()).as_ref(), &nodes),
            since: since.map(str::to_owned),
        })
    }

    fn standing(&self, record: Option<&Record>, nodes: &[Live]) -> Standing {
        let present = self.claimed(nodes).map(|(unit, _)| unit).collect();
        let members = self.members();
        let situation = Situation {
            digest: self.intent.order_digest(),
            rollout: self.config.rollout,
            record,
            generation: "-",
            is_fresh: false,
            members: members.as_ref(),
            applied: &self.applied(nodes),
        };
        Standing::new(&situation, &present)
    }

    /// Writes into the record that the change goes on without the units that lag now; nothing where none does. This unit
    /// itself is not passed over: its next hook does its part.
    ///
    /// # Errors
    /// When the API cannot be asked, another unit leads by now, or somebody else has written the object meanwhile.
    pub(in crate::charm) async fn pass_over(&self, report: &mut Report) -> Result<Passed, Stop> {
        let look = first_look(self.surroundings).await?;
        let mut survey = self.survey(look, report).await?;
        let kubernetes = &survey.kubernetes;
        let served = survey.served.ok_or(Stop::Obstacle(Obstacle::NoCrds))?;
        let named = survey.named.take();
        let observed = self.observe(kubernetes, served, named, report).await?;
        let live = observed.configuration.as_ref();
        self.refuse_other_applications(live)?;
        let standing = self.standing(record_on(live).as_ref(), &survey.nodes);
        let mut units = standing.lagging();
        units.remove(&self.identity.unit);
        let (false, Some(mut record)) = (units.is_empty(), standing.record.clone()) else {
            return Ok(Passed {
                standing,
                record: None,
            });
        };
        record.without.extend(units.iter().cloned());
        let (desired, _) = self.configuration(live, &record);
        let mode = served.with_version(report.version.as_deref());
        let write: Vec<_> = plan_apply(desired, live).into_iter().collect();
        self.still_leads().await?;
        report
            .done(apply_wave(kubernetes, mode, &write).await)
            .map_err(Stop::Api)?;
        Ok(Passed {
            standing,
            record: Some((record, units)),
        })
    }
}
