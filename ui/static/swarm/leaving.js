// Whether others would miss this page.

/**
 * Whether somebody who is connected lacks something that is here. Of what the person shares that is enough: others came for
 * it. Of anything else only what none of the others has counts, since then it would be lost.
 */
export function isNeeded({ torrent, own }) {
  const peers = torrent.wires.filter((wire) => !wire.destroyed).map(({ peerPieces }) => peerPieces);
  if (peers.length === 0 || !torrent.bitfield) return false;
  for (let index = 0; index < torrent.pieces.length; index += 1) {
    if (!torrent.bitfield.get(index)) continue;
    const having = peers.filter((pieces) => pieces.get(index)).length;
    if (own ? having < peers.length : having === 0) return true;
  }
  return false;
}
