//! Ids that nobody can guess, from random bytes. The alphabet leaves out what is easily misread (Crockford's base32).

use streamshare_protocol::{ResumeKey, RoomId};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Letters of a room's id: 60 bits, so that rooms of a public relay cannot be found by trying.
pub(crate) const ROOM_LETTERS: usize = 12;
/// Letters of a resume key: 130 bits, for it stands for a person's place.
pub(crate) const KEY_LETTERS: usize = 26;

/// A room's id from random bytes.
fn room_id(random: &[u8; ROOM_LETTERS]) -> RoomId {
    RoomId::new(&letters(random)).expect("the alphabet and the length are legal")
}

/// A resume key from random bytes.
fn resume_key(random: &[u8; KEY_LETTERS]) -> ResumeKey {
    ResumeKey::new(&letters(random)).expect("the alphabet and the length are legal")
}

/// A room that nobody was in.
pub(crate) fn new_room() -> RoomId {
    room_id(&random())
}

/// A key that nobody has.
pub(crate) fn new_key() -> ResumeKey {
    resume_key(&random())
}

/// Bytes from the browser's source of randomness.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let crypto = web_sys::window().expect("a page has a window").crypto().expect("every supported browser has it");
    crypto.get_random_values_with_u8_array(&mut bytes).expect("fewer bytes than the API's cap of 65536");
    bytes
}

/// One letter for each byte, by its low five bits: 256 is a multiple of 32, so every letter is equally likely.
fn letters(random: &[u8]) -> String {
    random.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_gives_a_letter_and_every_letter_is_as_likely() {
        let all: Vec<u8> = (0..=255).collect();
        let text = letters(&all);
        for letter in ALPHABET {
            assert_eq!(text.bytes().filter(|b| b == letter).count(), 8);
        }
        assert_eq!(room_id(&[0; ROOM_LETTERS]).as_str(), "000000000000");
        assert_eq!(resume_key(&[255; KEY_LETTERS]).as_str().len(), KEY_LETTERS);
    }
}
