"""A peer on loopback, libtorrent, knowing nobody but its torrents' trackers.

python3 torrent_peer.py seed FOLDER [BYTES_PER_S]: seeds each .torrent named on a line of its input out of the folder, and
says its info hash once a tracker knows. On "uploaded" it says how many bytes of torrents it sent since its start.
python3 torrent_peer.py leech TORRENT FOLDER: downloads into the folder, and ends when it has everything.
"""
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
    "alert_mask": libtorrent.alert.category_t.tracker_notification | libtorrent.alert.category_t.error_notification,
})
# A peer on loopback is local, and local peers are not limited unless one says so.
everyone = libtorrent.ip_filter()
everyone.add_rule("0.0.0.0", "255.255.255.255", 1 << libtorrent.session.global_peer_class_id)
session.set_peer_class_filter(everyone)


def add(path, folder, flags=0):
    torrent = libtorrent.add_torrent_params()
    torrent.ti = libtorrent.torrent_info(path)
    torrent.save_path = folder
    torrent.flags |= flags
    return session.add_torrent(torrent)


def seed(folder, bytes_per_s="0"):
    session.apply_settings({"upload_rate_limit": int(bytes_per_s)})
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() == "uploaded":
            print(sum(handle.status().total_payload_upload for handle in session.get_torrents()), flush=True)
            continue
        handle = add(line.strip(), folder, libtorrent.torrent_flags.seed_mode)
        announced = False
        while not announced:
            session.wait_for_alert(1000)
            for alert in session.pop_alerts():
                print(alert.message(), file=sys.stderr, flush=True)
                announced = announced or isinstance(alert, libtorrent.tracker_reply_alert)
        print(handle.info_hash(), flush=True)


def leech(path, folder):
    handle = add(path, folder)
    while not handle.status().is_seeding:
        session.wait_for_alert(100)
        session.pop_alerts()


{"seed": seed, "leech": leech}[sys.argv[1]](*sys.argv[2:])
