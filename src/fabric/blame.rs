//! Which option is at fault for packets that do not arrive: small changes are tried out, and the one that brings most of
//! them through is named (2.5: counterfactual blame). What another finding's own repair mends is told below that finding.

mod candidates;
mod edit;
mod known;
mod loss;
mod stop;
#[cfg(test)]
mod tests;
mod typos;
mod words;

use super::facts::Facts;
use super::finding::{Finding, Severity};
use super::reach::Fate;
use super::rules;
use super::rules::wording::speakers;
use candidates::{Candidates, Repair};
use edit::State;
use loss::{Kind, Loss, Losses, Sorter, losses};

/// How many changes are tried.
const TRIES: u32 = 20;

/// How many cells of the reach matrix may be computed for that; large fabrics get fewer tries.
const CELLS: usize = 15_000_000;

/// How many findings there are for losses at most.
const FINDINGS: usize = 4;

/// Names the options at fault for everything that is lost, trying out changes at most `repeats` times.
pub(super) fn blame(facts: &Facts<'_>, findings: &mut Vec<Finding>, repeats: u32) {
    let lost = losses(facts);
    let has_errors = findings
        .iter()
        .any(|finding| finding.severity() == Severity::Error);
    if lost.total == 0 && !has_errors {
        return;
    }
    let mut search = Search::new(facts, lost, repeats);
    search.explain_by_typos(findings);
    search.explain_by_known(findings);
    for _ in 0..FINDINGS {
        if search.lost.total == 0 || !search.explain_rest(findings) {
            break;
        }
    }
    if search.lost.total > 0 {
        search.leave_rest(findings);
    }
}

/// The fabric as mended so far, and what is still lost.
struct Search {
    state: State,
    lost: Losses,
    tries: u32,
}

impl Search {
    fn new(facts: &Facts<'_>, lost: Losses, repeats: u32) -> Self {
        let cells = facts.classes.len().pow(2) * facts.planes.len().max(1);
        let affordable = u32::try_from(CELLS / cells.max(1)).unwrap_or(TRIES);
        // What was not computed cannot be compared.
        let tries = if lost.complete {
            affordable.min(TRIES).min(repeats)
        } else {
            0
        };
        Self {
            state: State::of(facts),
            lost,
            tries,
        }
    }

    /// The fabric after a repair, if that brings anything back.
    fn attempt(&mut self, repair: &Repair) -> Option<(State, Losses)> {
        self.tries = self.tries.checked_sub(1)?;
        let state = self.state.with(&repair.edits);
        let lost = losses(&state.facts());
        (lost.complete && lost.total < self.lost.total).then_some((state, lost))
    }

    /// The repair that brings most back; of equals the first.
    fn best(&mut self, repairs: Vec<Repair>, keep: u32) -> Option<(Repair, State, Losses)> {
        let mut best: Option<(Repair, State, Losses)> = None;
        for repair in repairs {
            if self.tries <= keep {
                break;
            }
            if let Some((state, lost)) = self.attempt(&repair)
                && best
                    .as_ref()
                    .is_none_or(|(_, _, other)| lost.total < other.total)
            {
                let done = lost.total == 0;
                best = Some((repair, state, lost));
                if done {
                    break;
                }
            }
        }
        best
    }

    fn take(&mut self, state: State, lost: Losses) {
        (self.state, self.lost) = (state, lost);
    }

    /// Entries with a slip in them.
    fn explain_by_typos(&mut self, findings: &mut Vec<Finding>) {
        if self.lost.total == 0 {
            return;
        }
        let repairs = typos::typos(&self.state.facts());
        while let Some((repair, state, lost)) = self.best(repairs.clone(), TRIES / 2) {
            let worst = self.worst();
            let mut finding =
                self.finding(60, &repair, worst.as_ref(), self.lost.total - lost.total);
            self.take(state, lost);
            self.fold(findings, &mut finding, 0);
            findings.push(finding);
        }
    }

    /// What errors that are known already explain: losses, and other findings.
    fn explain_by_known(&mut self, findings: &mut Vec<Finding>) {
        let mut index = 0;
        while index < findings.len() {
            if findings[index].severity() == Severity::Error
                && let Some((state, lost)) = self.mend(&findings[index])
            {
                let mut finding = findings.remove(index);
                if lost.total < self.lost.total {
                    let text = self.text(self.worst().as_ref(), self.lost.total - lost.total);
                    finding
                        .folded
                        .push(Finding::new(60, finding.origin.clone(), text));
                }
                self.take(state, lost);
                index -= self.fold(findings, &mut finding, index);
                findings.insert(index, finding);
            }
            index += 1;
        }
    }

    /// The fabric after the repair that a finding stands for.
    fn mend(&mut self, finding: &Finding) -> Option<(State, Losses)> {
        let mut repairs = known::repairs(&self.state.facts(), finding);
        if self.lost.total == 0 {
            return self.mend_findings(&repairs);
        }
        if let Some(loss) = self
            .worst()
            .filter(|_| known::is_about_sessions(finding.code))
        {
            let facts = self.state.facts();
            let concerns = |repair: &Repair| {
                let names = speakers(facts.topology, facts.sessions, repair.nodes.iter().copied());
                repair.origin == finding.origin
                    || names.iter().any(|name| finding.units.contains(name))
            };
            let all = Candidates::new(facts, loss).all(Kind::Missing);
            repairs.extend(all.into_iter().filter(concerns));
        }
        let (_, state, lost) = self.best(repairs, TRIES / 4)?;
        Some((state, lost))
    }

    /// Of repairs when nothing is lost, the one that leaves fewest findings.
    fn mend_findings(&mut self, repairs: &[Repair]) -> Option<(State, Losses)> {
        let mut best: Option<(usize, State, Losses)> = None;
        for repair in repairs {
            self.tries = self.tries.checked_sub(1)?;
            let state = self.state.with(&repair.edits);
            let lost = losses(&state.facts());
            let left = rules::findings(&state.facts()).len();
            if lost.total == 0 && best.as_ref().is_none_or(|(fewest, ..)| left < *fewest) {
                best = Some((left, state, lost));
            }
        }
        best.map(|(_, state, lost)| (state, lost))
    }

    /// One more finding for what is left; `false` where nothing that was tried helps.
    fn explain_rest(&mut self, findings: &mut Vec<Finding>) -> bool {
        let kinds = Sorter::new(self.state.facts()).sort(&self.lost);
        let Some((kind, worst)) = kinds
            .iter()
            .find_map(|(kind, list)| Some((*kind, heaviest(list)?)))
        else {
            return false;
        };
        let repairs = Candidates::new(self.state.facts(), worst).all(kind);
        let Some((repair, state, lost)) = self.best(repairs, 0) else {
            return false;
        };
        let mended = self.lost.total - lost.total;
        let mut finding = self.finding(kind.code(), &repair, Some(&worst), mended);
        self.take(state, lost);
        self.fold(findings, &mut finding, 0);
        findings.push(below_its_cause(finding));
        true
    }

    /// What nothing that was tried brings back.
    fn leave_rest(&mut self, findings: &mut Vec<Finding>) {
        let kinds = Sorter::new(self.state.facts()).sort(&self.lost);
        let heaviest = kinds
            .iter()
            .find_map(|(kind, list)| Some((*kind, heaviest(list)?)));
        let Some((kind, loss)) = heaviest else {
            return;
        };
        let text = self.text(Some(&loss), self.lost.total);
        let names = self.ends(&loss);
        let explains = |finding: &&mut Finding| {
            finding.severity() == Severity::Error
                && (finding.units.iter().any(|unit| names.contains(unit)))
        };
        if let Some(finding) = findings.iter_mut().find(explains) {
            finding
                .folded
                .push(Finding::new(kind.code(), finding.origin.clone(), text));
            return;
        }
        let origin = self.place(&loss);
        let finding = Finding::new(kind.code(), origin, text)
            .remedy(if self.lost.complete {
                "look at the sessions on the way: none of the changes that were tried brings these routes back"
            } else {
                "look at the sessions on the way: there are too many different nodes to try changes out"
            })
            .units(names);
        findings.push(finding);
    }

    /// The heaviest loss, of the first kind that there is.
    fn worst(&self) -> Option<Loss> {
        let sorted = Sorter::new(self.state.facts()).sort(&self.lost);
        sorted.values().find_map(|list| heaviest(list))
    }

    /// Findings that are gone once the repair is made go below the one that names it. Tells how many of the first
    /// `ahead` are gone.
    fn fold(&self, findings: &mut Vec<Finding>, below: &mut Finding, ahead: usize) -> usize {
        let after = rules::findings(&self.state.facts());
        let mut gone_ahead = 0;
        let mut stay = Vec::with_capacity(findings.len());
        for (index, finding) in std::mem::take(findings).into_iter().enumerate() {
            let remains = rules::is_about_addresses(finding.code)
                || after
                    .iter()
                    .any(|other| other.code == finding.code && other.origin == finding.origin);
            if remains || !finding.folded.is_empty() {
                stay.push(finding);
            } else {
                gone_ahead += usize::from(index < ahead);
                below.folded.push(finding);
            }
        }
        *findings = stay;
        gone_ahead
    }
}

/// An error of the rules that goes away with the loss names the cause better than the repair does: it comes first.
fn below_its_cause(mut finding: Finding) -> Finding {
    let names_cause = |one: &Finding| {
        one.severity() == Severity::Error
            && (known::is_about_sessions(one.code) || one.code.0 == 65)
    };
    let Some(index) = finding.folded.iter().position(names_cause) else {
        return finding;
    };
    let mut cause = finding.folded.remove(index);
    let others = std::mem::take(&mut finding.folded);
    cause.folded.push(finding);
    cause.folded.extend(others);
    cause
}

/// The loss of most pairs; of equals the first.
fn heaviest(list: &[Loss]) -> Option<Loss> {
    list.iter()
        .min_by_key(|loss| {
            let plain = loss.fate == Fate::NoRoute;
            (
                u64::MAX - loss.pairs,
                plain,
                loss.plane,
                loss.at,
                loss.origin,
            )
        })
        .copied()
}
