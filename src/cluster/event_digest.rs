//! The number that stands for an event in the fingerprint of a run: component, variant, and what it is about.
//!
//! It holds nothing that an idle addition would shift: workloads and Services go by the keys of their names and faults by
//! theirs, never by their places in a list. It is no text and takes a few instructions. What the events mean
//! belongs to `event` and to the components.

use super::access::AccessEvent;
use super::blueprint::Blueprint;
use super::churn::ChurnEvent;
use super::cilium::agent::AgentEvent;
use super::deployment::DeploymentEvent;
use super::endpoint_slice::EndpointSliceEvent;
use super::event::Event;
use super::history::VersionIndex;
use super::ids::{KindId, ServiceId};
use super::istio::injection::AdmissionEvent;
use super::istio::istiod::{IstiodEvent, Request};
use super::istio::sidecar::SidecarEvent;
use super::judge::JudgeEvent;
use super::kubelet::KubeletEvent;
use super::node_lifecycle::NodeLifecycleEvent;
use super::objects::Write;
use super::replica_set::ReplicaSetEvent;
use super::scheduler::SchedulerEvent;
use super::script::ScriptEvent;
use crate::kernel::EntityKey;

/// A variant and up to two numbers about it.
type Parts = (u64, u64, u64);

/// The digest of an event in a design.
#[must_use]
pub fn digest(event: &Event, blueprint: &Blueprint) -> u64 {
    let (component, whose, (variant, what, detail)) = match event {
        Event::Fault(fault, starts) => (0, 0, (u64::from(*starts), fault_name(*fault, blueprint), 0)),
        Event::Commit(write) => (1, 0, of_write(write, blueprint)),
        Event::Deployment(event) => (2, 0, of_deployment(*event, blueprint)),
        Event::ReplicaSet(event) => (3, 0, of_replica_set(*event)),
        Event::Scheduler(event) => (4, 0, of_scheduler(*event)),
        Event::NodeLifecycle(event) => (5, 0, of_node_lifecycle(*event)),
        Event::EndpointSlice(event) => (6, 0, of_endpoint_slice(*event, blueprint)),
        Event::Kubelet(node, event) => (7, u64::from(node.0), of_kubelet(*event)),
        Event::Agent(node, event) => (8, u64::from(node.0), of_agent(*event)),
        Event::Istiod(istiod, event) => (9, u64::from(istiod.0), of_istiod(*event, blueprint)),
        Event::Sidecar(pod, event) => (10, u64::from(pod.0), of_sidecar(*event)),
        Event::Script(event) => (11, 0, of_script(*event)),
        Event::Churn(event) => (12, 0, of_churn(*event)),
        Event::Access(access, event) => (13, u64::from(*access), of_access(*event)),
        Event::Judge(event) => (14, 0, of_judge(*event, blueprint)),
        Event::Admission(event) => (15, 0, of_admission(*event)),
    };
    // Odd multipliers lose no bit of either number; the rotations keep small numbers apart.
    let what = (what ^ whose << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let detail = detail.wrapping_mul(0xc2b2_ae3d_27d4_eb4f).rotate_left(29);
    what.rotate_left(17) ^ detail ^ (variant << 8 | component)
}

fn kind(kind: KindId, blueprint: &Blueprint) -> u64 {
    blueprint.kind(kind).key.get()
}

fn service(service: ServiceId, blueprint: &Blueprint) -> u64 {
    blueprint.service_key(service).get()
}

fn fault_name(fault: u32, blueprint: &Blueprint) -> u64 {
    EntityKey::root(&blueprint.spec.faults[fault as usize].name).get()
}

const fn version(index: VersionIndex) -> u64 {
    index.get() as u64
}

fn of_write(write: &Write, blueprint: &Blueprint) -> Parts {
    match write {
        Write::ScaleDeployment(of, replicas) => (0, kind(*of, blueprint), u64::from(*replicas)),
        Write::RestartDeployment(of) => (1, kind(*of, blueprint), 0),
        Write::CreatePod(pod, set) => (2, u64::from(pod.0), set.map_or(u64::MAX, |set| u64::from(set.0))),
        Write::BindPod(pod, node) => (3, u64::from(pod.0), u64::from(node.0)),
        Write::ReportAddress(pod, ip) => (4, u64::from(pod.0), u64::from(u32::from(*ip))),
        Write::ReportRunning(pod, ip) => (5, u64::from(pod.0), u64::from(u32::from(*ip))),
        Write::ReportReady(pod, ip) => (6, u64::from(pod.0), u64::from(u32::from(*ip))),
        Write::MarkNotReady(pod) => (7, u64::from(pod.0), 0),
        Write::DeletePod(pod) => (8, u64::from(pod.0), 0),
        Write::RemovePod(pod) => (9, u64::from(pod.0), 0),
        Write::PublishEndpoint(endpoint) => (10, u64::from(endpoint.pod.0), u64::from(u32::from(endpoint.ip))),
        Write::RemoveEndpoint(endpoint) => (11, u64::from(endpoint.pod.0), u64::from(u32::from(endpoint.ip))),
        Write::CreateIdentity(_, node, pod) => (12, u64::from(pod.0), u64::from(node.0)),
        Write::WriteSlice(of, backends) => (13, service(*of, blueprint), backends.len() as u64),
        Write::SetNodeReady(node, ready) => (14, u64::from(node.0), u64::from(*ready)),
    }
}

fn of_deployment(event: DeploymentEvent, blueprint: &Blueprint) -> Parts {
    match event {
        DeploymentEvent::Scaled(of, replicas) => (0, kind(of, blueprint), u64::from(replicas)),
        DeploymentEvent::Restarted(of) => (1, kind(of, blueprint), 0),
        DeploymentEvent::PodsChanged(of, seen) => (2, kind(of, blueprint), u64::from(seen)),
        DeploymentEvent::Sync(of) => (3, kind(of, blueprint), 0),
    }
}

fn of_replica_set(event: ReplicaSetEvent) -> Parts {
    match event {
        ReplicaSetEvent::Resized(set, size) => (0, u64::from(set.0), u64::from(size)),
        ReplicaSetEvent::Sync(set) => (1, u64::from(set.0), 0),
        ReplicaSetEvent::Request(set, pod) => (2, u64::from(set.0), u64::from(pod.0)),
        ReplicaSetEvent::Created(set, pod) => (3, u64::from(set.0), u64::from(pod.0)),
        ReplicaSetEvent::Refused(set, pod) => (4, u64::from(set.0), u64::from(pod.0)),
        ReplicaSetEvent::Changed(set, pod, seen) => (5, u64::from(set.0), u64::from(pod.0) | u64::from(seen) << 32),
    }
}

fn of_scheduler(event: SchedulerEvent) -> Parts {
    match event {
        SchedulerEvent::Created(pod) => (0, u64::from(pod.0), 0),
        SchedulerEvent::Removed(pod) => (1, u64::from(pod.0), 0),
        SchedulerEvent::NodeReady(node, ready) => (2, u64::from(node.0), u64::from(ready)),
        SchedulerEvent::Cycle => (3, 0, 0),
        SchedulerEvent::Retry(pod) => (4, u64::from(pod.0), 0),
    }
}

fn of_node_lifecycle(event: NodeLifecycleEvent) -> Parts {
    match event {
        NodeLifecycleEvent::Cut(node) => (0, u64::from(node.0), 0),
        NodeLifecycleEvent::Repaired(node) => (1, u64::from(node.0), 0),
        NodeLifecycleEvent::GiveUp(node) => (2, u64::from(node.0), 0),
        NodeLifecycleEvent::Evict(node) => (3, u64::from(node.0), 0),
        NodeLifecycleEvent::Return(node) => (4, u64::from(node.0), 0),
    }
}

fn of_endpoint_slice(event: EndpointSliceEvent, blueprint: &Blueprint) -> Parts {
    match event {
        EndpointSliceEvent::PodChanged(pod, seen) => (0, u64::from(pod.0), u64::from(seen)),
        EndpointSliceEvent::Sync(of) => (1, service(of, blueprint), 0),
    }
}

fn of_kubelet(event: KubeletEvent) -> Parts {
    let (variant, pod) = match event {
        KubeletEvent::Assigned(pod) => (0, pod),
        KubeletEvent::Deleted(pod) => (1, pod),
        KubeletEvent::SandboxReady(pod) => (2, pod),
        KubeletEvent::NetworkReady(pod) => (3, pod),
        KubeletEvent::NetworkFailed { pod, limited } => return (4, u64::from(pod.0), u64::from(limited)),
        KubeletEvent::ContainersUp(pod) => (5, pod),
        KubeletEvent::ReportAddress(pod) => (6, pod),
        KubeletEvent::ReportRunning(pod) => (7, pod),
        KubeletEvent::ReportReady(pod) => (8, pod),
        KubeletEvent::Stopped(pod) => (9, pod),
        KubeletEvent::SandboxGone(pod) => (10, pod),
        KubeletEvent::Repaired => return (11, 0, 0),
        KubeletEvent::SetUp(pod) => (12, pod),
        KubeletEvent::MakeSandbox(pod) => (13, pod),
        KubeletEvent::InitSeen(pod) => (14, pod),
        KubeletEvent::ApiAnswered => return (15, 0, 0),
    };
    (variant, u64::from(pod.0), 0)
}

fn of_agent(event: AgentEvent) -> Parts {
    match event {
        AgentEvent::Add(pod) => (0, u64::from(pod.0), 0),
        AgentEvent::Admitted(pod) => (1, u64::from(pod.0), 0),
        AgentEvent::Identified(pod) => (2, u64::from(pod.0), 0),
        AgentEvent::Built(pod) => (3, u64::from(pod.0), 0),
        AgentEvent::Publish(endpoint) => (4, u64::from(endpoint.pod.0), u64::from(u32::from(endpoint.ip))),
        AgentEvent::Delete(pod) => (5, u64::from(pod.0), 0),
        AgentEvent::Repaired => (6, 0, 0),
        AgentEvent::Refused(pod) => (7, u64::from(pod.0), 0),
        AgentEvent::GiveUp(pod, asked) => (8, u64::from(pod.0), asked.as_nanos()),
        AgentEvent::Create(endpoint) => (9, u64::from(endpoint.pod.0), u64::from(u32::from(endpoint.ip))),
        AgentEvent::SyncAgain(pod) => (10, u64::from(pod.0), 0),
        AgentEvent::Unanswered(pod) => (11, u64::from(pod.0), 0),
        AgentEvent::TimedOut(pod) => (12, u64::from(pod.0), 0),
    }
}

fn of_istiod(event: IstiodEvent, blueprint: &Blueprint) -> Parts {
    let of_request = |request: Request, passed: u64| {
        let Request {
            pod,
            leg,
            serial,
            number,
            closes_at: _,
        } = request;
        let which = u64::from(serial) << 34 | u64::from(number) << 2 | (leg as u64) << 1 | passed;
        (u64::from(pod.0), which)
    };
    match event {
        IstiodEvent::Start(pod) => (0, u64::from(pod.0), 0),
        IstiodEvent::Serving(pod) => (1, u64::from(pod.0), 0),
        IstiodEvent::SliceSeen(of, seen) => (2, service(of, blueprint), version(seen)),
        IstiodEvent::Debounced => (3, 0, 0),
        IstiodEvent::Request(request) => {
            let (pod, which) = of_request(request, 0);
            (4, pod, which)
        }
        IstiodEvent::Reviewed(request, passed) => {
            let (pod, which) = of_request(request, u64::from(passed));
            (5, pod, which)
        }
        IstiodEvent::Repaired => (6, 0, 0),
    }
}

fn of_sidecar(event: SidecarEvent) -> Parts {
    match event {
        SidecarEvent::Start => (0, 0, 0),
        SidecarEvent::AgentUp => (1, 0, 0),
        SidecarEvent::KeyReady => (2, 0, 0),
        SidecarEvent::Syn(leg, serial) => (3, leg as u64, u64::from(serial)),
        SidecarEvent::Connected(leg, serial) => (4, leg as u64, u64::from(serial)),
        SidecarEvent::ConnectTimeout(leg, serial) => (5, leg as u64, u64::from(serial)),
        SidecarEvent::ChannelRedials(serial) => (6, 0, u64::from(serial)),
        SidecarEvent::AttemptAgain => (7, 0, 0),
        SidecarEvent::CallerWakes(caller) => (8, caller as u64, 0),
        SidecarEvent::Answer(leg, serial, number, answer) => (
            9,
            (leg as u64) << 8 | answer as u64,
            u64::from(serial) << 32 | u64::from(number),
        ),
        SidecarEvent::StreamRetries => (10, 0, 0),
        SidecarEvent::StreamAged(serial) => (11, 0, u64::from(serial)),
        SidecarEvent::Live => (12, 0, 0),
    }
}

fn of_script(event: ScriptEvent) -> Parts {
    match event {
        ScriptEvent::Begin => (0, 0, 0),
        ScriptEvent::Next => (1, 0, 0),
        ScriptEvent::Look => (2, 0, 0),
        ScriptEvent::Timeout(step) => (3, u64::from(step), 0),
        ScriptEvent::ProbeDone { not_up } => (4, u64::from(not_up), 0),
        ScriptEvent::ProbeAgain => (5, 0, 0),
        ScriptEvent::NoProgress => (6, 0, 0),
    }
}

fn of_churn(event: ChurnEvent) -> Parts {
    match event {
        ChurnEvent::Begin(process) => (0, u64::from(process), 0),
        ChurnEvent::Create(process) => (1, u64::from(process), 0),
        ChurnEvent::Delete(pod) => (2, u64::from(pod.0), 0),
    }
}

fn of_access(event: AccessEvent) -> Parts {
    match event {
        AccessEvent::Syn => (0, 0, 0),
        AccessEvent::Answered => (1, 0, 0),
        AccessEvent::TimedOut => (2, 0, 0),
    }
}

fn of_judge(event: JudgeEvent, blueprint: &Blueprint) -> Parts {
    match event {
        JudgeEvent::Connected(pod) => (0, u64::from(pod.0), 0),
        JudgeEvent::EndpointWritten(ip, index) => (1, u64::from(u32::from(ip)), version(index)),
        JudgeEvent::SliceWritten(of, index) => (2, service(of, blueprint), version(index)),
        JudgeEvent::SnapshotWritten(istiod, of, index) => {
            (3, service(of, blueprint), u64::from(istiod.0) << 32 | version(index))
        }
        JudgeEvent::Released(pod, ip) => (4, u64::from(pod.0), u64::from(u32::from(ip))),
        JudgeEvent::Recheck(pair) => (5, u64::from(pair), 0),
        JudgeEvent::ReadsAgain(node) => (6, u64::from(node.0), 0),
        JudgeEvent::IdentityWritten(index) => (7, 0, version(index)),
    }
}

fn of_admission(event: AdmissionEvent) -> Parts {
    match event {
        AdmissionEvent::Ask(pod, set) => (0, u64::from(pod.0), set.map_or(u64::MAX, |set| u64::from(set.0))),
        AdmissionEvent::Connected(call) => (1, call, 0),
        AdmissionEvent::Refused(call) => (2, call, 0),
        AdmissionEvent::Answered(call) => (3, call, 0),
        AdmissionEvent::Failed(call) => (4, call, 0),
    }
}
