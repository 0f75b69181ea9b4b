//! How a change stands and what passes units over, for the actions. Performs IO.

use std::collections::{BTreeMap, BTreeSet};

use futures::try_join;

use super::Claims;
use crate::charm::observe::first_look;
use crate::charm::reconcile::{Stop, Work};
use crate::charm::{Report, sweep};
use crate::cluster::{ApiError, Kubernetes, Mode, Obstacle, apply_wave};
use crate::host::Host;
use crate::juju::HookTools;
use crate::model::UnitName;
use crate::plan::{Live, plan_apply};
use crate::render::{ANNOTATION_ROLLOUT, Kind};
use crate::rollout::{Record, Situation, Standing, Wait, decide};

/// A change as it was seen.
pub struct Seen {
    /// How it stands.
    pub standing: Standing,
    /// When the record was last written.
    pub written: Option<String>,
    /// Principals whose units are not known yet.
    pub unseen: BTreeSet<String>,
    /// Units that several Nodes say they are.
    pub doubled: BTreeMap<UnitName, Vec<String>>,
}

/// What a look at a change begins with.
struct Found<'a> {
    configuration: Option<&'a Live>,
    nodes: &'a [Live],
    /// `None` where nobody has asked for them.
    pools: Option<&'a [Live]>,
}

/// What going on without units has come to.
pub struct Passed {
    /// How the change stood.
    pub seen: Seen,
    /// What was written; `None` where there was nothing to pass over.
    pub outcome: Option<Result<Record, Refused>>,
}

/// Why units are not passed over.
pub enum Refused {
    /// The change does not wait for these.
    NotWaitedFor(BTreeSet<UnitName>),
    /// Nobody would be left to reflect, and there is to be no mesh.
    NoReflector,
}

impl<T: HookTools, H: Host> Work<'_, T, H> {
    /// How the change stands; writes nothing.
    ///
    /// # Errors
    /// When the API cannot be asked, or something in the cluster is in the way.
    pub(in crate::charm) async fn seen(&self) -> Result<Seen, Stop> {
        let (kubernetes, mode) = self.api().await?;
        let path = Kind::BgpConfiguration.object_path(mode.group, "default");
        let (configuration, nodes) = try_join!(kubernetes.get(&path), sweep::nodes(&kubernetes))?;
        let configuration = configuration.map(Live::new);
        self.refuse_other_applications(configuration.as_ref())?;
        let path = Kind::IpPool.path(mode.group);
        let pools = kubernetes.list(&path, "").await?;
        let pools: Vec<Live> = pools.into_iter().map(Live::new).collect();
        let configuration = configuration.as_ref();
        let found = Found {
            configuration,
            nodes: &nodes,
            pools: Some(&pools),
        };
        Ok(self.seen_in(&kubernetes, mode, &found).await?)
    }

    /// How the change stands, with a look at the reflectors' sessions and the pools where the mesh would go off now.
    async fn seen_in(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
        found: &Found<'_>,
    ) -> Result<Seen, ApiError> {
        let Found {
            configuration,
            nodes,
            pools,
        } = *found;
        let claims = Claims::read(nodes, &self.identity.owner);
        let members = self.members(&claims);
        let record = configuration.and_then(Live::record);
        let on_bgp = self
            .on_bgp(kubernetes, mode, record.as_ref(), pools)
            .await?;
        let mut situation = Situation {
            digest: self.intent.order_digest(),
            rollout: self.config.rollout,
            record: record.as_ref(),
            generation: "-",
            is_fresh: false,
            members: members.as_ref().ok(),
            applied: &self.applied(&claims),
            missing: &BTreeMap::new(),
            on_bgp: &on_bgp,
        };
        let up = match &record {
            Some(record) if self.takes_mesh_off(configuration, &decide(&situation)) => {
                let asked = self.asked(&claims, configuration, record);
                self.sessions_up(kubernetes, mode, &asked).await?
            }
            _ => None,
        };
        let missing = up.unwrap_or_default().missing;
        situation.missing = &missing;
        let written = configuration.and_then(|live| live.written_with(ANNOTATION_ROLLOUT));
        Ok(Seen {
            standing: Standing::new(&situation, &claims.units()),
            written: written.map(str::to_owned),
            doubled: claims.doubled(),
            unseen: members.err().unwrap_or_default(),
        })
    }

    /// Writes into the record that the change goes on without these units; nothing where the change waits for nobody, or
    /// none is named. That this unit itself lags is no reason to pass it over: its next hook does its part.
    ///
    /// # Errors
    /// When the API cannot be asked, another unit leads by now, or somebody else has written the object meanwhile.
    pub(in crate::charm) async fn pass_over(
        &self,
        units: &BTreeSet<UnitName>,
        report: &mut Report,
    ) -> Result<Passed, Stop> {
        let look = first_look(self.surroundings).await?;
        let mut survey = self.survey(look, report).await?;
        let kubernetes = &survey.kubernetes;
        let served = survey.served.ok_or(Stop::Obstacle(Obstacle::NoCrds))?;
        let named = survey.named.take();
        let observed = self.observe(kubernetes, served, named, report).await?;
        let live = observed.configuration.as_ref();
        self.refuse_other_applications(live)?;
        let found = Found {
            configuration: live,
            nodes: &survey.nodes,
            pools: observed.pools.as_deref(),
        };
        let seen = self.seen_in(kubernetes, served, &found).await?;
        let lagging = self.other_lagging(&seen.standing);
        let record = seen.standing.record.clone();
        let Some(mut record) = record.filter(|_| !lagging.is_empty() && !units.is_empty()) else {
            return Ok(Passed {
                seen,
                outcome: None,
            });
        };
        record.without.extend(units.iter().cloned());
        if let Err(refused) = self.may_pass_over(units, &lagging, &record) {
            return Ok(Passed {
                seen,
                outcome: Some(Err(refused)),
            });
        }
        let (desired, _) = self.configuration(live, &record);
        let mode = served.with_version(report.version.as_deref());
        let write: Vec<_> = plan_apply(desired, live).into_iter().collect();
        self.still_leads().await?;
        report
            .done(apply_wave(kubernetes, mode, &write).await)
            .map_err(Stop::Api)?;
        Ok(Passed {
            seen,
            outcome: Some(Ok(record)),
        })
    }

    /// The units that a change waits for, without this one where it lags.
    pub(in crate::charm) fn other_lagging(&self, standing: &Standing) -> BTreeSet<UnitName> {
        let mut lagging = standing.lagging();
        if matches!(standing.wait, Some(Wait::Units(_))) {
            lagging.remove(&self.identity.unit);
        }
        lagging
    }

    fn may_pass_over(
        &self,
        units: &BTreeSet<UnitName>,
        lagging: &BTreeSet<UnitName>,
        record: &Record,
    ) -> Result<(), Refused> {
        let others: BTreeSet<UnitName> = units.difference(lagging).cloned().collect();
        if !others.is_empty() {
            return Err(Refused::NotWaitedFor(others));
        }
        let passed: BTreeSet<u32> = record.without.iter().map(UnitName::number).collect();
        let mut reflectors = self.config.route_reflector_cluster_ids.keys();
        let nobody = reflectors.len() > 0 && reflectors.all(|number| passed.contains(number));
        if nobody && !self.config.node_to_node_mesh {
            return Err(Refused::NoReflector);
        }
        Ok(())
    }
}
