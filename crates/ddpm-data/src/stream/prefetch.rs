//! Reading and decoding the batches of the next steps on other threads.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::source::{ImageSource, read_all};
use crate::error::{DataError, Result};
use crate::order::{Batch, ShuffledOrder};
use crate::shard::Shard;

/// Largest number of decoded blocks that wait to be used. More would cost memory and would not make a slow reader faster.
const AHEAD: usize = 4;

/// The images of one step in one process.
#[derive(Debug)]
pub struct Block {
    /// Indices of the images, and which of them are to be mirrored.
    pub batch: Batch,
    /// Their channel planes, `[n, channels, height, width]`, not mirrored.
    pub pixels: Vec<u8>,
    /// Their classes, if the source has any.
    pub labels: Option<Vec<i64>>,
}

/// Reads the blocks of a run in their order. After a block it reads the next part of the same step, or the first part of the next step. It
/// restarts at any other block that is asked for.
#[derive(Debug)]
pub struct Prefetch {
    source: Arc<dyn ImageSource>,
    order: ShuffledOrder,
    decoders: Arc<rayon::ThreadPool>,
    running: Option<(Position, Receiver<Result<Block>>)>,
}

/// A step, and the part of its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    step: u64,
    shard: Shard,
}

impl Position {
    fn next(self) -> Self {
        match self.shard.next_part() {
            Some(shard) => Position { shard, ..self },
            None => Position { step: self.step + 1, shard: self.shard.first_part() },
        }
    }
}

impl Prefetch {
    /// A reader of `source` in `order`, with as many decoding threads as the machine has cores.
    pub fn new(source: Arc<dyn ImageSource>, order: ShuffledOrder) -> Result<Self> {
        let decoders = rayon::ThreadPoolBuilder::new()
            .thread_name(|k| format!("decode-{k}"))
            .build()
            .map_err(|e| DataError::mismatch("threads for decoding", "to be available", e))?;
        Ok(Self { source, order, decoders: Arc::new(decoders), running: None })
    }

    /// The images of a part of a step; waits if they are not there yet.
    pub fn block(&mut self, step: u64, shard: &Shard) -> Result<Block> {
        let wanted = Position { step, shard: *shard };
        let receiver = match self.running.take() {
            Some((position, receiver)) if position == wanted => receiver,
            _ => self.start(wanted)?,
        };
        // The channel closes without an error only if the thread panicked, which printed a message.
        let block = receiver
            .recv()
            .map_err(|_| DataError::mismatch("the thread that reads images", "to run", "a panic in it"))??;
        self.running = Some((wanted.next(), receiver));
        Ok(block)
    }

    fn start(&self, first: Position) -> Result<Receiver<Result<Block>>> {
        let (sender, receiver) = sync_channel(AHEAD);
        let (source, order, decoders) = (Arc::clone(&self.source), self.order, Arc::clone(&self.decoders));
        thread::Builder::new()
            .name("read-ahead".to_string())
            .spawn(move || read_on(source.as_ref(), order, &decoders, first, &sender))
            .map_err(|e| DataError::mismatch("a thread that reads ahead", "to start", e))?;
        Ok(receiver)
    }
}

/// Sends blocks until the receiver is dropped or a block cannot be read.
fn read_on(
    source: &dyn ImageSource,
    order: ShuffledOrder,
    decoders: &rayon::ThreadPool,
    mut position: Position,
    sender: &SyncSender<Result<Block>>,
) {
    loop {
        let batch = order.batch(position.step, &position.shard);
        let block = decoders.install(|| read_all(source, &batch.indices)).map(|pixels| Block {
            labels: source.labels().map(|labels| batch.indices.iter().map(|&k| labels[k]).collect()),
            batch,
            pixels,
        });
        let failed = block.is_err();
        if sender.send(block).is_err() || failed {
            return;
        }
        position = position.next();
    }
}
