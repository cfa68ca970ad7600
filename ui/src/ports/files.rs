//! Files that a browser was given. A page is told no paths, so each gets a name that stands for it: `NUMBER/NAME`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use web_sys::File;

thread_local! {
    static FILES: RefCell<BTreeMap<String, File>> = const { RefCell::new(BTreeMap::new()) };
    static NEXT: Cell<u64> = const { Cell::new(1) };
}

/// Keeps a file and names it.
pub(super) fn keep(file: File) -> String {
    let number = NEXT.with(|next| next.replace(next.get() + 1));
    let path = format!("{number}/{}", file.name());
    FILES.with_borrow_mut(|files| files.insert(path.clone(), file));
    path
}

/// Hands a file out, once.
pub(super) fn take(path: &str) -> Option<File> {
    FILES.with_borrow_mut(|files| files.remove(path))
}
