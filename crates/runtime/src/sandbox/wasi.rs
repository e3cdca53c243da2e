//! What a component finds of WASI: the call's clock, seeded randomness, an environment without anything in it. All else of WASI traps, and the guest's
//! own code sees to it that stored code gets an `OSError` before it comes to that.

use super::imports::Host;
use super::internal;
use emerge_proto::Result;
use wasmtime::component::{Component, Linker, Val};

/// The host's side of the call that runs in a component.
pub(super) struct World {
    pub(super) host: Host,
    pub(super) now_micros: i64,
    random: u64,
}

impl World {
    pub(super) fn new(host: Host) -> Self {
        Self { host, now_micros: 0, random: 0 }
    }

    /// Sets clock and randomness for a piece of work.
    pub(super) fn begin(&mut self, now_micros: i64, seed: u64) {
        self.now_micros = now_micros;
        self.random = seed;
    }

    /// The next number of the seed's sequence (SplitMix64).
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn random_bytes(&mut self, len: u64) -> Vec<u8> {
        const MOST: u64 = 1024 * 1024;
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < len.min(MOST) {
            bytes.extend_from_slice(&self.random().to_le_bytes());
        }
        bytes.truncate(len as usize);
        bytes
    }

    fn nanos(&self) -> u64 {
        u64::try_from(self.now_micros).unwrap_or(0).saturating_mul(1000)
    }
}

/// Defines WASI for a component.
pub(super) fn define(linker: &mut Linker<World>, component: &Component) -> Result<()> {
    define_known(linker)
        .and_then(|()| linker.define_unknown_imports_as_traps(component))
        .map_err(|error| internal("the sandbox's imports could not be defined", &error))
}

fn define_known(linker: &mut Linker<World>) -> wasmtime::Result<()> {
    let mut clock = linker.instance("wasi:clocks/wall-clock@0.2.9")?;
    for name in ["now", "resolution"] {
        clock.func_new(name, move |store, _, _, out| {
            let micros = if name == "now" { store.data().now_micros } else { 1 };
            let (seconds, micros) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
            out[0] = Val::Record(vec![
                ("seconds".into(), Val::U64(u64::try_from(seconds).unwrap_or(0))),
                ("nanoseconds".into(), Val::U32(micros as u32 * 1000)),
            ]);
            Ok(())
        })?;
    }
    let mut clock = linker.instance("wasi:clocks/monotonic-clock@0.2.9")?;
    clock.func_wrap("now", |store, (): ()| Ok((store.data().nanos(),)))?;
    clock.func_wrap("resolution", |_, (): ()| Ok((1000_u64,)))?;
    for instance in ["wasi:random/random@0.2.9", "wasi:random/insecure@0.2.9"] {
        let insecure = if instance.contains("insecure") { "insecure-" } else { "" };
        let mut random = linker.instance(instance)?;
        random.func_wrap(&format!("get-{insecure}random-bytes"), |mut store, (len,): (u64,)| {
            Ok((store.data_mut().random_bytes(len),))
        })?;
        random.func_wrap(&format!("get-{insecure}random-u64"), |mut store, (): ()| {
            Ok((store.data_mut().random(),))
        })?;
    }
    let mut random = linker.instance("wasi:random/insecure-seed@0.2.9")?;
    random.func_wrap("insecure-seed", |mut store, (): ()| {
        let pair = (store.data_mut().random(), store.data_mut().random());
        Ok((pair,))
    })?;
    let mut environment = linker.instance("wasi:cli/environment@0.2.9")?;
    for name in ["get-environment", "get-arguments"] {
        environment.func_new(name, |_, _, _, out| {
            out[0] = Val::List(Vec::new());
            Ok(())
        })?;
    }
    environment.func_new("initial-cwd", |_, _, _, out| {
        out[0] = Val::Option(None);
        Ok(())
    })?;
    linker.instance("wasi:filesystem/preopens@0.2.9")?.func_new("get-directories", |_, _, _, out| {
        out[0] = Val::List(Vec::new());
        Ok(())
    })?;
    Ok(())
}
