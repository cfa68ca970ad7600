//! A large film: what streaming it costs, and how fast it is read when it is there.

use super::{Client, Film, Swarm, Table, client::Kind, http, kinds};
use crate::swarm::remote::cpu_seconds;
use anyhow::{Context as _, Result};
use std::{
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    time::{Duration, Instant},
};
use streamshare_tests::{Case, Process, bound, median, pss_kib};
use url::Url;

const PIECE_KIB: u32 = 1024;
/// How often each streams the film out of the swarm.
const DOWNLOADS: usize = 3;
/// How often the finished film is read from each.
const READS: usize = 5;
/// How long nginx may take to start.
const LIMIT: Duration = Duration::from_secs(10);

pub(super) fn memory(case: &Case, mut swarm: Swarm) -> Result<()> {
    swarm.near();
    let torrent = swarm.seed(Film::Large, PIECE_KIB)?;
    let mut peak = Table::new("peak memory (RSS)", "MiB");
    let mut share = Table::new("memory (PSS) at the end", "MiB");
    let mut cpu = Table::new("CPU", "s per GB");
    let mut speed = Table::new("speed", "MB/s");
    for _ in 0..DOWNLOADS {
        for kind in kinds() {
            let mut client = Client::start(case, kind)?;
            let before = cpu_seconds(client.id())?;
            let begun = Instant::now();
            let url = client.open(&torrent)?;
            #[allow(clippy::cast_precision_loss, reason = "some megabytes")]
            let gb = read_all(&url).with_context(|| kind.name())? as f64 / 1e9;
            speed.add(kind, gb * 1e3 / begun.elapsed().as_secs_f64());
            cpu.add(kind, (cpu_seconds(client.id())? - before) / gb);
            peak.add(kind, peak_mib(client.id())?);
            #[allow(clippy::cast_precision_loss, reason = "some megabytes")]
            share.add(kind, pss_kib(client.id())?.0 as f64 / 1024.0);
        }
    }
    for table in [peak, share, cpu, speed] {
        table.print();
    }
    Ok(())
}

pub(super) fn finished(case: &Case, mut swarm: Swarm) -> Result<()> {
    swarm.near();
    let torrent = swarm.seed(Film::Large, PIECE_KIB)?;
    let (nginx, plain) = nginx(case, &Film::Large.file()?)?;
    let mut clients = Vec::new();
    for kind in kinds() {
        let mut client = Client::start(case, kind)?;
        let url = client.open(&torrent)?;
        read_all(&url).with_context(|| kind.name())?;
        clients.push((kind, client, url));
    }
    let mut table = Table::new("a finished file over HTTP", "GB/s");
    let mut beside = Vec::new();
    for _ in 0..READS {
        beside.push(gb_a_second(&plain)?);
        for (kind, _, url) in &clients {
            table.add(*kind, gb_a_second(url)?);
        }
    }
    drop(nginx);
    table.print();
    println!("    {:10} {:8.3}   {beside:.2?}", "nginx", median(&beside));
    if let Some((_, ours)) = table.rows.iter().find(|(kind, _)| *kind == Kind::Ours) {
        println!("    ours is {:.2} times nginx", median(ours) / median(&beside));
    }
    Ok(())
}

fn gb_a_second(url: &Url) -> Result<f64> {
    let begun = Instant::now();
    #[allow(clippy::cast_precision_loss, reason = "some megabytes")]
    let bytes = read_all(url)? as f64;
    Ok(bytes / 1e9 / begun.elapsed().as_secs_f64())
}

fn read_all(url: &Url) -> Result<u64> {
    let mut body = http::get(url, Some(0))?;
    let (mut buffer, mut sum) = (vec![0; 256 * 1024], 0);
    loop {
        match body.read(&mut buffer)? {
            0 => return Ok(sum),
            bytes => sum += bytes as u64,
        }
    }
}

/// A process's largest memory so far, in MiB.
fn peak_mib(id: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).context("read a process's memory")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("a process's memory")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().context("read a process's memory")?;
    Ok(kib / 1024.0)
}

/// A plain server of the folder that a file is in; the file's address.
fn nginx(case: &Case, file: &Path) -> Result<(Process, Url)> {
    let addr = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a port")?.local_addr()?;
    let (folder, name) = (file.parent().context("a folder")?, file.file_name().context("a name")?);
    let config = case.scratch().join("nginx.conf");
    let scratch = case.scratch().display();
    // Debian's own choice but for the folders: the kernel sends the file.
    let text = format!(
        "worker_processes 1; daemon off; pid {scratch}/nginx.pid; user root; error_log {scratch}/nginx.log;
        events {{ worker_connections 64; }}
        http {{
            access_log off; sendfile on; tcp_nopush on;
            client_body_temp_path {scratch}/body; proxy_temp_path {scratch}/proxy; fastcgi_temp_path {scratch}/fastcgi;
            uwsgi_temp_path {scratch}/uwsgi; scgi_temp_path {scratch}/scgi;
            server {{ listen {addr}; root {}; }}
        }}",
        folder.display()
    );
    std::fs::write(&config, text).context("write nginx's configuration")?;
    // Debian's is in /usr/sbin, which is not everybody's path.
    let program = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
    let mut command = bound(program)?;
    command.arg("-p").arg(case.scratch()).arg("-c").arg(&config);
    let process = Process::spawn("nginx", &mut command, &case.log("nginx"))?;
    let end = Instant::now() + LIMIT;
    while TcpStream::connect(addr).is_err() {
        anyhow::ensure!(Instant::now() < end, "nginx does not start");
        std::thread::sleep(Duration::from_millis(10));
    }
    let url = Url::parse(&format!("http://{addr}/{}", name.to_string_lossy())).context("make an address")?;
    Ok((process, url))
}
