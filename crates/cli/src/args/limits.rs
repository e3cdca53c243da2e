//! The words of a node's limits and its audit log.

use emerge_server::{Allowance, Allowances, AuditLevel};

/// As [`allowance`], of an address.
pub(super) fn address_allowance(text: &str) -> Result<Allowance, String> {
    let allowance = allowance(text)?;
    if allowance.run != Allowances::default().address.run {
        return Err("methods run for users: run=N is a limit of --limit-user".to_owned());
    }
    Ok(allowance)
}

/// `requests=1000,streams=16`: what is not named is as by default.
pub(super) fn allowance(text: &str) -> Result<Allowance, String> {
    let mut allowance = Allowances::default().user;
    for part in text.split(',') {
        let needed = || {
            format!("{part:?} is no limit: connections=N, requests=N, bytes=N, streams=N or run=N is needed")
        };
        let (name, number) = part.split_once('=').ok_or_else(needed)?;
        let number: u64 = number.trim().parse().map_err(|_| needed())?;
        let small =
            || u32::try_from(number).map_err(|_| format!("{part:?}: the number is at most {}", u32::MAX));
        match name.trim() {
            "connections" => allowance.connections = small()?,
            "requests" => allowance.requests = small()?,
            "bytes" => allowance.bytes = number,
            "streams" => allowance.streams = small()?,
            "run" => allowance.run = small()?,
            _ => return Err(needed()),
        }
    }
    Ok(allowance)
}

pub(super) fn level(text: &str) -> Result<AuditLevel, String> {
    AuditLevel::parse(text)
        .ok_or_else(|| format!("one of {} is needed", AuditLevel::ALL.map(AuditLevel::as_str).join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_or_refused() {
        let default = Allowances::default().user;
        assert_eq!(allowance("requests=10, bytes=0"), Ok(Allowance { requests: 10, bytes: 0, ..default }));
        assert_eq!(
            allowance("connections=1,streams=2"),
            Ok(Allowance { connections: 1, streams: 2, ..default })
        );
        assert_eq!(allowance("run=30"), Ok(Allowance { run: 30, ..default }));
        assert!(address_allowance("run=30").is_err() && address_allowance("streams=30").is_ok());
        for text in
            ["", "requests", "requests=", "requests=-1", "requests=5000000000", "speed=1", "requests=1,,"]
        {
            assert!(allowance(text).is_err(), "{text:?}");
        }
        assert_eq!(level("writes"), Ok(AuditLevel::Writes));
        assert!(level("some").is_err());
    }
}
