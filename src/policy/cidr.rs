//! Blocks of addresses: a prefix without some smaller ones.
//!
//! Belongs here: their text form and membership. Does not belong here: whether a pod's address counts
//! (`network::evaluate`; that depends on the CNI).

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use super::PolicyError;

/// A prefix and the prefixes inside it that do not count (Kubernetes `networking/v1` `IPBlock`; Cilium `CIDRRule`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    net: IpNet,
    except: Vec<IpNet>,
}

impl Block {
    /// Reads `10.0.0.0/8`; bits behind the prefix are ignored, as the real components do.
    ///
    /// # Errors
    /// If the text is no prefix, or an exception is not inside the block.
    pub fn parse(text: &str, except: &[impl AsRef<str>]) -> Result<Self, PolicyError> {
        let net = prefix(text)?;
        let mut inside = Vec::new();
        for text in except {
            let exception = prefix(text.as_ref())?;
            if !net.contains(&exception) {
                return Err(PolicyError::Invalid {
                    what: "exception",
                    value: text.as_ref().to_owned(),
                    hint: "an exception lies inside its block and is of the same address family",
                });
            }
            inside.push(exception);
        }
        Ok(Self { net, except: inside })
    }

    /// As [`Block::parse`]; of exceptions that hold for several blocks, those count that meet this one.
    pub fn parse_overlapping(text: &str, except: &[impl AsRef<str>]) -> Result<Self, PolicyError> {
        let net = prefix(text)?;
        let parsed: Result<Vec<IpNet>, PolicyError> = except.iter().map(|text| prefix(text.as_ref())).collect();
        let mut except = parsed?;
        except.retain(|other| net.contains(other) || other.contains(&net));
        Ok(Self { net, except })
    }

    /// As [`Block::parse`] without exceptions; a bare address is a block of one.
    pub fn parse_or_address(text: &str) -> Result<Self, PolicyError> {
        match text.parse::<IpAddr>() {
            Ok(address) => Ok(Self {
                net: IpNet::from(address),
                except: Vec::new(),
            }),
            Err(_) => Self::parse(text, &[] as &[&str]),
        }
    }

    /// Whether the address is inside and not excepted.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.net.contains(&address) && !self.except.iter().any(|net| net.contains(&address))
    }

    /// Whether every address of its family is inside.
    pub fn is_everything(&self) -> bool {
        self.net.prefix_len() == 0 && self.except.is_empty()
    }

    /// Every address of IPv4.
    pub fn everything() -> Self {
        Self {
            net: IpNet::V4(Ipv4Net::default()),
            except: Vec::new(),
        }
    }

    /// Whether it has an address of another block, whose exceptions do not count.
    pub fn overlaps(&self, other: &Self) -> bool {
        let meets = self.net.contains(&other.net) || other.net.contains(&self.net);
        meets && !self.except.iter().any(|net| net.contains(&other.net))
    }

    /// Whether it has all addresses of another block.
    pub fn covers(&self, other: &Self) -> bool {
        let meets = |net: &IpNet| net.contains(&other.net) || other.net.contains(net);
        self.net.contains(&other.net) && !self.except.iter().any(meets)
    }

    /// Whether the block is one of IPv4.
    pub fn is_ipv4(&self) -> bool {
        matches!(self.net, IpNet::V4(_))
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.net)?;
        for (index, net) in self.except.iter().enumerate() {
            let before = if index == 0 { " except " } else { ", " };
            write!(f, "{before}{net}")?;
        }
        Ok(())
    }
}

fn prefix(text: &str) -> Result<IpNet, PolicyError> {
    let net: Result<IpNet, _> = text.parse();
    net.map(|net| net.trunc()).map_err(|_| PolicyError::Invalid {
        what: "address block",
        value: text.to_owned(),
        hint: "write address and length of the prefix, as in 10.0.0.0/8",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn blocks_meet_or_hold_another_one() {
        let pods = Block::parse("10.0.0.0/8", &[] as &[&str]).expect("valid");
        for (block, except, overlaps, covers) in [
            ("0.0.0.0/0", &[][..], true, true),
            ("0.0.0.0/0", &["169.254.169.254/32"], true, true),
            ("0.0.0.0/0", &["10.0.0.0/8"], false, false),
            ("0.0.0.0/0", &["10.96.0.0/12"], true, false),
            ("10.0.0.0/8", &[], true, true),
            ("10.20.0.0/16", &[], true, false),
            ("192.168.0.0/16", &[], false, false),
            ("::/0", &[], false, false),
        ] {
            let found = Block::parse(block, except).expect("valid");
            assert_eq!(
                (found.overlaps(&pods), found.covers(&pods)),
                (overlaps, covers),
                "{found}"
            );
        }
        assert!(Block::everything().is_everything() && Block::everything().is_ipv4());
    }

    #[test]
    fn exceptions_are_taken_out() {
        let block = Block::parse("10.0.0.0/8", &["10.96.0.0/12"]).expect("valid");
        assert!(block.contains(address("10.1.2.3")));
        assert!(!block.contains(address("10.100.0.1")));
        assert!(!block.contains(address("11.0.0.1")));
        assert!(!block.contains(address("fd00::1")));
        assert_eq!(block.to_string(), "10.0.0.0/8 except 10.96.0.0/12");
    }

    #[test]
    fn bits_behind_the_prefix_are_ignored() {
        let block = Block::parse("10.1.2.3/8", &[] as &[&str]).expect("valid");
        assert!(block.contains(address("10.200.0.1")));
    }

    #[test]
    fn an_exception_outside_of_the_block_is_refused() {
        assert!(Block::parse("10.0.0.0/8", &["11.0.0.0/16"]).is_err());
        assert!(Block::parse("10.0.0.0/8", &["fd00::/16"]).is_err());
        assert!(Block::parse("10.0.0.0/33", &[] as &[&str]).is_err());
    }

    #[test]
    fn a_bare_address_is_a_block_of_one() {
        let block = Block::parse_or_address("20.1.1.1").expect("valid");
        assert!(block.contains(address("20.1.1.1")) && !block.contains(address("20.1.1.2")));
        assert!(Block::parse("20.1.1.1", &[] as &[&str]).is_err());
    }
}
