use std::sync::Arc;
use meshfault::cluster::blueprint::Blueprint;
use meshfault::cluster::world::{RunId, simulate};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let scenario = meshfault::scenario::Scenario::built_in(&args[1], &Default::default()).unwrap_or_else(|e| { for e in e { eprintln!("{e}"); } std::process::exit(2) });
    for design in &scenario.designs {
        if design.name != args[2] && args[2] != "all" { continue; }
        let blueprint = Arc::new(Blueprint::new(design.world.clone()));
        let n: u64 = args[3].parse().unwrap();
        let story = args.len() > 4;
        let start = std::time::Instant::now();
        let range = if story { n..n + 1 } else { 0..n };
        let mut events = 0;
        for r in range {
            let o = simulate(&blueprint, RunId { master_seed: scenario.seed, seed_group: &scenario.seed_group, replication: r }, meshfault::faults::act, story);
            events += o.run.events;
            for l in &o.story { println!("{:>12} {:<26} {}", l.time.to_string(), l.component, l.text); }
            if story { println!("{:#?}", o.run); for a in &o.accesses { println!("{a:?}"); } for e in &o.exposures { println!("{e:?}"); }
              for p in o.pods.iter() { println!("{} {:?} w={} run={:?} ready={:?} {:?} phases a{:?} s{:?} sb{:?} i{:?} c{:?} ce{:?} co{:?} r{:?} {} / {} {:?}", p.pod, p.node, p.wished, p.running.map(|t| t.as_secs_f64()), p.ready.map(|r| r.since(p.wished).as_secs_f64()), p.exit_cause, p.admission.map(|d|d.as_secs_f64()), p.scheduling.map(|d|d.as_secs_f64()), p.sandbox.map(|d|d.as_secs_f64()), p.identity.map(|d|d.as_secs_f64()), p.containers.map(|d|d.as_secs_f64()), p.certificate.map(|d|d.as_secs_f64()), p.configuration.map(|d|d.as_secs_f64()), p.readiness.map(|d|d.as_secs_f64()), p.certificate_landings, p.configuration_landings, p.delays); } }
            else if n <= 40 { println!("{r} ev={} cut={:?} given={:?} found1={:?} batch={:?} rollouts={} hits={} found={:?} probed={:?} withdrawn={:?} demo={} end={:?} stop={:?} last={:?}", o.run.events, o.run.cut.map(|t| t.to_string()), o.run.node_given_up.map(|t| t.to_string()), o.run.found_at_first_look, o.run.reused_in_first_batch, o.run.rollouts, o.run.rollout_hits, o.run.found.map(|t| t.to_string()), o.run.probed.map(|t| t.to_string()), o.run.endpoint_withdrawn.map(|t| t.to_string()), o.run.demonstrated, o.run.script_end.map(|t| t.to_string()), o.run.script_stopped, o.accesses.last().map(|a| (a.class, a.cause.clone(), a.reached))); }
        }
        let t = start.elapsed().as_secs_f64();
        println!("{}: {} runs {:.3}s, {} events, {:.0} ns/event", design.name, n, t, events, t * 1e9 / events as f64);
    }
}
