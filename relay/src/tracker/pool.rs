//! Peers of which any can be drawn, found and removed at once.

use super::{Map, random::Random};
use std::hash::Hash;

/// Where a peer was found last, which spares looking it up: it mostly is still there. Right or wrong, it harms nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place(usize);

impl Default for Place {
    /// Nowhere.
    fn default() -> Self {
        Self(usize::MAX)
    }
}

/// Peers of one kind, with their keys. Any of them can be drawn, found and removed in constant time.
#[derive(Debug)]
pub(crate) struct Pool<K, P> {
    peers: Vec<(K, P)>,
    places: Map<K, usize>,
}

impl<K, P> Default for Pool<K, P> {
    fn default() -> Self {
        Self { peers: Vec::new(), places: Map::default() }
    }
}

impl<K: Copy + Eq + Hash, P> Pool<K, P> {
    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }

    pub(crate) fn get(&self, key: &K) -> Option<&P> {
        self.places.get(key).map(|&place| &self.peers[place].1)
    }

    /// Looks at `place` first, and notes there where the peer is.
    fn get_mut(&mut self, key: &K, place: &mut Place) -> Option<&mut P> {
        if self.peers.get(place.0).is_none_or(|(found, _)| found != key) {
            *place = Place(*self.places.get(key)?);
        }
        self.peers.get_mut(place.0).map(|(_, peer)| peer)
    }

    pub(crate) fn insert(&mut self, key: K, peer: P) -> Option<P> {
        match self.places.get(&key) {
            Some(&place) => Some(std::mem::replace(&mut self.peers[place].1, peer)),
            None => {
                self.places.insert(key, self.peers.len());
                self.peers.push((key, peer));
                None
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<P> {
        let place = self.places.remove(key)?;
        let (_, peer) = self.peers.swap_remove(place);
        if let Some((moved, _)) = self.peers.get(place) {
            self.places.insert(*moved, place);
        }
        Some(peer)
    }

    /// Removes those for which `gone` says so, and shows each of them.
    pub(crate) fn remove_all(&mut self, gone: impl Fn(&P) -> bool, mut removed: impl FnMut(P)) {
        let keys: Vec<K> = self.peers.iter().filter(|(_, peer)| gone(peer)).map(|(key, _)| *key).collect();
        keys.iter().filter_map(|key| self.remove(key)).for_each(&mut removed);
        if self.peers.is_empty() {
            *self = Self::default();
        }
    }
}

/// The peers of a torrent that connect to each other, by what they have. A peer is in one of the pools.
#[derive(Debug)]
pub(crate) struct Group<K, P> {
    /// Those that lack something.
    pub(crate) leechers: Pool<K, P>,
    /// Those that have everything.
    pub(crate) seeds: Pool<K, P>,
}

impl<K, P> Default for Group<K, P> {
    fn default() -> Self {
        Self { leechers: Pool::default(), seeds: Pool::default() }
    }
}

impl<K: Copy + Eq + Hash, P> Group<K, P> {
    pub(crate) fn len(&self) -> usize {
        self.leechers.len() + self.seeds.len()
    }

    pub(crate) fn get(&self, key: &K) -> Option<&P> {
        self.leechers.get(key).or_else(|| self.seeds.get(key))
    }

    /// A peer that is where it belongs, to be changed there: one look at most where [`get`](Self::get) and
    /// [`insert`](Self::insert) need four. `place` is what the last call for this peer left there.
    pub(crate) fn get_mut(&mut self, key: &K, is_seed: bool, place: &mut Place) -> Option<&mut P> {
        let pool = if is_seed { &mut self.seeds } else { &mut self.leechers };
        pool.get_mut(key, place)
    }

    pub(crate) fn insert(&mut self, key: K, peer: P, is_seed: bool) -> Option<P> {
        let (into, other) =
            if is_seed { (&mut self.seeds, &mut self.leechers) } else { (&mut self.leechers, &mut self.seeds) };
        let before = other.remove(&key);
        into.insert(key, peer).or(before)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<P> {
        self.leechers.remove(key).or_else(|| self.seeds.remove(key))
    }

    pub(crate) fn remove_all(&mut self, gone: impl Fn(&P) -> bool, mut removed: impl FnMut(P)) {
        self.leechers.remove_all(&gone, &mut removed);
        self.seeds.remove_all(&gone, &mut removed);
    }

    /// Random peers for one of them: at most `count`, never itself, and no seeds for a seed, which they cannot help.
    pub(crate) fn draw(&self, own: &K, is_seed: bool, count: usize, random: &mut Random) -> Vec<&(K, P)> {
        let leechers = self.leechers.len();
        let end = if is_seed { leechers } else { self.len() };
        if count == 0 {
            return Vec::new();
        }
        // One more, which may turn out to be itself.
        let places = random.sample(count.saturating_add(1), end);
        let at = |place: usize| match place.checked_sub(leechers) {
            None => &self.leechers.peers[place],
            Some(place) => &self.seeds.peers[place],
        };
        places.into_iter().map(at).filter(|(key, _)| key != own).take(count).collect()
    }
}
