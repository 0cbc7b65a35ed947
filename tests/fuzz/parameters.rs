//! Every model parameter at 0, at the least step above it and at its largest allowed value: the value is refused with its
//! place, or a run ends soon.

use std::path::Path;

use meshfault::cluster::params::Kind;
use meshfault::lab::designs::Simulator;
use meshfault::scenario::Scenario;
use meshfault::scenario::allowed_values::check;
use meshfault::scenario::models::COMPONENTS;
use meshfault::scenario::overrides::Overrides;
use meshfault::scenario::schema::Setting;
use meshfault::scenario::values::parameter;
use meshfault::scenario::yaml::{Position, Spanned};

/// The values that are tried: none, the least step above it, and the largest allowed one, with one beyond it.
fn ends(kind: Kind) -> (&'static [&'static str], &'static str) {
    match kind {
        Kind::Duration | Kind::Distribution => (&["0s", "1ns", "100000h"], "100001h"),
        Kind::Count => (&["0", "1", "1000000"], "1000001"),
        Kind::Number => (&["0", "1e-9", "0.999", "100", "1e6", "1e9"], "1e10"),
        Kind::Switch => (&["true", "false"], "maybe"),
    }
}

/// How a run with this parameter ended; the complaint if it was refused.
fn run(name: &str, value: &str) -> Result<String, String> {
    let changes = [
        format!("parameters.{name}={value}"),
        "limits.events_max=3000".to_owned(),
        "limits.memory_max_mib=256".to_owned(),
        "cluster.nodes=3".to_owned(),
        "horizon=10m".to_owned(),
    ];
    let complaint = |error: meshfault::scenario::error::InputError| error.to_string();
    let overrides = Overrides::parse(&changes).map_err(complaint)?;
    let scenario = Scenario::built_in("heal-and-churn", &overrides)
        .map_err(|errors| errors.into_iter().map(complaint).collect::<Vec<_>>().join("\n"))?;
    let simulator = Simulator::new(scenario.seed, &scenario.seed_group, scenario.designs.iter().take(1));
    Ok(format!("{:?}", simulator.run(0, 0).run.failure))
}

#[test]
fn every_parameter_is_refused_or_ends_at_its_ends() {
    let mut runs = 0;
    for (component, fields) in COMPONENTS {
        for (field, kind) in fields {
            let name = format!("{component}.{field}");
            let (values, beyond) = ends(*kind);
            for value in values {
                match run(&name, value) {
                    Ok(ended) => {
                        runs += 1;
                        assert!(!ended.to_lowercase().contains("panic"), "{name}={value}: {ended}");
                    }
                    Err(complaint) => assert!(complaint.contains("--set"), "{name}={value}: {complaint}"),
                }
            }
            let setting = Spanned::new(Setting::Scalar(beyond.to_owned()), Position::UNKNOWN, Position::UNKNOWN);
            let read = parameter(Path::new("--set"), *kind, &setting);
            let refused = read.and_then(|value| check(Path::new("--set"), field, value, &setting));
            assert!(refused.is_err(), "{name}={beyond} is not refused");
        }
    }
    assert!(runs > 150, "only {runs} runs");
}
