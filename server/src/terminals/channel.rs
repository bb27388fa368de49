//! What goes between terminals and the orchestrators that have them: who opens which, what is kept of what they say,
//! and what they are to be told. Knows their words, not their connections.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cronium_protocol::agent::{Claim, HostOrder};
use cronium_protocol::terminal::{About, End, FromTerminal, MAX_PIECE, PIECE_COST, Place, Size};
use uuid::Uuid;

use crate::kernel::clock::from_micros;
use crate::kernel::ids::{TerminalId, UserId};
use crate::kernel::{Error, Op, Result};
use crate::servers::Trouble;

use super::lines::{Heard, Kept, Meeting, News, Opening};
use super::model::Ending;
use super::service::{Terminals, place_of};
use super::store::channel::{self as store, Output, Row, Taken};
use super::store::{passing, pieces};

/// What was said together, by what it is about: of one terminal it counts in the order of a terminal's life.
#[derive(Debug, Default)]
pub struct Said {
    held: Vec<Uuid>,
    opened: Vec<Uuid>,
    output: Vec<Output>,
    typed: BTreeMap<Uuid, i64>,
    ended: Vec<(Uuid, End)>,
    bytes: usize,
}

impl Said {
    pub fn add(&mut self, about: About<FromTerminal>) {
        let id = about.terminal;
        match about.word {
            FromTerminal::Held => self.held.push(id),
            FromTerminal::Opened => self.opened.push(id),
            FromTerminal::Output { number, at_us, data } => {
                self.bytes += data.len() + PIECE_COST;
                self.output.push(Output {
                    terminal: id,
                    number: signed(number),
                    at: from_micros(at_us),
                    data,
                });
            }
            FromTerminal::Typed { number } => {
                let last = self.typed.entry(id).or_default();
                *last = (*last).max(signed(number));
            }
            FromTerminal::Ended(end) => self.ended.push((id, end)),
        }
    }

    /// Of output, with what its pieces cost.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
            && self.opened.is_empty()
            && self.output.is_empty()
            && self.typed.is_empty()
            && self.ended.is_empty()
    }

    /// Terminals that it takes for theirs that go on.
    pub fn alive(&self) -> BTreeSet<Uuid> {
        let output = self.output.iter().map(|piece| piece.terminal);
        let others = self.held.iter().chain(&self.opened).chain(self.typed.keys());
        output.chain(others.copied()).collect()
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn size(width: i32, height: i32) -> Size {
    let side = |n: i32| u16::try_from(n).unwrap_or(u16::MAX);
    Size {
        columns: side(width),
        rows: side(height),
    }
}

/// Where to open it; or why it can't be, for people.
fn place(
    one: &Taken,
    order: Option<std::result::Result<HostOrder, String>>,
) -> std::result::Result<Place, String> {
    match (one.execution_id, one.epoch, order) {
        (Some(execution_id), Some(epoch), _) => Ok(Place::Container(Claim { execution_id, epoch })),
        (Some(_), None, _) => Err("The run has ended, or another orchestrator has it by now.".to_owned()),
        (None, _, Some(order)) => order.map(Place::Server),
        (None, _, None) => Err("The server was removed.".to_owned()),
    }
}

impl Terminals {
    /// Gives an orchestrator terminals to open: those in its containers, and those on servers where it takes them.
    /// Again what it was given before and is not `known` to whoever carries its words: it has not heard of that.
    pub async fn take(
        &self,
        orchestrator: Uuid,
        servers: bool,
        room: usize,
        known: &[Uuid],
    ) -> Result<Vec<Opening>> {
        let room = i64::try_from(room).unwrap_or(i64::MAX);
        let taken = store::take(&self.kernel.relaxed, orchestrator, servers, room, known).await?;
        let on_server = |one: &Taken| Some((UserId(one.owner_id), one.server_id?));
        let wanted: Vec<(UserId, Uuid)> = taken.iter().filter_map(on_server).collect();
        let orders = if wanted.is_empty() {
            HashMap::new()
        } else {
            self.servers.orders(&wanted).await?
        };
        let mut open = Vec::new();
        for one in taken {
            let order = on_server(&one).and_then(|key| orders.get(&key).cloned());
            match place(&one, order) {
                Ok(place) => open.push(Opening {
                    id: one.id,
                    place,
                    size: size(one.width, one.height),
                }),
                // One that does not end now is taken again, and so ends later.
                Err(why) => self.end_one(orchestrator, one.id, &Ending::because(why)).await?,
            }
        }
        Ok(open)
    }

    /// Ends a terminal of an orchestrator. What stands in the way of that is only noted, because it must not hold up
    /// the others: it ends later, as one that nobody hears of. Where the database is away, all of them wait.
    async fn end_one(&self, orchestrator: Uuid, id: Uuid, ending: &Ending) -> Result<()> {
        let ended = self.end(&Op::default(), id, Some(orchestrator), ending).await;
        match ended.map_err(passing) {
            Ok(_) => Ok(()),
            Err(away @ Error::Unavailable(_)) => Err(away),
            Err(problem) => {
                let problem = problem.private_text();
                tracing::error!(problem, terminal = %id, "a terminal was not ended");
                Ok(())
            }
        }
    }

    /// Keeps what an orchestrator has said. `Unavailable`: it may be said again.
    pub async fn hear(&self, orchestrator: Uuid, said: Said) -> Result<Heard> {
        self.take_in(orchestrator, said).await.map_err(passing)
    }

    async fn take_in(&self, orchestrator: Uuid, said: Said) -> Result<Heard> {
        let mut heard = Heard::default();
        if !said.held.is_empty() {
            self.meet(orchestrator, &said.held, &mut heard).await?;
        }
        if !said.opened.is_empty() {
            let (pool, now) = (&self.kernel.relaxed, self.kernel.now());
            for id in store::opened(pool, orchestrator, &said.opened, now).await? {
                self.kernel.signals.terminal_shown(TerminalId(id));
            }
        }
        if !said.output.is_empty() || !said.typed.is_empty() {
            self.keep(orchestrator, said.output, said.typed, &mut heard)
                .await?;
        }
        for (id, end) in said.ended {
            let ending = Ending::told(end, |found| Trouble::from(found).message());
            self.end_one(orchestrator, id, &ending).await?;
        }
        Ok(heard)
    }

    /// Terminals that an orchestrator has kept while its connection was away.
    async fn meet(&self, orchestrator: Uuid, held: &[Uuid], heard: &mut Heard) -> Result<()> {
        let met = store::meet(&self.kernel.relaxed, orchestrator, held).await?;
        let ids: Vec<Uuid> = met.iter().map(|one| one.id).collect();
        let mut unseen: HashMap<Uuid, Vec<(u64, i64)>> = HashMap::new();
        for (id, number, ends_at) in store::unseen(&self.kernel.relaxed, &ids).await? {
            unseen
                .entry(id)
                .or_default()
                .push((number.unsigned_abs(), ends_at));
        }
        heard.over.extend(held.iter().filter(|id| !ids.contains(id)));
        heard.met.extend(met.into_iter().map(|one| Meeting {
            id: one.id,
            output: one.last_output.unsigned_abs(),
            input: one.last_typed.unsigned_abs(),
            unseen: unseen.remove(&one.id).unwrap_or_default(),
        }));
        Ok(())
    }

    async fn keep(
        &self,
        orchestrator: Uuid,
        output: Vec<Output>,
        typed: BTreeMap<Uuid, i64>,
        heard: &mut Heard,
    ) -> Result<()> {
        let (output, large): (Vec<_>, Vec<_>) = output
            .into_iter()
            .partition(|piece| piece.data.len() <= MAX_PIECE);
        let mut named: BTreeSet<Uuid> = output.iter().map(|piece| piece.terminal).collect();
        named.extend(typed.keys());
        let typed: Vec<(Uuid, i64)> = typed.into_iter().collect();
        let (pool, now) = (&self.kernel.relaxed, self.kernel.now());
        // How far each went before, and goes now.
        let mut ways: BTreeMap<Uuid, (i64, i64)> = BTreeMap::new();
        let mut last = BTreeMap::new();
        for row in store::keep(pool, orchestrator, &output, &typed, now).await? {
            last.insert(row.id, (row.last_output.unsigned_abs(), row.output_bytes));
            let kept = heard.kept.entry(row.id).or_insert_with(|| Kept {
                seen_bytes: row.seen_bytes,
                pieces: Vec::new(),
            });
            if let (Some(number), Some(begins_at), Some(ends_at)) = (row.number, row.begins_at, row.ends_at) {
                kept.pieces.push((number.unsigned_abs(), ends_at));
                ways.entry(row.id).or_insert((begins_at, ends_at)).1 = ends_at;
            }
        }
        for (id, piece) in last {
            heard.kept.entry(id).or_default().pieces.push(piece);
        }
        for (id, (begins_at, ends_at)) in ways {
            self.kernel.signals.terminal_shown(TerminalId(id));
            pieces::trim(pool, id, begins_at, ends_at).await?;
        }
        named.retain(|id| !heard.kept.contains_key(id));
        heard.over.extend(named);
        for piece in large {
            tracing::warn!(terminal = %piece.terminal, bytes = piece.data.len(), "a piece of output is too large");
            heard.over.push(piece.terminal);
        }
        Ok(())
    }

    /// How these terminals of an orchestrator are by now, each with what was typed after the piece that it was told
    /// last; None: it has ended, is not its own, or can't go on.
    pub async fn news(
        &self,
        orchestrator: Uuid,
        told: &[(Uuid, u64)],
    ) -> Result<HashMap<Uuid, Option<News>>> {
        let asked: Vec<(Uuid, i64)> = told.iter().map(|(id, number)| (*id, signed(*number))).collect();
        let mut news: HashMap<Uuid, Option<News>> = told.iter().map(|(id, _)| (*id, None)).collect();
        let rows = store::news(&self.kernel.relaxed, orchestrator, &asked).await?;
        for rows in rows.chunk_by(|one, next| one.id == next.id) {
            let id = rows[0].id;
            match self.one_news(rows) {
                Ok(one) => {
                    news.insert(id, one);
                }
                // Without that piece nothing may be typed there, and the others have nothing to do with it.
                Err(problem) => {
                    let problem = problem.private_text();
                    tracing::error!(problem, terminal = %id, "what was typed can't be read: it is hung up");
                }
            }
        }
        Ok(news)
    }

    /// The same of one terminal, from its rows.
    fn one_news(&self, rows: &[Row]) -> Result<Option<News>> {
        let Some(first) = rows.first().filter(|row| !row.ended) else {
            return Ok(None);
        };
        let mut input = Vec::new();
        for row in rows {
            if let (Some(id), Some(number), Some(sealed)) = (row.input_id, row.number, &row.sealed) {
                let data = self.master.open(&place_of(id), sealed)?;
                input.push((number.unsigned_abs(), data.to_vec()));
            }
        }
        Ok(Some(News {
            size: size(first.width, first.height),
            seen_bytes: first.seen_bytes,
            input,
        }))
    }

    /// The orchestrator still has these.
    pub async fn renew(&self, orchestrator: Uuid, ids: &[Uuid]) -> Result<()> {
        store::renew(&self.kernel.relaxed, orchestrator, ids).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_together_is_counted_and_sorted() {
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut said = Said::default();
        assert!(said.is_empty());
        let output = |number| FromTerminal::Output {
            number,
            at_us: 1,
            data: vec![0; 10],
        };
        for (terminal, word) in [
            (one, FromTerminal::Opened),
            (one, output(1)),
            (one, FromTerminal::Typed { number: 5 }),
            (one, FromTerminal::Typed { number: 4 }),
            (two, FromTerminal::Ended(End::Closed)),
            (one, output(2)),
        ] {
            said.add(About { terminal, word });
        }
        assert_eq!((said.bytes(), said.is_empty()), (20 + 2 * PIECE_COST, false));
        assert_eq!(said.typed, BTreeMap::from([(one, 5)]));
        assert_eq!(said.alive(), BTreeSet::from([one]));
        let numbers: Vec<i64> = said.output.iter().map(|piece| piece.number).collect();
        assert_eq!(numbers, [1, 2]);
    }
}
