//! Amounts of processors and memory as Kubernetes writes them: `500m`, `0.5`, `128Mi`, `1e9`.
//!
//! Belongs here: the notation (`kubernetes/kubernetes staging/src/k8s.io/apimachinery/pkg/api/resource/quantity.go`). Does not belong
//! here: who requests what (`manifests::requests`), and what nodes have (`node_pools`).

/// Suffixes with the power of ten or two that they stand for.
const DECIMAL: [(&str, i32); 9] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
const BINARY: [(&str, u32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

/// A quantity in thousandths, rounded up; nothing if the text is none, or one that no machine has.
pub fn thousandths(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits_end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits_end);
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if part.contains('.') || whole.is_empty() && part.is_empty() || number.len() > 25 {
        return None;
    }
    let mut amount: u128 = format!("{whole}{part}").parse().ok()?;
    let mut power = 3 - part.len() as i32;
    if let Some((_, bits)) = BINARY.iter().find(|(known, _)| *known == suffix) {
        amount = amount.checked_mul(1 << bits)?;
    } else if let Some((_, ten)) = DECIMAL.iter().find(|(known, _)| *known == suffix) {
        power += ten;
    } else if let Some(exponent) = suffix.strip_prefix(['e', 'E']) {
        power += exponent.parse::<i32>().ok().filter(|exponent| exponent.abs() < 30)?;
    } else if !suffix.is_empty() {
        return None;
    }
    let scale = 10_u128.checked_pow(power.unsigned_abs())?;
    let scaled = match power {
        0.. => amount.checked_mul(scale)?,
        _ => amount.div_ceil(scale),
    };
    u64::try_from(scaled).ok()
}

/// A quantity in whole units, rounded up: bytes of memory.
pub fn units(text: &str) -> Option<u64> {
    thousandths(text).map(|thousandths| thousandths.div_ceil(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_exact_and_rounded_up() {
        let cases = [
            ("500m", 500),
            ("0.5", 500),
            ("2", 2000),
            (".25", 250),
            ("1e3", 1_000_000),
            ("100u", 1),
            ("1500n", 1),
            ("2E-3", 2),
        ];
        for (text, value) in cases {
            assert_eq!(thousandths(text), Some(value), "{text}");
        }
        assert_eq!(thousandths("100P"), None, "it has more thousandths than 64 bits hold");
        let bytes = [
            ("128Mi", 128 << 20),
            ("1Gi", 1 << 30),
            ("1.5Ki", 1536),
            ("1G", 1_000_000_000),
            ("7", 7),
        ];
        for (text, value) in bytes {
            assert_eq!(units(text), Some(value), "{text}");
        }
        for wrong in ["", "m", "1.2.3", "-1", "1 Gi", "1GiB", "one", "1e999", "."] {
            assert_eq!(thousandths(wrong), None, "{wrong}");
        }
    }
}
