//! Awaiting several calls at once (`Promise.allSettled`): all are made when the whole is first polled, and it is done when
//! the last is.
//!
//! A worker polls a handler when an answer has come and needs no wakers; so each poll looks at every part that is not done.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Poll;

/// A part: under way, or done.
enum Part<F: Future> {
    Pending(Pin<Box<F>>),
    Done(F::Output),
}

/// Every result, in the order of `futures`, when the last one has come. An error ends nobody else: results are values.
pub async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut parts: Vec<Part<F>> = futures.into_iter().map(|future| Part::Pending(Box::pin(future))).collect();
    std::future::poll_fn(|context| {
        let mut pending = false;
        for part in &mut parts {
            if let Part::Pending(future) = part {
                match future.as_mut().poll(context) {
                    Poll::Ready(output) => *part = Part::Done(output),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    let done = |part| match part {
        Part::Done(output) => output,
        Part::Pending(_) => unreachable!("all are done by now"),
    };
    parts.into_iter().map(done).collect()
}

/// Both results, of two different kinds, when the later one has come. Three: `join(a, join(b, c))`.
pub async fn join<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut of_a, mut of_b) = (None, None);
    std::future::poll_fn(|context| {
        if of_a.is_none()
            && let Poll::Ready(output) = a.as_mut().poll(context)
        {
            of_a = Some(output);
        }
        if of_b.is_none()
            && let Poll::Ready(output) = b.as_mut().poll(context)
        {
            of_b = Some(output);
        }
        if of_a.is_some() && of_b.is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    (of_a.expect("it is done"), of_b.expect("it is done"))
}
