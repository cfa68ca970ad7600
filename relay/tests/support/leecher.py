"""A leecher on loopback, libtorrent: python3 leecher.py TORRENT FOLDER; downloads into the folder, knowing nobody but the
torrent's tracker, and ends when it has everything."""
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
})
torrent = libtorrent.add_torrent_params()
torrent.ti = libtorrent.torrent_info(sys.argv[1])
torrent.save_path = sys.argv[2]
handle = session.add_torrent(torrent)
while not handle.status().is_seeding:
    session.wait_for_alert(100)
    session.pop_alerts()
