//! The parts that pages are made of. Each gives the design's markup and nothing else; none knows
//! what it shows.

mod dialog;
mod feedback;
mod field;
mod format;
mod icon;
mod kind;
mod meter;
mod query;
mod status;
mod strip;
mod toast;

pub use dialog::{Dialog, use_returned_focus};
pub use feedback::{Empty, ErrorNotice, Live, Skeleton, error_text};
pub use field::Field;
pub use format::{TimeAgo, ago, bytes, clock, duration, elapsed, number, until, use_now};
pub use icon::{BrandMark, Icon};
pub use kind::{EventType, Kind};
pub use meter::{Meter, Spark};
pub use query::{Query, use_query};
pub use status::{JobStatus, Status, StatusDot, StatusIcon, StatusPill};
pub use strip::{PastRuns, Strip};
pub use toast::{Toasts, toast, toast_error};
