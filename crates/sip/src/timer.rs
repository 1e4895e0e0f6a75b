//! A queue of many short timers. It has no clock and runs nothing: it is told the time, and says
//! what is due.
//!
//! The timers lie in a hierarchical wheel: each level has 64 slots, and each slot of a level is as
//! long as all slots of the level below. A timer is put into the level in which its deadline first
//! differs from the present, and moves down when the present reaches its slot. Setting and
//! cancelling take constant time, and a cancelled timer leaves nothing behind.

use core::num::NonZeroU32;

use crate::time::Time;

/// Deadlines are rounded up to this many microseconds.
pub const TICK_MICROS: u64 = 1000;

const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// Seven levels of 64 slots of a millisecond reach 139 years.
const LEVELS: usize = 7;
const LAST_TICK: u64 = (1 << (SLOT_BITS * LEVELS as u32)) - 1;
/// Where no entry is.
const NONE: u32 = u32::MAX;
/// Memory is given back when the queue runs empty and had more entries than this.
const KEPT_ENTRIES: usize = 1024;

/// Names a timer that was set, until it is due or cancelled.
///
/// It is used again for another timer only after 2^32 timers have been set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerId {
    index: u32,
    serial: NonZeroU32,
}

#[derive(Clone, Copy)]
struct Entry<K> {
    tick: u64,
    /// `None` in a free entry, whose `next` is the next free one.
    content: Option<(NonZeroU32, K)>,
    previous: u32,
    next: u32,
    level: u8,
    slot: u8,
}

#[derive(Clone, Copy)]
struct Slot {
    first: u32,
    last: u32,
    /// The earliest tick that was put here since the slot was empty: never too late.
    earliest: u64,
}

const EMPTY_SLOT: Slot = Slot {
    first: NONE,
    last: NONE,
    earliest: u64::MAX,
};

#[derive(Clone, Copy)]
struct Level {
    /// Bit n says that slot n is not empty.
    occupied: u64,
    slots: [Slot; SLOTS],
}

/// A queue of timers that each carry a key.
///
/// Timers with the same deadline, rounded up to [`TICK_MICROS`], become due in an order that
/// depends on nothing but the calls that were made.
pub struct TimerQueue<K> {
    levels: Box<[Level; LEVELS]>,
    entries: Vec<Entry<K>>,
    first_free: u32,
    count: usize,
    /// The tick up to which everything has been handed out.
    present: u64,
    next_serial: NonZeroU32,
}

impl<K: Copy> Default for TimerQueue<K> {
    fn default() -> TimerQueue<K> {
        TimerQueue::new()
    }
}

impl<K: Copy> TimerQueue<K> {
    /// An empty queue.
    pub fn new() -> TimerQueue<K> {
        TimerQueue {
            levels: Box::new(
                [Level {
                    occupied: 0,
                    slots: [EMPTY_SLOT; SLOTS],
                }; LEVELS],
            ),
            entries: Vec::new(),
            first_free: NONE,
            count: 0,
            present: 0,
            next_serial: NonZeroU32::MIN,
        }
    }

    /// How many timers are set.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether no timer is set.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Sets a timer. A deadline in the past is due at once.
    pub fn insert(&mut self, deadline: Time, key: K) -> TimerId {
        let tick = deadline.as_micros().div_ceil(TICK_MICROS).min(LAST_TICK);
        let serial = self.next_serial;
        self.next_serial = serial.checked_add(1).unwrap_or(NonZeroU32::MIN);
        let entry = Entry {
            tick,
            content: Some((serial, key)),
            previous: NONE,
            next: NONE,
            level: 0,
            slot: 0,
        };
        let index = self.allocate(entry);
        self.link(index);
        self.count += 1;
        TimerId { index, serial }
    }

    /// Takes a timer back; `None` when it was due or cancelled before.
    pub fn cancel(&mut self, timer: TimerId) -> Option<K> {
        let (serial, key) = self.entries.get(timer.index as usize)?.content?;
        if serial != timer.serial {
            return None;
        }
        self.unlink(timer.index);
        self.free(timer.index);
        Some(key)
    }

    /// When to call [`TimerQueue::pop_due`] next: the earliest deadline, or a time before it when
    /// the earliest timer was cancelled.
    pub fn next_deadline(&self) -> Option<Time> {
        let (level, slot) = self.first_occupied()?;
        let tick = self
            .levels
            .get(level)?
            .slots
            .get(slot)?
            .earliest
            .max(self.present);
        Some(Time::from_micros(tick.saturating_mul(TICK_MICROS)))
    }

    /// Takes out the next timer whose deadline is not after `now`.
    pub fn pop_due(&mut self, now: Time) -> Option<K> {
        let now = (now.as_micros() / TICK_MICROS).min(LAST_TICK);
        while let Some((level, slot)) = self.first_occupied() {
            let start = self.slot_start(level, slot);
            if start > now {
                break;
            }
            self.present = self.present.max(start);
            if level == 0 {
                return self.take_first(slot);
            }
            self.spread(level, slot);
        }
        // Nothing begins before `now`, so that every timer stays on its level.
        self.present = self.present.max(now);
        None
    }

    fn take_first(&mut self, slot: usize) -> Option<K> {
        let index = self.levels.first()?.slots.get(slot)?.first;
        let (_, key) = self.entries.get(index as usize)?.content?;
        self.unlink(index);
        self.free(index);
        Some(key)
    }

    /// The earliest slot that is not empty. Timers on a lower level are always earlier.
    fn first_occupied(&self) -> Option<(usize, usize)> {
        self.levels
            .iter()
            .position(|level| level.occupied != 0)
            .and_then(|index| {
                Some((
                    index,
                    self.levels.get(index)?.occupied.trailing_zeros() as usize,
                ))
            })
    }

    /// The first tick of a slot in the present turn of its level.
    fn slot_start(&self, level: usize, slot: usize) -> u64 {
        let shift = SLOT_BITS * level as u32;
        let turn = self.present & !((1 << (shift + SLOT_BITS)) - 1);
        turn | ((slot as u64) << shift)
    }

    /// Moves the timers of a slot that has begun to lower levels, in their order.
    fn spread(&mut self, level: usize, slot: usize) {
        let Some(mut index) = self.take_slot(level, slot) else {
            return;
        };
        while let Some(entry) = self.entries.get(index as usize) {
            let next = entry.next;
            self.link(index);
            index = next;
        }
    }

    fn take_slot(&mut self, level: usize, slot: usize) -> Option<u32> {
        let level = self.levels.get_mut(level)?;
        level.occupied &= !(1 << slot);
        let slot = level.slots.get_mut(slot)?;
        let first = slot.first;
        *slot = EMPTY_SLOT;
        Some(first)
    }

    /// Appends an entry to the slot that its tick belongs to.
    fn link(&mut self, index: u32) {
        let Some(entry) = self.entries.get_mut(index as usize) else {
            return;
        };
        let tick = entry.tick.max(self.present);
        let difference = tick ^ self.present;
        let level = match difference {
            0 => 0,
            _ => (u64::BITS - 1 - difference.leading_zeros()) / SLOT_BITS,
        };
        let slot = (tick >> (SLOT_BITS * level)) as usize % SLOTS;
        entry.level = level as u8;
        entry.slot = slot as u8;
        entry.next = NONE;
        let Some(level) = self.levels.get_mut(level as usize) else {
            return;
        };
        level.occupied |= 1 << slot;
        let Some(slot) = level.slots.get_mut(slot) else {
            return;
        };
        entry.previous = slot.last;
        slot.earliest = slot.earliest.min(tick);
        let last = core::mem::replace(&mut slot.last, index);
        if last == NONE {
            slot.first = index;
        } else if let Some(last) = self.entries.get_mut(last as usize) {
            last.next = index;
        }
    }

    fn unlink(&mut self, index: u32) {
        let Some(&Entry {
            previous,
            next,
            level,
            slot: slot_index,
            ..
        }) = self.entries.get(index as usize)
        else {
            return;
        };
        if let Some(entry) = self.entries.get_mut(previous as usize) {
            entry.next = next;
        }
        if let Some(entry) = self.entries.get_mut(next as usize) {
            entry.previous = previous;
        }
        let Some(level) = self.levels.get_mut(usize::from(level)) else {
            return;
        };
        let Some(slot) = level.slots.get_mut(usize::from(slot_index)) else {
            return;
        };
        if slot.first == index {
            slot.first = next;
        }
        if slot.last == index {
            slot.last = previous;
        }
        if slot.first == NONE {
            *slot = EMPTY_SLOT;
            level.occupied &= !(1 << slot_index);
        }
    }

    fn allocate(&mut self, entry: Entry<K>) -> u32 {
        let index = self.first_free;
        if let Some(free) = self.entries.get_mut(index as usize) {
            self.first_free = free.next;
            *free = entry;
            return index;
        }
        // Four thousand million timers would need more memory than machines have.
        let index = u32::try_from(self.entries.len()).unwrap_or(NONE);
        self.entries.push(entry);
        index
    }

    fn free(&mut self, index: u32) {
        self.count -= 1;
        if self.count == 0 && self.entries.len() > KEPT_ENTRIES {
            self.entries = Vec::new();
            self.first_free = NONE;
            return;
        }
        if let Some(entry) = self.entries.get_mut(index as usize) {
            entry.content = None;
            entry.next = self.first_free;
            self.first_free = index;
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_micros(millis * 1000)
    }

    fn drain(queue: &mut TimerQueue<u32>, now: Time) -> Vec<u32> {
        core::iter::from_fn(|| queue.pop_due(now)).collect()
    }

    #[test]
    fn timers_are_due_in_the_order_of_their_deadlines_and_not_before() {
        let mut queue = TimerQueue::new();
        for millis in [32_000, 500, 1, 1_000, 64, 63, 200_000] {
            queue.insert(at(millis), millis as u32);
        }
        assert_eq!(queue.len(), 7);
        assert_eq!(drain(&mut queue, Time::ZERO), []);
        assert_eq!(drain(&mut queue, at(499)), [1, 63, 64]);
        assert_eq!(drain(&mut queue, at(500)), [500]);
        assert_eq!(drain(&mut queue, at(300_000)), [1_000, 32_000, 200_000]);
        assert!(queue.is_empty());
        assert_eq!(queue.next_deadline(), None);
    }

    #[test]
    fn timers_of_one_deadline_are_due_in_the_order_they_were_set() {
        let mut queue = TimerQueue::new();
        for key in 0..100 {
            queue.insert(at(5_000), key);
        }
        assert_eq!(drain(&mut queue, at(5_000)), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_deadline_is_rounded_up_and_a_past_one_is_due_at_once() {
        let mut queue = TimerQueue::new();
        queue.insert(Time::from_micros(1_500), 1);
        assert_eq!(queue.next_deadline(), Some(at(2)));
        assert_eq!(queue.pop_due(Time::from_micros(1_999)), None);
        assert_eq!(queue.pop_due(at(2)), Some(1));
        assert_eq!(queue.pop_due(at(10_000)), None);
        queue.insert(at(3), 2);
        assert_eq!(queue.next_deadline(), Some(at(10_000)));
        assert_eq!(queue.pop_due(at(10_000)), Some(2));
    }

    #[test]
    fn a_cancelled_timer_is_never_due_and_its_name_means_nothing_any_more() {
        let mut queue = TimerQueue::new();
        let first = queue.insert(at(10), 1);
        assert_eq!(queue.cancel(first), Some(1));
        assert_eq!(queue.cancel(first), None);
        let second = queue.insert(at(10), 2);
        assert_eq!(queue.cancel(first), None);
        assert_eq!(drain(&mut queue, at(10)), [2]);
        assert_eq!(queue.cancel(second), None);
    }

    #[test]
    fn next_deadline_is_exact_while_nothing_is_cancelled() {
        let mut queue = TimerQueue::new();
        for millis in [70_000, 4_097, 4_100, 500] {
            queue.insert(at(millis), 0);
        }
        for millis in [500, 4_097, 4_100, 70_000] {
            assert_eq!(queue.next_deadline(), Some(at(millis)));
            assert_eq!(queue.pop_due(at(millis)), Some(0));
        }
    }

    #[test]
    fn a_deadline_that_never_comes_does_no_harm() {
        let mut queue = TimerQueue::new();
        let never = queue.insert(Time::from_micros(u64::MAX), 1);
        queue.insert(at(1), 2);
        assert_eq!(drain(&mut queue, at(u64::from(u32::MAX))), [2]);
        assert_eq!(queue.cancel(never), Some(1));
    }

    #[test]
    fn cancelled_timers_leave_no_memory_behind() {
        let mut queue = TimerQueue::new();
        for round in 0..100_000_u64 {
            let timer = queue.insert(at(round + 32_000), 0);
            queue.insert(at(round), 1);
            assert_eq!(drain(&mut queue, at(round)), [1]);
            queue.cancel(timer);
        }
        assert!(queue.is_empty());
        assert!(queue.entries.len() <= 2);
        for round in 0..10_000 {
            queue.insert(at(200_000 + round), 0);
        }
        assert_eq!(drain(&mut queue, at(300_000)).len(), 10_000);
        assert_eq!(queue.entries.capacity(), 0);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u64),
        Cancel(usize),
        Advance(u64),
        AdvanceToDeadline,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => prop_oneof![0_u64..10, 0_u64..5_000, 0_u64..40_000, 0_u64..100_000_000]
                .prop_map(Step::Insert),
            2 => any::<usize>().prop_map(Step::Cancel),
            2 => prop_oneof![0_u64..100, 0_u64..10_000, 0_u64..10_000_000].prop_map(Step::Advance),
            2 => Just(Step::AdvanceToDeadline),
        ]
    }

    proptest! {
        #[test]
        fn the_queue_behaves_like_a_sorted_map(steps in prop::collection::vec(step(), 1..300)) {
            let mut queue = TimerQueue::new();
            let mut model = BTreeMap::new();
            let mut timers = Vec::new();
            let mut now = Time::ZERO;
            for step in steps {
                match step {
                    Step::Insert(millis) => {
                        let deadline = now + Duration::from_millis(millis);
                        let key = timers.len() as u32;
                        timers.push(queue.insert(deadline, key));
                        model.insert(key, deadline);
                    }
                    Step::Cancel(_) if timers.is_empty() => {}
                    Step::Cancel(which) => {
                        let which = which % timers.len();
                        let cancelled = queue.cancel(timers[which]).is_some();
                        prop_assert_eq!(cancelled, model.remove(&(which as u32)).is_some());
                    }
                    Step::Advance(millis) => now = now + Duration::from_millis(millis),
                    Step::AdvanceToDeadline => now = queue.next_deadline().unwrap_or(now).max(now),
                }
                let mut previous = Time::ZERO;
                while let Some(key) = queue.pop_due(now) {
                    let deadline = model.remove(&key).expect("set and not cancelled");
                    prop_assert!(deadline <= now && deadline >= previous);
                    previous = deadline;
                }
                prop_assert!(model.values().all(|deadline| *deadline > now));
                prop_assert_eq!(queue.len(), model.len());
                let earliest = model.values().min().copied();
                let next = queue.next_deadline();
                prop_assert_eq!(next.is_some(), earliest.is_some());
                prop_assert!(next.is_none() || (next <= earliest && next > Some(now)));
            }
        }
    }
}
