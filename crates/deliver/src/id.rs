//! Ids of deliveries: from what is delivered alone, so that making one again after a crash gives the same.

use sha2::{Digest, Sha256};

/// The id of what a destination is told of an alert's change with this number.
pub(crate) fn delivery(destination: &str, alert: &str, news: u64) -> String {
    let mut hash = Sha256::new();
    for part in [destination.as_bytes(), alert.as_bytes(), &news.to_be_bytes()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    format!("dlv_{}", &hexadecimal(&hash.finalize())[..32])
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_the_same_for_ever() {
        assert_eq!(delivery("chat", "alert_1", 7), "dlv_8cffcd85cc72c800221958c4917c2309");
        let others = [delivery("chatalert", "_1", 7), delivery("chat", "alert_1", 8), delivery("mail", "alert_1", 7)];
        assert!(others.iter().all(|id| *id != delivery("chat", "alert_1", 7)));
    }
}
