//! What people do to terminals through the API: open them, type, read, change their size, close them. Knows no page.

use cynic::MutationBuilder as _;

use super::data::{Place, Session};
use crate::api::{self, schema};
use crate::browser;
use crate::log::dom;
use crate::pages::runs::data::{Refusal, UserError, settled};

/// Under which name this browser keeps the size that terminals had last.
const SIZE: &str = "cronium-terminal-size";
/// Under which name this tab keeps the terminal that is to have the focus.
const WANTED: &str = "cronium-terminal-wanted";

#[derive(cynic::InputObject)]
struct OpenTerminalInput {
    #[cynic(skip_serializing_if = "Option::is_none")]
    server_id: Option<cynic::Id>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    execution_id: Option<cynic::Id>,
    columns: i32,
    rows: i32,
}

#[derive(cynic::QueryVariables)]
struct OpenVariables {
    input: OpenTerminalInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "OpenVariables")]
struct OpenTerminal {
    #[arguments(input: $input)]
    open_terminal: OpenTerminalPayload,
}

crate::api::listed!(Mutation OpenTerminal, OpenVariables);

#[derive(cynic::QueryFragment)]
struct OpenTerminalPayload {
    terminal: Option<Session>,
    user_errors: Vec<UserError>,
}

/// A size as it is kept, `80x24`.
fn size(text: &str) -> Option<(i32, i32)> {
    let (columns, rows) = text.split_once('x')?;
    let (columns, rows) = (columns.parse().ok()?, rows.parse().ok()?);
    let fits = |one: i32| (1..=1000).contains(&one);
    (fits(columns) && fits(rows)).then_some((columns, rows))
}

/// The size that terminals had last: the next one is likely to have it.
fn last_size() -> (i32, i32) {
    browser::stored(SIZE)
        .and_then(|text| size(&text))
        .unwrap_or((80, 24))
}

/// Keeps the size for the next one.
pub fn keep_size(columns: i32, rows: i32) {
    browser::store(SIZE, Some(&format!("{columns}x{rows}")));
}

/// Opens a terminal, which is to have the focus as soon as it is shown.
pub async fn open(place: Place) -> Result<Session, Refusal> {
    let (columns, rows) = last_size();
    let (server_id, execution_id) = match place {
        Place::Server(id) => (Some(id), None),
        Place::Execution(id) => (None, Some(id)),
    };
    let input = OpenTerminalInput {
        server_id,
        execution_id,
        columns,
        rows,
    };
    let answer = api::run(OpenTerminal::build(OpenVariables { input }))
        .await?
        .open_terminal;
    let session = settled(answer.terminal, answer.user_errors)?;
    keep_read(session.id.inner(), 0);
    want(session.id.inner());
    Ok(session)
}

fn read_key(id: &str) -> String {
    format!("cronium-terminal-{id}")
}

/// Keeps for this tab up to where it has shown a terminal: what asks for an answer is answered once.
pub fn keep_read(id: &str, seq: i32) {
    dom::keep(&read_key(id), Some(&seq.to_string()));
}

/// Up to where this tab has shown a terminal; none where it never did.
pub fn read(id: &str) -> Option<i32> {
    dom::kept(&read_key(id))?.parse().ok()
}

/// Whoever opens a terminal, or turns to it, wants to type there. Kept by the tab: the page that asks for it may be of
/// another part of the application than the one that shows it, and they share nothing else.
pub fn want(id: &str) {
    dom::keep(WANTED, Some(id));
}

/// Whether a terminal is to have the focus; true once.
pub fn is_wanted(id: &str) -> bool {
    let wanted = dom::kept(WANTED).as_deref() == Some(id);
    if wanted {
        dom::keep(WANTED, None);
    }
    wanted
}

#[derive(cynic::InputObject)]
struct SendTerminalInputInput {
    id: cynic::Id,
    data: String,
    seq: i32,
}

#[derive(cynic::QueryVariables)]
struct SendVariables {
    input: SendTerminalInputInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "SendVariables")]
struct SendTerminalInput {
    #[arguments(input: $input)]
    send_terminal_input: SendTerminalInputPayload,
}

crate::api::listed!(Mutation SendTerminalInput, SendVariables);

#[derive(cynic::QueryFragment)]
struct SendTerminalInputPayload {
    next_seq: Option<i32>,
    user_errors: Vec<UserError>,
}

/// Types a piece if it is its turn, and gives the number that comes next.
pub async fn send(id: &str, data: String, seq: i32) -> Result<i32, Refusal> {
    let input = SendTerminalInputInput {
        id: id.into(),
        data,
        seq,
    };
    let answer = api::run(SendTerminalInput::build(SendVariables { input }))
        .await?
        .send_terminal_input;
    // What keeps a piece from being typed now is not that it can't be typed.
    answer.next_seq.ok_or(Refusal::Refused(answer.user_errors))
}

#[derive(cynic::InputObject)]
struct ReadTerminalInput {
    id: cynic::Id,
    seq: i32,
}

#[derive(cynic::QueryVariables)]
struct ReadVariables {
    input: ReadTerminalInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "ReadVariables")]
struct ReadTerminal {
    #[arguments(input: $input)]
    read_terminal: ReadTerminalPayload,
}

crate::api::listed!(Mutation ReadTerminal, ReadVariables);

#[derive(cynic::QueryFragment)]
struct ReadTerminalPayload {
    user_errors: Vec<UserError>,
}

/// Tells up to which piece a terminal was shown, which makes room for more.
pub async fn tell_read(id: &str, seq: i32) -> Result<(), Refusal> {
    let input = ReadTerminalInput { id: id.into(), seq };
    let answer = api::run(ReadTerminal::build(ReadVariables { input }))
        .await?
        .read_terminal;
    settled(Some(()), answer.user_errors)
}

#[derive(cynic::InputObject)]
struct ResizeTerminalInput {
    id: cynic::Id,
    columns: i32,
    rows: i32,
}

#[derive(cynic::QueryVariables)]
struct ResizeVariables {
    input: ResizeTerminalInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "ResizeVariables")]
struct ResizeTerminal {
    #[arguments(input: $input)]
    resize_terminal: ResizeTerminalPayload,
}

crate::api::listed!(Mutation ResizeTerminal, ResizeVariables);

#[derive(cynic::QueryFragment)]
struct ResizeTerminalPayload {
    user_errors: Vec<UserError>,
}

/// Tells the size that there is room for.
pub async fn resize(id: &str, columns: i32, rows: i32) -> Result<(), Refusal> {
    let input = ResizeTerminalInput {
        id: id.into(),
        columns,
        rows,
    };
    let answer = api::run(ResizeTerminal::build(ResizeVariables { input }))
        .await?
        .resize_terminal;
    settled(Some(()), answer.user_errors)
}

#[derive(cynic::InputObject)]
struct CloseTerminalInput {
    id: cynic::Id,
}

#[derive(cynic::QueryVariables)]
struct CloseVariables {
    input: CloseTerminalInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "CloseVariables")]
struct CloseTerminal {
    #[arguments(input: $input)]
    close_terminal: CloseTerminalPayload,
}

crate::api::listed!(Mutation CloseTerminal, CloseVariables);

#[derive(cynic::QueryFragment)]
struct CloseTerminalPayload {
    user_errors: Vec<UserError>,
}

/// Hangs up.
pub async fn close(id: &str) -> Result<(), Refusal> {
    let input = CloseTerminalInput { id: id.into() };
    let answer = api::run(CloseTerminal::build(CloseVariables { input }))
        .await?
        .close_terminal;
    settled(Some(()), answer.user_errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_was_kept_is_one_that_a_terminal_may_have() {
        assert_eq!(size("132x43"), Some((132, 43)));
        for wrong in ["", "132", "0x24", "80x1001", "x", "-1x5"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }
}
