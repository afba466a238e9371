use super::*;

/// Counts what it is asked.
#[derive(Default)]
struct Till {
    charged: u32,
    answered: Answered,
}

impl Service for Till {
    fn serve(&mut self, _: Nanos, request: &HttpRequest) -> HttpReply {
        let Self { charged, answered } = self;
        answered.once(request.header("Idempotency-Key").unwrap_or(""), || {
            *charged += 1;
            (200, charged.to_string().into())
        })
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn call(till: &mut Outside, key: &str) -> Option<u16> {
    let headers = vec![("idempotency-key".into(), key.into())];
    let request = HttpRequest { method: "POST", path: "/".into(), body: "".into(), headers, token: None };
    let mut out = Outbox::new(false);
    till.handle(1, Input::Message { from: NodeId(0), msg: Msg::Http { tag: 9, request: Box::new(request) } }, &mut out);
    out.drain_sends().next().map(|send| match send.msg {
        Msg::HttpAnswer { tag: 9, status, .. } => status,
        other => panic!("{other:?}"),
    })
}

fn misbehave(till: &mut Outside, how: Misbehaviour) {
    till.handle(1, Input::Message { from: NodeId(0), msg: Msg::Misbehave(how) }, &mut Outbox::new(false));
}

#[test]
fn a_call_can_take_effect_and_be_answered_with_an_error_or_not_at_all_and_its_key_is_good_for_one_effect() {
    let mut till = Outside::new(Box::<Till>::default(), 1);
    misbehave(&mut till, Misbehaviour { error_after_effect_ppm: 1_000_000, ..Misbehaviour::default() });
    assert_eq!(call(&mut till, "a"), Some(500));
    misbehave(&mut till, Misbehaviour { silent_after_effect_ppm: 1_000_000, ..Misbehaviour::default() });
    assert_eq!(call(&mut till, "b"), None);
    misbehave(&mut till, Misbehaviour { error_ppm: 1_000_000, ..Misbehaviour::default() });
    assert_eq!(call(&mut till, "c"), Some(500));
    // A new process behaves, and knows what it has done: a and b, not c.
    till.reboot(2);
    assert_eq!((call(&mut till, "a"), call(&mut till, "b")), (Some(200), Some(200)));
    assert_eq!(till.service::<Till>().unwrap().charged, 2);
    assert_eq!(call(&mut till, "c"), Some(200));
    assert_eq!(till.service::<Till>().unwrap().charged, 3);
}
