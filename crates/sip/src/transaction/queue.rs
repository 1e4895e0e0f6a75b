//! A list through the things of a [`Slab`], from which any can be taken out at any time.

use super::slab::Slab;

/// The place of one thing in a list.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Link {
    previous: Option<Number>,
    next: Option<Number>,
    is_in: bool,
}

/// An index that leaves room for `None`: [`Slab`] never uses the highest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Number(core::num::NonZeroU32);

impl Number {
    fn new(index: u32) -> Option<Number> {
        core::num::NonZeroU32::new(index.wrapping_add(1)).map(Number)
    }

    fn index(self) -> u32 {
        self.0.get() - 1
    }
}

/// A thing that can stand in a list.
pub(super) trait Linked {
    fn link(&mut self) -> &mut Link;
}

/// A list: its first and its last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Queue {
    first: Option<Number>,
    last: Option<Number>,
}

impl Queue {
    pub(super) fn new() -> Queue {
        Queue::default()
    }

    pub(super) fn first(&self) -> Option<u32> {
        self.first.map(Number::index)
    }

    /// Puts a thing at the end, unless it is in a list already.
    pub(super) fn push<T: Linked>(&mut self, slab: &mut Slab<T>, index: u32) {
        let Some(thing) = slab.get_mut(index) else {
            return;
        };
        let link = thing.link();
        if link.is_in {
            return;
        }
        let previous = self.last;
        *link = Link {
            previous,
            next: None,
            is_in: true,
        };
        let number = Number::new(index);
        self.last = number;
        match previous.and_then(|previous| slab.get_mut(previous.index())) {
            Some(previous) => previous.link().next = number,
            None => self.first = number,
        }
    }

    /// Shows every thing in order.
    pub(super) fn for_each<T: Linked>(&self, slab: &mut Slab<T>, mut show: impl FnMut(u32, &T)) {
        let mut next = self.first;
        while let Some(number) = next {
            let Some(thing) = slab.get_mut(number.index()) else {
                return;
            };
            show(number.index(), thing);
            next = thing.link().next;
        }
    }

    /// Takes a thing out, when it is in.
    pub(super) fn remove<T: Linked>(&mut self, slab: &mut Slab<T>, index: u32) {
        let Some(thing) = slab.get_mut(index) else {
            return;
        };
        let Link {
            previous,
            next,
            is_in,
        } = core::mem::take(thing.link());
        if !is_in {
            return;
        }
        match previous.and_then(|previous| slab.get_mut(previous.index())) {
            Some(previous) => previous.link().next = next,
            None => self.first = next,
        }
        match next.and_then(|next| slab.get_mut(next.index())) {
            Some(next) => next.link().previous = previous,
            None => self.last = previous,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing(Link);

    impl Linked for Thing {
        fn link(&mut self) -> &mut Link {
            &mut self.0
        }
    }

    #[test]
    fn things_leave_in_the_order_they_came_and_from_anywhere() {
        let mut slab = Slab::new();
        let mut queue = Queue::new();
        let indices: Vec<_> = (0..5)
            .map(|_| slab.insert(Thing(Link::default())).index)
            .collect();
        for index in &indices {
            queue.push(&mut slab, *index);
            queue.push(&mut slab, *index);
        }
        for (remove, first) in [
            (2, Some(0)),
            (0, Some(1)),
            (4, Some(1)),
            (1, Some(3)),
            (3, None),
        ] {
            queue.remove(&mut slab, indices[remove]);
            queue.remove(&mut slab, indices[remove]);
            assert_eq!(
                queue.first(),
                first.map(|position: usize| indices[position])
            );
        }
        queue.push(&mut slab, indices[2]);
        assert_eq!(queue.first(), Some(indices[2]));
    }
}
