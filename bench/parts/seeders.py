"""Seeders on loopback, libtorrent, each a session of its own that knows nobody.

python3 seeders.py COUNT FOLDER: says `ports P1 P2 ...`, then seeds each .torrent named on a line of its input out of the
folder, from all of them, and says its info hash.
"""
import sys

import libtorrent


def session():
    # What is uploaded is limited by whoever stands in front, not here.
    made = libtorrent.session({
        "listen_interfaces": "127.0.0.1:0",
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "enable_incoming_utp": False,
        "enable_outgoing_utp": False,
        "allow_multiple_connections_per_ip": True,
        "unchoke_slots_limit": 64,
        "close_redundant_connections": False,
        # What waits in the program or the system for a slow line cannot be cancelled, for nobody.
        "send_buffer_watermark": 32 * 1024,
        "send_socket_buffer_size": 32 * 1024,
    })
    return made


sessions = [session() for _ in range(int(sys.argv[1]))]
folder = sys.argv[2]
print("ports", *[made.listen_port() for made in sessions], flush=True)
for line in sys.stdin:
    for made in sessions:
        torrent = libtorrent.add_torrent_params()
        torrent.ti = libtorrent.torrent_info(line.strip())
        torrent.save_path = folder
        torrent.flags |= libtorrent.torrent_flags.seed_mode
        torrent.flags &= ~libtorrent.torrent_flags.auto_managed
        torrent.flags &= ~libtorrent.torrent_flags.paused
        handle = made.add_torrent(torrent)
    print(handle.info_hash(), flush=True)
