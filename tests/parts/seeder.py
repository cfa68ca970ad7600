"""A seeder on loopback, libtorrent: python3 seeder.py FOLDER [BYTES_PER_S]; seeds each .torrent named on a line of its
input out of the folder, and says its info hash once a tracker knows. On "uploaded" it says how many bytes of torrents it
sent since its start."""
import sys

import libtorrent

session = libtorrent.session({
    "listen_interfaces": "127.0.0.1:0",
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_incoming_utp": False,
    "enable_outgoing_utp": False,
    "allow_multiple_connections_per_ip": True,
    "upload_rate_limit": int(sys.argv[2]) if len(sys.argv) > 2 else 0,
    "alert_mask": libtorrent.alert.category_t.tracker_notification | libtorrent.alert.category_t.error_notification,
})
# A seeder on loopback is local, and local peers are not limited unless one says so.
everyone = libtorrent.ip_filter()
everyone.add_rule("0.0.0.0", "255.255.255.255", 1 << libtorrent.session.global_peer_class_id)
session.set_peer_class_filter(everyone)
print("ready", flush=True)
for line in sys.stdin:
    if line.strip() == "uploaded":
        print(sum(handle.status().total_payload_upload for handle in session.get_torrents()), flush=True)
        continue
    torrent = libtorrent.add_torrent_params()
    torrent.ti = libtorrent.torrent_info(line.strip())
    torrent.save_path = sys.argv[1]
    torrent.flags |= libtorrent.torrent_flags.seed_mode
    session.add_torrent(torrent)
    announced = False
    while not announced:
        session.wait_for_alert(1000)
        for alert in session.pop_alerts():
            print(alert.message(), file=sys.stderr, flush=True)
            announced = announced or isinstance(alert, libtorrent.tracker_reply_alert)
    print(torrent.ti.info_hash(), flush=True)
