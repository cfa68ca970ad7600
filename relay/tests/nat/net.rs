//! A small internet of network namespaces: a public network, and routers with private networks behind them.
//!
//! The namespaces have no names. They end with the threads and processes that are in them, so that nothing is left however
//! a test ends.

use nix::sched::{CloneFlags, setns, unshare};
use std::{
    fs::File,
    io::Write,
    process::{Command, Stdio},
    sync::{Arc, mpsc},
    time::Duration,
};
use tokio::runtime::Runtime;

/// The public network's own address: everybody reaches it.
pub(crate) const PUBLIC: &str = "198.51.100.1";

/// How a router translates addresses (RFC 4787).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Nat {
    /// A port of the inside has the same port outside whoever it speaks with, and lets in only whom it spoke to: what most
    /// routers at home do. Linux keeps a port that is free.
    Cone,
    /// A port outside for each partner, drawn at random: what some companies and mobile networks do.
    Symmetric,
}

/// A machine with a network of its own.
pub(crate) struct Host {
    thread: u32,
    runtime: Option<Runtime>,
    /// Keeps the namespace while nothing else does.
    _namespace: Arc<File>,
    _keeper: mpsc::Sender<()>,
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

impl Host {
    /// A machine without any cable.
    fn new() -> Self {
        let (keeper, kept) = mpsc::channel::<()>();
        let (sender, made) = mpsc::channel();
        std::thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            let link = std::fs::read_link("/proc/thread-self").unwrap();
            let thread: u32 = link.file_name().unwrap().to_str().unwrap().parse().unwrap();
            sender.send((thread, File::open("/proc/thread-self/ns/net").unwrap())).unwrap();
            // Ends when the host is dropped.
            let _ = kept.recv();
        });
        let (thread, namespace) = made.recv().unwrap();
        let namespace = Arc::new(namespace);
        let entered = namespace.clone();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .on_thread_start(move || setns(&*entered, CloneFlags::CLONE_NEWNET).unwrap())
            .enable_all()
            .build()
            .unwrap();
        let host = Self { thread, runtime: Some(runtime), _namespace: namespace, _keeper: keeper };
        host.run("ip link set lo up");
        host
    }

    /// Does something on this machine: sockets, threads and processes that it makes are there.
    pub(crate) async fn on<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        self.runtime.as_ref().unwrap().spawn(work).await.unwrap()
    }

    /// Runs shell commands on this machine.
    pub(crate) fn run(&self, script: &str) -> String {
        let script = format!("set -e\n{script}");
        let work = async move {
            let mut shell = Command::new("sh");
            shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut shell = shell.spawn().unwrap();
            shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
            let output = shell.wait_with_output().unwrap();
            assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        let (sender, done) = mpsc::channel();
        self.runtime.as_ref().unwrap().spawn(async move { sender.send(work.await) });
        done.recv().expect("the commands work")
    }
}

/// The public network. What is for nobody in it vanishes without a word, as elsewhere.
pub(crate) fn internet() -> Host {
    let internet = Host::new();
    internet.run(&format!(
        "ip link add net type bridge && ip addr add {PUBLIC}/24 dev net && ip link set net up
         ip link add nowhere type veth peer name hole && ip link set hole up
         ip link set nowhere arp off up && ip route add default dev nowhere"
    ));
    internet
}

/// Two machines with a cable between them, and addresses of IPv6 that are good there only (RFC 4193): no others at all.
pub(crate) fn neighbours() -> (Host, Host) {
    let (left, right) = (Host::new(), Host::new());
    left.run(&format!("ip link add eth type veth peer name eth netns {}", right.thread));
    for (host, number) in [(&left, 1), (&right, 2)] {
        host.run(&format!("ip addr add fd00:5::{number}/64 dev eth nodad && ip link set eth up"));
    }
    (left, right)
}

/// A machine in a private network, and the router that leads from there into the public one. `number` from 2 on is its
/// own: the router is 198.51.100.NUMBER, the machine 192.168.NUMBER.2.
pub(crate) fn behind(internet: &Host, nat: Nat, number: u8) -> (Host, Host) {
    let (router, machine) = (Host::new(), Host::new());
    internet.run(&format!(
        "ip link add to{number} type veth peer name wan netns {} && ip link set to{number} master net up",
        router.thread
    ));
    let masquerade = match nat {
        Nat::Cone => "masquerade",
        Nat::Symmetric => "masquerade fully-random",
    };
    // What nobody asked for is dropped without a word. An answer (port unreachable) would make Linux remember the port as
    // taken, and give another one to whoever has it inside.
    router.run(&format!(
        "ip link add lan type veth peer name eth netns {}
         ip addr add 198.51.100.{number}/24 dev wan && ip link set wan up
         ip addr add 192.168.{number}.1/24 dev lan && ip link set lan up
         echo 1 > /proc/sys/net/ipv4/ip_forward
         nft -f - << 'END'
         table ip router {{
           counter public {{}}
           counter others {{}}
           chain out {{
             type nat hook postrouting priority 100
             oifname wan {masquerade}
           }}
           chain own {{
             type filter hook input priority 0
             iifname wan ct state != {{ established, related }} drop
           }}
           chain through {{
             type filter hook forward priority 0
             iifname wan ct state != {{ established, related }} drop
             meta l4proto udp ip saddr {PUBLIC} counter name public
             meta l4proto udp ip daddr {PUBLIC} counter name public
             meta l4proto udp ip saddr != {PUBLIC} iifname wan counter name others
             meta l4proto udp ip daddr != {PUBLIC} oifname wan counter name others
           }}
         }}\nEND\n",
        machine.thread
    ));
    machine.run(&format!(
        "ip addr add 192.168.{number}.2/24 dev eth && ip link set eth up && ip route add default via 192.168.{number}.1"
    ));
    (router, machine)
}

/// Bytes of UDP that a router passed on, both ways: to and from the public network's machine, and to and from others.
pub(crate) fn passed(router: &Host) -> (u64, u64) {
    let bytes = |counter: &str| -> u64 {
        let text = router.run(&format!("nft list counter ip router {counter}"));
        text.split_whitespace().skip_while(|word| *word != "bytes").nth(1).unwrap().parse().unwrap()
    };
    (bytes("public"), bytes("others"))
}
