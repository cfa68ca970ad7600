//! Requests under way, so that they can be cancelled by the window's numbers.

use crate::torrents::shell_error;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use streamshare_ipc::{ShellError, code};
use tokio_util::sync::CancellationToken;

/// The requests under way, by the number that the window gave them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Operations(Arc<Mutex<BTreeMap<u64, CancellationToken>>>);

/// A request under way; ends with the value.
#[derive(Debug)]
pub(crate) struct Operation {
    op: u64,
    token: CancellationToken,
    all: Operations,
}

impl Operations {
    /// Takes up a request.
    pub(crate) fn begin(&self, op: u64) -> Result<Operation, ShellError> {
        let token = CancellationToken::new();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.contains_key(&op) {
            return Err(shell_error(code::INTERNAL, &format!("request {op} is under way already")));
        }
        all.insert(op, token.clone());
        Ok(Operation { op, token, all: self.clone() })
    }

    /// Cancels a request; one that has ended is none.
    pub(crate) fn cancel(&self, op: u64) {
        if let Some(token) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&op) {
            token.cancel();
        }
    }

    pub(crate) fn cancel_all(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().for_each(CancellationToken::cancel);
    }
}

impl Operation {
    pub(crate) fn token(&self) -> &CancellationToken {
        &self.token
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.op);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_free_again_when_its_request_ended() {
        let operations = Operations::default();
        let first = operations.begin(1).expect("free");
        assert!(operations.begin(1).is_err());
        operations.cancel(2);
        assert!(!first.token().is_cancelled());
        operations.cancel(1);
        assert!(first.token().is_cancelled());
        drop(first);
        let second = operations.begin(1).expect("free again");
        assert!(!second.token().is_cancelled());
        operations.cancel_all();
        assert!(second.token().is_cancelled());
    }
}
