//! The program looks into a directory that another process opens and closes meanwhile: neither gets in the other's way.

mod program;

use std::sync::atomic::{AtomicBool, Ordering};

use alloy_primitives::B256;
use program::snapsync;
use snapsync_storage::{Chain, Config, Store};

#[test]
fn a_directory_opens_while_others_look_into_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let chain = Chain { id: 7, genesis: B256::repeat_byte(1) };
    let open = || Store::open(&Config::small(folder.path()), chain).map(drop);
    open().expect("it opens");
    let datadir = folder.path().to_str().expect("a plain path");
    let is_over = AtomicBool::new(false);
    let look = || {
        let mut looks = 0;
        while !is_over.load(Ordering::Relaxed) {
            let status = snapsync(["status", "--datadir", datadir]);
            assert!(status.status.success(), "{status:?}");
            looks += 1;
        }
        looks
    };
    std::thread::scope(|scope| {
        let looking = [scope.spawn(look), scope.spawn(look), scope.spawn(look)];
        let opened = (0..60).try_for_each(|_| open());
        is_over.store(true, Ordering::Relaxed);
        opened.expect("it opens");
        for looks in looking {
            assert!(looks.join().expect("it looks") > 0, "none looked");
        }
    });
}
