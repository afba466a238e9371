//! Wildcards: `a.*` and `a.b.*`, and `a.*-pnpres` for the presence events of what `a.*` stands for (platform.md 2.5, 2.6).

/// What ends the name of a channel's presence events.
pub const PRESENCE_SUFFIX: &str = "-pnpres";
/// Wildcards reach two dots deep (platform.md 2.6): `a.b.*`, and channels `a.b.c`.
pub const DOTS_MAX: usize = 2;

/// A name that stands for many channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wildcard<'n> {
    /// With its dot: `a.` of `a.*`.
    pub prefix: &'n str,
    /// Whether it stands for the channels' presence events, and not for the channels.
    pub presence: bool,
}

impl<'n> Wildcard<'n> {
    /// The name as a wildcard; `None` for all others, `a*` and `*.a` among them: they are not names at all.
    pub fn parse(name: &'n str) -> Option<Self> {
        let (name, presence) = match name.strip_suffix(PRESENCE_SUFFIX) {
            Some(name) => (name, true),
            None => (name, false),
        };
        let prefix = name.strip_suffix('*').filter(|prefix| prefix.ends_with('.'))?;
        Some(Self { prefix, presence })
    }

    /// Whether it stands for this channel: something must follow the dot, and presence events are only its own kind's.
    pub fn covers(self, channel: &str) -> bool {
        channel.len() > self.prefix.len()
            && channel.starts_with(self.prefix)
            && channel.ends_with(PRESENCE_SUFFIX) == self.presence
    }

    /// The wildcards that stand for this channel, the widest first: at most two.
    pub fn covering(channel: &'n str) -> impl Iterator<Item = Self> {
        let presence = channel.ends_with(PRESENCE_SUFFIX);
        let dots = channel.bytes().enumerate().filter(|(_, byte)| *byte == b'.').take(DOTS_MAX);
        let prefixes = dots.map(|(dot, _)| &channel[..=dot]).filter(|prefix| prefix.len() < channel.len());
        prefixes.map(move |prefix| Self { prefix, presence })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_star_after_a_dot_at_the_end_is_a_wildcard() {
        for (name, prefix, presence) in
            [("a.*", "a.", false), ("a.b.*", "a.b.", false), ("a.*-pnpres", "a.", true), (".*", ".", false)]
        {
            assert_eq!(Wildcard::parse(name), Some(Wildcard { prefix, presence }), "{name}");
        }
        for name in ["a", "a*", "*", "*.a", "a.*.b", "a.b*-pnpres", "a.*x", ""] {
            assert_eq!(Wildcard::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_channel_is_covered_by_at_most_two() {
        let covering = |channel| Wildcard::covering(channel).map(|w| (w.prefix, w.presence)).collect::<Vec<_>>();
        assert_eq!(covering("a.b.c"), [("a.", false), ("a.b.", false)]);
        assert_eq!(covering("a.b.c.d"), [("a.", false), ("a.b.", false)], "none is three dots deep");
        assert_eq!(covering("a.b-pnpres"), [("a.", true)]);
        assert_eq!(covering("a"), []);
        assert_eq!(covering("a."), [], "something must follow the dot");
        for (name, channel, covers) in [
            ("a.*", "a.b", true),
            ("a.*", "a.b.c", true),
            ("a.b.*", "a.b", false),
            ("a.b.*", "a.bc", false),
            ("a.*", "a.b-pnpres", false),
            ("a.*-pnpres", "a.b-pnpres", true),
            ("a.*-pnpres", "a.b", false),
        ] {
            let wildcard = Wildcard::parse(name).unwrap();
            assert_eq!(wildcard.covers(channel), covers, "{name} {channel}");
            assert_eq!(Wildcard::covering(channel).any(|w| w == wildcard), covers, "{name} {channel}");
        }
    }
}
