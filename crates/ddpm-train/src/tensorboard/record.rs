//! TFRecord framing: `length: u64 LE | masked crc of length: u32 LE | payload | masked crc of payload: u32 LE`.
//!
//! Source: TensorFlow, "TFRecord and tf.train.Example", section "TFRecords format details".

/// Added to the rotated checksum, so that the checksum of data which itself contains checksums is no weaker.
const MASK_DELTA: u32 = 0xa282_ead8;

/// CRC-32C (Castagnoli), rotated right by 15 bits and shifted by a constant, modulo 2^32.
fn masked_crc32c(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(MASK_DELTA)
}

/// One record around `payload`.
pub(super) fn encode(payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(payload.len() + 16);
    record.extend_from_slice(&length);
    record.extend_from_slice(&masked_crc32c(&length).to_le_bytes());
    record.extend_from_slice(payload);
    record.extend_from_slice(&masked_crc32c(payload).to_le_bytes());
    record
}

/// The payloads of a whole file, or the byte offset of the first record that is cut short or damaged.
#[cfg(test)]
pub(super) fn decode_all(file: &[u8]) -> Result<Vec<&[u8]>, usize> {
    let mut payloads = Vec::new();
    let mut rest = file;
    while !rest.is_empty() {
        let offset = file.len() - rest.len();
        let (payload, after) = decode_first(rest).ok_or(offset)?;
        payloads.push(payload);
        rest = after;
    }
    Ok(payloads)
}

#[cfg(test)]
fn decode_first(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (length_crc, rest) = rest.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*length_crc) != masked_crc32c(length) {
        return None;
    }
    let (payload, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let (payload_crc, rest) = rest.split_first_chunk::<4>()?;
    (u32::from_le_bytes(*payload_crc) == masked_crc32c(payload)).then_some((payload, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 3720 (iSCSI), appendix B.4, and the check value of the CRC catalogue's CRC-32/ISCSI.
    #[test]
    fn crc32c_matches_published_vectors() {
        assert_eq!(crc32c::crc32c(&[0x00; 32]), 0x8a91_36aa);
        assert_eq!(crc32c::crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c::crc32c(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
    }

    /// By hand from the check value: 0xe3069283 rotated right by 15 is 0x2507c60d; plus the constant.
    #[test]
    fn the_mask_rotates_and_shifts() {
        assert_eq!(masked_crc32c(b"123456789"), 0xc78a_b0e5);
    }

    proptest! {
        #[test]
        fn records_are_read_back(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..8)) {
            let file: Vec<u8> = payloads.iter().flat_map(|payload| encode(payload)).collect();
            prop_assert_eq!(decode_all(&file).unwrap(), payloads);
        }

        #[test]
        fn a_flipped_bit_is_noticed(payload in prop::collection::vec(any::<u8>(), 0..64), place in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let mut file = encode(&payload);
            let place = place.index(file.len());
            file[place] ^= 1_u8 << bit;
            prop_assert_eq!(decode_all(&file), Err(0));
        }
    }
}
