//! A disturbed injection webhook: Istiods that refuse its calls, do not answer them, answer late, or answer wrongly.
//!
//! **Modeled**: `refuse` and `silent` are cuts of the calls (modes `reject` and `drop`); `slow` lets each answer come later, by a delay
//! that counts towards the call's time limit; `error` answers each call with HTTP 500 and keeps its connection; `bad_certificate` lets each
//! new connection fail in its handshake, as with a wrong `caBundle`, and closes those that were idle. Delays of several faults add up; a
//! certificate that does not fit comes before an error, an error before a delay. Creations that are refused are tried again by their controller.
//! **Left out**: `failurePolicy: Ignore`; webhooks other than injection; errors of some calls only.
//! **Parameters**: target, answer, delay, start, duration; `webhook_timeout`. **Validated by**: `tests/world/webhook_answers.rs`.

use super::cut::CutMode;
use super::fault::{Effect, Fault, Switch, Words};
use super::form::{Complaint, Form, Key, Role, Takes, Written};
use super::place::Whom;
use crate::cluster::ids::FaultId;
use crate::cluster::party::{NamedParty, Party, PartyKind};
use crate::kernel::SimDuration;

/// A disturbed injection webhook.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// Of which Istiods.
    pub whom: Whom,
    /// What becomes of a call.
    pub answer: Answer,
}

/// What becomes of a call of a disturbed webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is refused at once.
    Refuse,
    /// It gets no answer.
    Silent,
    /// It is answered later, by this.
    Slow(SimDuration),
    /// It is answered with HTTP 500.
    Error,
    /// Its connection fails in the handshake.
    BadCertificate,
}

/// The answers with their words and meanings.
const ANSWERS: [(Answer, &str, &str); 5] = [
    (Answer::Refuse, "refuse", "connections are refused at once"),
    (Answer::Silent, "silent", "packets of calls vanish"),
    (
        Answer::Slow(SimDuration::ZERO),
        "slow",
        "each answer comes later, by `delay`",
    ),
    (Answer::Error, "error", "each call is answered with HTTP 500"),
    (
        Answer::BadCertificate,
        "bad_certificate",
        "handshakes fail, as with a wrong `caBundle`",
    ),
];

/// What it asks of the world.
pub trait Webhooks {
    /// A fault disturbs the calls of a webhook.
    fn disturb(&mut self, party: Party, answer: Answer, fault: FaultId);

    /// A fault no longer cuts the calls of a webhook.
    fn reconnect(&mut self, party: Party, fault: FaultId);

    /// A fault cuts the calls of a webhook.
    fn disconnect(&mut self, party: Party, mode: CutMode, fault: FaultId);

    /// A fault no longer disturbs them.
    fn calm(&mut self, party: Party, fault: FaultId);
}

const ANSWER: &str = "answer";
const DELAY: &str = "delay";

impl Webhook {
    /// How it is written.
    pub const FORM: Form = Form {
        name: "webhook",
        meaning: "Injection webhooks that do not do their work: Istiods whose answers to the API server are missing, late or wrong.",
        does: "disturbs",
        done: "disturbed",
        keys: &[
            Whom::NODE_KEYS,
            Whom::ISTIOD_KEYS,
            &[
                Whom::only("`[]` in a control.", &[PartyKind::Webhook]),
                Key {
                    name: ANSWER,
                    meaning: "What becomes of each call: `refuse`, `silent`, `slow`, `error` or `bad_certificate`.",
                    takes: Takes::Word("answer of a webhook", || {
                        ANSWERS.map(|(_, word, meaning)| (word, meaning)).to_vec()
                    }),
                    list: false,
                    role: Role::Required,
                },
                Key {
                    name: DELAY,
                    meaning: "How much later each answer comes, with `slow`.",
                    takes: Takes::Span,
                    list: false,
                    role: Role::Optional,
                },
            ],
        ],
    };

    /// Reads one.
    ///
    /// # Errors
    /// If the design has no webhook, or a delay is missing or has no use.
    pub fn read(written: &Written<'_>) -> Result<Self, Complaint> {
        let mut whom = Whom::read(written)?;
        let wrong = |key, message: String, hint| Complaint {
            key,
            place: 0,
            message,
            hint,
        };
        if !written.has(Whom::PARTIES) {
            if written.istiods.is_none() {
                let message = format!("disturbs design `{}`, which has no Istio", written.design);
                return Err(wrong(
                    ANSWER,
                    message,
                    "give the design Istio, or write `parties: []` in it",
                ));
            }
            whom.parties = vec![PartyKind::Webhook];
        }
        let (answer, ..) = ANSWERS[written.word(ANSWER)];
        let answer = match (answer, written.span(DELAY)) {
            (Answer::Slow(_), Some(delay)) => Answer::Slow(delay),
            (Answer::Slow(_), None) => {
                return Err(wrong(ANSWER, "has no `delay`".to_owned(), "write `delay: 5s`, too"));
            }
            (_, Some(_)) => {
                let hint = "leave it out, or write `answer: slow`";
                return Err(wrong(DELAY, "belongs to the answer `slow` alone".to_owned(), hint));
            }
            (answer, None) => answer,
        };
        Ok(Self { whom, answer })
    }

    /// How the calls are cut, if they are.
    const fn cut(&self) -> Option<CutMode> {
        match self.answer {
            Answer::Refuse => Some(CutMode::Reject),
            Answer::Silent => Some(CutMode::Drop),
            Answer::Slow(_) | Answer::Error | Answer::BadCertificate => None,
        }
    }

    fn word(&self) -> &'static str {
        let same = |(answer, ..): &&(Answer, &str, &str)| {
            std::mem::discriminant(answer) == std::mem::discriminant(&self.answer)
        };
        ANSWERS.iter().find(same).map_or("", |(_, word, _)| word)
    }

    /// It starts to act on a party.
    pub fn begin(&self, fault: FaultId, party: Party, world: &mut (impl Webhooks + ?Sized)) {
        match self.cut() {
            Some(mode) => world.disconnect(party, mode, fault),
            None => world.disturb(party, self.answer, fault),
        }
    }

    /// It no longer acts on a party.
    pub fn end(&self, fault: FaultId, party: Party, world: &mut (impl Webhooks + ?Sized)) {
        match self.cut() {
            Some(_) => world.reconnect(party, fault),
            None => world.calm(party, fault),
        }
    }
}

impl Fault for Webhook {
    fn whom(&self) -> &Whom {
        &self.whom
    }

    fn cuts_off(&self) -> bool {
        self.cut().is_some()
    }

    fn words(&self) -> Words {
        let (how, sentence) = match self.answer {
            Answer::Refuse => ("calls are refused", "Calls of the webhook were refused at once."),
            Answer::Silent => (
                "calls get no answer",
                "Calls of the webhook got no answer, so each lasted until its time limit.",
            ),
            Answer::Slow(_) => (
                "answers come late",
                "Each answer of the webhook came later; a call that lasted longer than its time limit failed.",
            ),
            Answer::Error => (
                "answers are errors",
                "The webhook answered each call with HTTP 500, so the pod was not created.",
            ),
            Answer::BadCertificate => (
                "handshakes fail",
                "The certificate of the webhook did not fit its configuration, so each call failed in the handshake.",
            ),
        };
        Words {
            noun: Self::FORM.name,
            does: Self::FORM.does,
            object: "the webhook",
            did: Self::FORM.done,
            word: self.word(),
            how,
            sentence,
        }
    }

    fn consequence(&self, _: PartyKind) -> &'static str {
        match self.answer {
            Answer::Slow(_) => "pods with sidecars were created later",
            _ => "the API server created no pod with a sidecar that it asked there about",
        }
    }

    fn effect(&self, party: &NamedParty) -> Effect {
        let how = match self.answer {
            Answer::Refuse => "calls were refused".to_owned(),
            Answer::Silent => "calls got no answer".to_owned(),
            Answer::Slow(delay) => format!("answers came {delay} later"),
            Answer::Error => "calls were answered with HTTP 500".to_owned(),
            Answer::BadCertificate => "handshakes failed for its certificate".to_owned(),
        };
        Effect {
            word: "webhook disturbed",
            what: format!("{party} was disturbed ({how})"),
            how: "the API server refuses a pod about which its webhook gives no answer in time",
        }
    }

    fn switches(&self, fault: &str) -> Vec<Switch> {
        if self.answer == Answer::Silent {
            let switch = Switch {
                name: format!("{fault} by refuse"),
                words: format!("the webhook that {fault} disturbs had refused its calls at once"),
                set: format!("faults.{fault}.webhook.answer=refuse"),
            };
            return vec![switch];
        }
        Vec::new()
    }
}
