//! Which documents run, and how many of them clients may register.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::kernel::Result;
use crate::transport::graphql::documents::{Documents, Room};

use super::given::Given;

/// Persisted documents.
#[derive(Debug, Clone, Args)]
pub struct PersistedConfig {
    /// Only the documents of this file or directory run, and those of the dashboard: `.graphql` files and `.json`
    /// manifests.
    #[arg(long, env = "CRONIUM_PERSISTED_DOCUMENTS")]
    pub persisted_documents: Option<PathBuf>,

    /// Documents that clients may register by their hash (APQ); 0: none.
    #[arg(long, env = "CRONIUM_APQ_MAX_DOCUMENTS",
          default_value_t = Given::of(Room::DEFAULT.documents as u64))]
    pub apq_max_documents: Given,

    /// Bytes of those.
    #[arg(long, env = "CRONIUM_APQ_MAX_BYTES", default_value_t = Given::of(Room::DEFAULT.bytes as u64))]
    pub apq_max_bytes: Given,
}

impl PersistedConfig {
    /// The product's own values, whatever the environment says.
    pub fn standard() -> Self {
        Self {
            persisted_documents: None,
            apq_max_documents: Given::of(Room::DEFAULT.documents as u64),
            apq_max_bytes: Given::of(Room::DEFAULT.bytes as u64),
        }
    }

    /// Adds what is wrong.
    pub fn problems(&self, web_dir: &Path, found: &mut Vec<String>) {
        let (documents, bytes) = (&self.apq_max_documents, &self.apq_max_bytes);
        documents.check("CRONIUM_APQ_MAX_DOCUMENTS", 0..=10_000_000, found);
        bytes.check("CRONIUM_APQ_MAX_BYTES", 1024..=1 << 40, found);
        if let Err(problem) = self.documents(web_dir) {
            found.push(format!("CRONIUM_PERSISTED_DOCUMENTS: {}", problem.private_text()));
        }
    }

    /// Where only listed documents run, those that the dashboard was built with are on the list.
    pub fn documents(&self, web_dir: &Path) -> Result<Documents> {
        let dashboard = Some(web_dir.join("documents.json")).filter(|path| path.is_file());
        match &self.persisted_documents {
            Some(path) => Documents::listed(path, dashboard.as_deref()),
            None => Ok(Documents::registered(Room {
                documents: self.apq_max_documents.size(),
                bytes: self.apq_max_bytes.size(),
            })),
        }
    }
}
